"""The command: what it prints and writes, how it fails, and the whole way on a trained model."""

import json
import subprocess
import sys
import time
from xml.etree import ElementTree

import cv2
import embedded_server
import numpy as np
import pandas as pd
import pytest
import stand_in
import tensorflow as tf

import me_keras
from me_keras import predict
from me_keras.motion_figures import face_mask
from me_keras.prediction import figure
from me_keras.prediction import model as models
from pipelines.faces import align, landmarks
from pipelines.schema import CLASSES
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan

FILM = plan.SynthesisConfig(frame_size=(320, 240))


def write_video(path, frames, fps=50.0, codec="FFV1"):
    """A video, without loss as a rule."""
    size = frames[0].shape[1], frames[0].shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a model, a clip as video and as images, and all that can be wrong."""
    root = tmp_path_factory.mktemp("predict")
    stand_in.write(root / "frl_dgt", size=64)
    spec = plan.draw_spec(FILM, 9, 0, "surprise")
    frames = list(clips.render(spec))
    write_video(root / "clip.avi", frames)
    write_video(root / "long.avi", [*frames, *frames[::-1], *frames], fps=25.0)
    (root / "folder").mkdir()
    for i, frame in enumerate(frames):
        cv2.imwrite(str(root / "folder" / f"img{i + 1}.png"), frame[..., ::-1])
    face, wall = frames[0], np.full_like(frames[0], 128)
    images = {"wall": wall, "two": np.concatenate([face, frames[5]], 1), "small": face[20:220]}
    for name, image in images.items():
        cv2.imwrite(str(root / f"{name}.png"), image[..., ::-1])
    whole = (root / "folder" / "img1.png").read_bytes()
    (root / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "same.png").write_bytes(whole)
    (root / "text.mp4").write_text("not a video")
    write_video(root / "one.avi", frames[:1])
    (root / "empty").mkdir()
    return root


@pytest.fixture
def run(place, monkeypatch, capsys):
    def command(*arguments, model="frl_dgt"):
        monkeypatch.chdir(place)
        try:
            code = predict.main([*arguments, "--model", model])
        except SystemExit as stop:
            code = stop.code
        said = capsys.readouterr()
        lines = [line for line in said.err.splitlines() if " loading TensorFlow and " not in line]
        return code, said.out, "\n".join(lines)

    return command


def rows(table):
    """The rows of a printed table, without its head and what stands below it."""
    table = table.partition("\n\n")[0]
    return [line for line in table.splitlines()[1:] if not line.startswith("note: ")]


ONSET, APEX = "folder/img1.png", "folder/img8.png"


def test_two_images(run):
    code, out, err = run("--onset", ONSET, "--apex", APEX)
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split()[:2] == ["clip", "class"] and f"{ONSET} {APEX}" in out


def test_a_clip_is_the_same_as_video_and_as_folder(run, tmp_path):
    path = tmp_path / "out.json"
    code, out, err = run("--clip", "clip.avi", "folder", "--fps", "50", "--json", str(path))
    assert (code, err) == (0, "") and [row.split()[0] for row in rows(out)] == [
        "clip.avi",
        "folder",
    ]
    video, folder = json.loads(path.read_text())["predictions"]
    assert video.pop("source") == "clip.avi" and folder.pop("source") == "folder"
    assert video == folder
    assert video["seconds"]["apex"] == video["apex"] / 50


def test_json_and_csv_on_the_terminal_are_nothing_else(run):
    code, out, _ = run("--clip", "clip.avi", "--json", "-")
    assert code == 0 and json.loads(out)["predictions"][0]["onset"] == 0
    code, out, _ = run("--clip", "long.avi", "--csv", "-")
    assert code == 0 and out.startswith("source,first,last")


def test_a_long_video_in_windows_with_its_picture(run, tmp_path):
    files = ["--csv", str(tmp_path / "w.csv"), "--figure", str(tmp_path / "f.png")]
    code, out, _ = run("--clip", "long.avi", *files, "--stride", "0.2")
    assert code == 0 and "6 windows, 6 answered" in out
    windows = pd.read_csv(tmp_path / "w.csv")
    np.testing.assert_allclose(windows["first_s"], [0, 0.2, 0.4, 0.6, 0.8, 0.92], atol=0.041)
    assert ((windows["last_s"] - windows["first_s"]) <= 0.5).all()
    assert cv2.imread(str(tmp_path / "f.png")).shape[1] == 1600


def test_why_and_how_every_frame_moved(run, tmp_path):
    files = {name: str(tmp_path / f"x.{name}") for name in ("csv", "json", "svg")}
    options = ["--regions", files["csv"], "--json", files["json"], "--explain", files["svg"]]
    assert run("--clip", "clip.avi", *options)[0] == 0
    record = json.loads((tmp_path / "x.json").read_text())["predictions"][0]
    table = pd.read_csv(files["csv"])
    assert table["frame"].tolist() == list(range(record["first"], record["last"] + 1))
    np.testing.assert_allclose(table["seconds"], table["frame"] / 50, atol=1e-4)
    (apex,) = table[table["place"] == "apex"].to_dict("records")
    assert apex["frame"] == record["apex"]
    for name, motion in record["regions"].items():  # the row of the apex is the prediction's
        for part in ("dx", "dy", "length"):
            assert apex[f"{name}_{part}_px"] == pytest.approx(motion[f"{part}_px"], abs=2e-4)
    assert set(record["occlusion"]) == set(record["attention"]) == set(record["regions"])
    assert "what the class rests on" in (tmp_path / "x.svg").read_text()
    code, out, _ = run("--clip", "clip.avi", "folder", "--regions", "-")
    assert code == 0 and out.startswith("source,frame,seconds,place,action_units,brow_right_dx_px")
    assert len(out.splitlines()) == 1 + 2 * len(table)


def test_events_as_a_table_and_for_elan(run, tmp_path):
    ends = {end: tmp_path / f"e.{end}" for end in ("csv", "txt", "eaf")}
    for path in ends.values():
        assert run("--clip", "clip.avi", "--events", str(path))[0] == 0
    (event,) = pd.read_csv(ends["csv"]).to_dict("records")
    assert event["start"] < event["apex"] <= event["end"] and event["moved"]
    assert event["apex_s"] == pytest.approx(event["apex"] / 50, abs=1e-3)
    slots = ElementTree.parse(ends["eaf"]).getroot().iter("TIME_SLOT")
    times = [int(slot.attrib["TIME_VALUE"]) for slot in slots]
    assert times == [round(1000 * event[name]) for name in ("start_s", "end_s")]
    assert ends["txt"].read_text().startswith("micro-expression\t00:00:00.")
    code, out, err = run("--clip", "folder", "clip.avi", "--events", str(tmp_path / "f.txt"))
    assert code == 2 and "folder: nothing tells when its frames were taken" in err
    assert rows(out)[0].startswith("folder")  # the answer is told all the same
    assert run("--clip", "folder", "clip.avi", "--events", str(tmp_path / "f.csv"))[0] == 0
    assert {"f-folder.csv", "f-clip.csv"} <= {path.name for path in tmp_path.iterdir()}


def test_of_several_clips_the_good_ones_are_answered(run, tmp_path):
    path = tmp_path / "f.png"
    code, out, err = run("--clip", "text.mp4", "clip.avi", "folder", "--figure", str(path))
    assert code == 2 and [row.split()[0] for row in rows(out)] == ["clip.avi", "folder"]
    assert err.startswith("error: text.mp4: holds no frame") and len(err.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f-clip.png", "f-folder.png"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--onset", ONSET, "--apex", "wall.png"], "no face found in the apex frame"),
        (["--onset", "wall.png", "--apex", ONSET], "no face found in wall.png"),
        (["--onset", "two.png", "--apex", "two.png"], "two.png: the same image"),
        (["--onset", ONSET, "--apex", "small.png"], "small.png: 320x200 px, but the onset"),
        (["--onset", ONSET, "--apex", "same.png"], "same.png: the same image as the onset"),
        (["--onset", ONSET, "--apex", "cut.png"], "cut.png: the image is cut short"),
        (["--onset", ONSET, "--apex", "absent.png"], "absent.png: cannot be read"),
        (["--onset", ONSET, "--apex", "text.mp4"], "text.mp4: not a readable image"),
        (["--clip", "text.mp4"], "text.mp4: holds no frame"),
        (["--clip", "one.avi"], "one.avi: 1 frame; motion needs two"),
        (["--clip", "empty"], "empty: no image with a number in its name"),
        (["--clip", "absent"], "absent: no such file or folder"),
        (["--clip", ONSET], "img1.png: one image"),
        (["--clip", "clip.avi", "--apex-frame", "12"], "--apex-frame 12: clip.avi has frames 0 to"),
    ],
)
def test_what_cannot_be_used_is_one_line(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("error: ") and len(err.splitlines()) == 1 and message in err


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--json", "clip.avi/x.json"], "--json clip.avi/x.json: cannot be written: no folder"),
        (["--csv", "new/x.csv"], "--csv new/x.csv: cannot be written: no folder new; make it"),
        (["--figure", "absent/x.png"], "--figure absent/x.png: cannot be written: no folder"),
        (["--figure", "dir.png"], "--figure dir.png: a folder, not a file"),
        (["--explain", "dir.png"], "--explain dir.png: a folder, not a file"),
        (["--events", "absent/x.eaf"], "--events absent/x.eaf: cannot be written: no folder"),
        (["--regions", "absent/x.csv"], "--regions absent/x.csv: cannot be written: no folder"),
        (["--save-pair", "clip.avi"], "--save-pair clip.avi: a file, not a folder"),
        (["--save-pair", "a/b/c"], "--save-pair a/b/c: cannot be written: no folder a/b"),
        (["--clip", "absent.mp4"], "absent.mp4: no such file or folder"),
    ],
)
def test_what_cannot_be_read_or_written_is_found_before_anything_is_loaded(
    run, place, monkeypatch, arguments, message
):
    (place / "dir.png").mkdir(exist_ok=True)
    monkeypatch.setattr(models.LocalModel, "load", lambda _: pytest.fail("loaded for nothing"))
    code, out, err = run("--clip", "clip.avi", *arguments)
    assert (code, out) == (2, "") and err.startswith("error: ") and message in err
    assert not (place / "new").exists()


def test_a_figure_that_fails_late_costs_no_answer(run, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "f.png")

    monkeypatch.setattr(figure, "save", full)
    files = ["--json", str(tmp_path / "x.json"), "--figure", str(tmp_path / "f.png")]
    code, out, err = run("--clip", "clip.avi", *files)
    assert code == 1 and rows(out)[0].startswith("clip.avi")
    assert err == "error: f.png: the disk is full: free some space"
    assert json.loads((tmp_path / "x.json").read_text())["predictions"]


def test_the_aligned_pair_is_what_the_server_takes(run, place, tmp_path):
    """To the bit: `serving_bytes` answers as the command did."""
    record = tmp_path / "x.json"
    code, _, _ = run("--clip", "clip.avi", "--save-pair", str(tmp_path), "--json", str(record))
    assert code == 0
    images = {part: (tmp_path / f"{part}.png").read_bytes() for part in ("onset", "apex")}
    loaded = tf.saved_model.load(str(place / "frl_dgt" / "1"))
    inputs = {f"{part}_bytes": tf.constant([image]) for part, image in images.items()}
    served = loaded.signatures["serving_bytes"](**inputs)
    found = json.loads(record.read_text())["predictions"][0]["probabilities"]
    np.testing.assert_allclose(served["probabilities"][0], list(found.values()), atol=1e-6)
    pairs = tmp_path / "pairs"
    assert run("--clip", "clip.avi", "folder", "--save-pair", str(pairs))[0] == 0
    names = [f"{clip}-{part}.png" for clip in ("clip", "folder") for part in ("apex", "onset")]
    assert sorted(path.name for path in pairs.iterdir()) == names
    assert (pairs / "clip-onset.png").read_bytes() == images["onset"]


def test_several_faces(run, place):
    two = cv2.imread(str(place / "two.png"))
    cv2.imwrite(str(place / "two_later.png"), np.roll(two, 1, axis=0))
    pair = ["--onset", "two.png", "--apex", "two_later.png"]
    code, _, err = run(*pair)
    assert code == 2 and "two.png: 2 faces" in err and "--face largest" in err
    code, out, _ = run(*pair, "--face", "largest")
    assert code == 0 and "two.png" in out


@pytest.mark.parametrize("model, message", [("absent", "absent: no such"), ("empty", "no version")])
def test_models_that_are_not_there(run, model, message):
    code, _, err = run("--clip", "clip.avi", model=model)
    assert code == 2 and message in err and len(err.splitlines()) == 1


def test_a_server_that_is_down(run):
    code, _, err = run("--clip", "clip.avi", "--server", "http://127.0.0.1:9")
    assert code == 2 and "127.0.0.1:9" in err and len(err.splitlines()) == 1


@pytest.mark.slow
def test_a_server_answers_as_the_model_does(run, place, tmp_path):
    """Over real sockets, gRPC and REST; with the contract here and without."""
    own = tmp_path / "own.csv"
    assert run("--clip", "long.avi", "clip.avi", "--csv", str(own))[0] == 0
    expected = pd.read_csv(own)
    with embedded_server.serving(place / "frl_dgt", tmp_path / "stderr.txt") as served:
        for address in (served.grpc, served.rest):
            path = tmp_path / "served.csv"
            code, out, err = run(
                "--clip", "long.avi", "clip.avi", "--csv", str(path), "--server", address
            )
            assert (code, err) == (0, "")
            pd.testing.assert_frame_equal(pd.read_csv(path), expected, rtol=1e-4, atol=1e-5)
        options = ["--clip", "clip.avi", "--json", "-", "--server", served.grpc]
        code, out, err = run(*options, model="elsewhere/frl_dgt")
        assert code == 0, err
        record = json.loads(out)["predictions"][0]
        assert list(record["probabilities"]) == list(CLASSES)
        assert record["model"] == f"frl_dgt at {served.grpc}"
        code, _, err = run(*options, model="elsewhere/another")
        assert code == 2 and "another" in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "give --clip, or --onset and --apex"),
        (["--clip", "a", "--window", "-1"], "window must lie in [0, inf), got -1"),
        (["--clip", "a", "--fps", "0"], "fps must lie in (0, inf), got 0"),
        (["--clip", "a", "--stride", "nan"], "stride must lie in (0, inf), got nan"),
        (["--clip", "a", "--figure", "a.docx"], "must end in .png, .pdf, .svg"),
        (["--clip", "a", "--json", "-", "--csv", "-"], "cannot share the terminal"),
        (["--clip", "a", "--face", "both"], "invalid choice"),
    ],
)
def test_options_that_make_no_sense(run, arguments, message):
    code, _, err = run(*arguments)
    assert code == 2 and message in err.splitlines()[-1]


def test_in_code(place):
    frames = list(clips.render(plan.draw_spec(FILM, 9, 0, "surprise")))
    with me_keras.Predictor(place / "frl_dgt") as predictor:
        from_video = predictor(place / "clip.avi")
        assert predictor(frames, fps=50).probabilities == from_video.probabilities
        pair = predictor.pair(place / ONSET, place / APEX)
    assert (pair.onset, pair.apex) == (0, 1) and pair.source.startswith(str(place / ONSET))


def test_help_is_quick_and_loads_no_tensorflow():
    code = (
        "import sys; from me_keras import predict\n"
        "try: predict.main(['--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'tensorflow', 'cv2', 'mediapipe', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 5  # 0.2 s on an idle machine
    assert "examples:" in done.stdout and "--clip a.avi b.avi c/" in done.stdout


# The whole way: train, export, and ask about people who were not trained on.

PEOPLE = {"num_subjects": 4, "clips_per_class": 4, "frame_size": (320, 240), "num_frames": 8}
SHORT = ["--epochs", "10", "--warmup-epochs", "1", "--batch-size", "16", "--image-size", "96"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of four synthetic people, exported; the fold of its run is left to another shard."""
    from me_keras import loso
    from pipelines.synthetic import write

    root = tmp_path_factory.mktemp("trained")
    write.generate(root / "copy", plan.SynthesisConfig(**PEOPLE))
    run = ["--data-root", str(root / "copy"), "--prepared", str(root / "prepared"), *SHORT]
    run += ["--out", str(root / "run"), "--subjects", "s04", "--shard", "2/2"]
    assert loso.main(run) == 0
    return me_keras.export_model(root / "run", root / "frl_dgt").parent


@pytest.fixture(scope="module")
def predictor(trained):
    with me_keras.Predictor(trained) as opened:
        yield opened


@pytest.mark.slow
def test_strangers_on_video_are_read(trained, predictor, tmp_path):
    """Apex within two frames, the right class, motion where it truly was; twelve clips at once."""
    film = plan.SynthesisConfig(frame_size=(480, 360), num_frames=16)
    specs, paths = [], []
    for subject in (31, 32, 33, 34):
        for emotion in ("negative", "positive", "surprise"):
            specs.append(plan.draw_spec(film, subject, 2, emotion))
            paths.append(tmp_path / f"{subject}_{emotion}.avi")
            write_video(paths[-1], list(clips.render(specs[-1])), 60.0, "MJPG")
    answer = tmp_path / "answer.json"
    clip = ["--clip", *map(str, paths)]
    assert predict.main([*clip, "--model", str(trained), "--json", str(answer)]) == 0
    found = json.loads(answer.read_text())["predictions"]
    right = [record["predicted"] == spec.emotion for record, spec in zip(found, specs)]
    near = [abs(record["apex"] - spec.apex) <= 2 for record, spec in zip(found, specs)]
    assert sum(right) >= 10 and sum(near) >= 10, (right, near)
    for record in found:
        assert record["moved"]
        assert record["seconds"]["apex"] == pytest.approx(record["apex"] / 60, abs=1e-3)
        assert sum(record["attention"].values()) == pytest.approx(1, abs=1e-4)

    for path, spec, record in list(zip(paths, specs, found))[::4]:
        picture = predictor(path).picture
        onset = next(clips.render(spec))
        matrix = align.face_matrix(landmarks.detect_steadily(onset), 96, 0)
        truth = clips.aligned_displacement(spec, matrix, 96, frame=record["apex"])
        inside = face_mask(96)
        seen, true = (np.linalg.norm(d, axis=-1)[inside] for d in (picture.displacement, truth))
        assert np.corrcoef(seen, true)[0, 1] > 0.7
        strong = inside & (np.linalg.norm(truth, axis=-1) > 0.5 * true.max())
        assert ((picture.displacement * truth).sum(-1)[strong] > 0).mean() > 0.9


@pytest.mark.slow
def test_a_stranger_who_holds_still_is_said_to(predictor):
    film = plan.SynthesisConfig(frame_size=(320, 240), amplitude_px=0.0)
    for subject in (41, 42, 43):
        frames = list(clips.render(plan.draw_spec(film, subject, 1, "surprise")))
        found = predictor(frames)
        assert not found.moved and "no motion above noise" in found.notes[-1]
