"""python -m pipelines.prepare: the whole way from image files to a prepared folder."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import cartoon
import cv2
import disk
import numpy as np
import pytest

from pipelines import prepare, protocols, schema
from pipelines.faces import align
from pipelines.prepare import PrepareConfig
from pipelines.prepared import arrays as prepared
from pipelines.synthetic import copies, write
from pipelines.synthetic.plan import SynthesisConfig

SHARED = pathlib.Path(__file__).parents[2] / "../shared/data/smic_clips.csv"
CLIPS = {"s01_ne_01": 4, "s01_sur_01": 5, "s02_po_01": 3}


def write_smic(root, clips=None):
    """A small SMIC of cartoon faces that shift by a pixel a frame."""
    for name, count in (clips or CLIPS).items():
        subject, token, _ = name.split("_")
        emotion = {"ne": "negative", "po": "positive", "sur": "surprise"}[token]
        folder = root / f"SMIC_all_raw/HS/{subject}/micro/{emotion}/{name}"
        folder.mkdir(parents=True, exist_ok=True)
        face = cartoon.face(seed=int(subject[1:]))
        for index in range(count):
            image = np.roll(face, index, axis=1)[..., ::-1]
            cv2.imwrite(str(folder / f"image{1000 + index:06d}.bmp"), image)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_smic(tmp_path_factory.mktemp("smic"))


@pytest.fixture
def config(root, tmp_path):
    return PrepareConfig("smic", str(root), str(tmp_path / "prepared"), jobs=1)


def command(*args, **kwargs):
    line = [sys.executable, "-m", "pipelines.prepare", *map(str, args)]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, **kwargs)


def test_a_prepared_folder_is_what_dataset_reads(config):
    manifest = prepare.prepare(config)
    assert manifest["format"] == 2 and manifest["kind"] == "frames"
    assert (manifest["frame_size"], manifest["image_size"], manifest["margin"]) == (144, 128, 8)
    assert [item["key"] for item in manifest["clips"]] == [
        "smic/s01/s01_ne_01",
        "smic/s01/s01_sur_01",
        "smic/s02/s02_po_01",
    ]
    assert [item["num_frames"] for item in manifest["clips"]] == [4, 5, 3]
    assert manifest["clips"][1]["numbers"] == [1000, 1001, 1002, 1003, 1004]
    assert manifest["clips"][0]["apex"] is None and manifest["skipped"] == []
    # The eyes of the drawn face, by the matrix of the manifest, are where aligned eyes belong.
    for item in manifest["clips"]:
        eyes = align.transform_points(np.array([[273, 221], [367, 221]]), np.array(item["matrix"]))
        np.testing.assert_allclose(eyes, [[46.4, 36.2], [97.6, 36.2]], atol=5)
    assert manifest == json.loads((config.folder / "manifest.json").read_text())

    opened = prepared.open_prepared(config.folder)
    assert opened.keys.tolist() == [item["key"] for item in manifest["clips"]]
    assert opened.frames.shape == (12, 144, 144)
    assert opened.labels.tolist() == [0, 2, 1]
    assert opened.regions.shape == (3, 9, 4)
    # The head's motion, a pixel a frame, is gone.
    onset, offset = opened.frames[0].astype(int), opened.frames[3].astype(int)
    moved = opened.frames[0][:, :-2].astype(int) - opened.frames[0][:, 2:]
    assert (
        np.abs(offset - onset)[20:120, 20:120].mean() < 0.4 * np.abs(moved)[20:120, 20:118].mean()
    )


def test_it_is_prepared_once_and_again_when_something_changes(config, root, monkeypatch):
    first = prepare.ensure_prepared(config)
    made = os.stat(config.folder / "manifest.json").st_mtime_ns
    assert prepare.ensure_prepared(config) == first
    assert os.stat(config.folder / "manifest.json").st_mtime_ns == made
    without_root = dataclasses.replace(config, data_root=None)
    monkeypatch.delenv("ME_KERAS_DATA", raising=False)
    assert prepare.prepared_is_current(config.folder, without_root)
    monkeypatch.setenv("ME_KERAS_DATA", str(root))
    assert prepare.prepared_is_current(config.folder, without_root)
    for change in ({"margin": 4}, {"rigid": False}, {"apex": "middle"}, {"dataset": "smic-flow"}):
        assert not prepare.prepared_is_current(config.folder, dataclasses.replace(config, **change))
    assert prepare.prepared_is_current(config.folder, dataclasses.replace(config, jobs=2))
    again = prepare.ensure_prepared(dataclasses.replace(config, margin=4))
    assert again["frame_size"] == 136 and again["digest"] != first["digest"]
    assert os.listdir(config.folder.parent) == ["prepared"]  # nothing left beside it


def test_a_folder_of_an_older_format_is_made_anew(config):
    current = prepare.prepare(config)
    path = config.folder / "manifest.json"
    path.write_text(json.dumps({"format": current["format"] - 1, "clips": []}))
    assert not prepare.prepared_is_current(config.folder, config)
    assert prepare.ensure_prepared(config)["digest"] == current["digest"]


def test_another_file_in_the_copy_is_noticed(tmp_path):
    copy = write_smic(tmp_path / "copy", {"s01_ne_01": 3})
    config = PrepareConfig("smic", str(copy), str(tmp_path / "out"), jobs=1)
    prepare.prepare(config)
    write_smic(copy, {"s01_ne_01": 4})
    assert not prepare.prepared_is_current(config.folder, config)


def test_the_apex_rules(config):
    middle = prepare.prepare(dataclasses.replace(config, apex="middle"))
    assert [item["apex"] for item in middle["clips"]] == [1, 2, 1]
    spotted = prepare.prepare(dataclasses.replace(config, apex="spotted"))
    for item in spotted["clips"]:
        assert item["onset"] < item["apex"] <= item["offset"]


def test_frames_are_thinned_to_max_frames(config):
    manifest = prepare.prepare(dataclasses.replace(config, max_frames=3))
    item = manifest["clips"][1]
    assert (item["num_frames"], item["onset"], item["offset"]) == (3, 0, 2)
    assert item["numbers"] == [1000, 1002, 1004]


def damage(root):
    """One broken frame, one clip without a face; returns how many of the five clips are bad."""
    micro = root / "SMIC_all_raw/HS"
    broken = next(micro.glob("s01/micro/negative/s01_ne_01/*2.bmp"))
    broken.write_bytes(broken.read_bytes()[:5000])
    for path in micro.glob("s02/micro/positive/s02_po_01/*.bmp"):
        cv2.imwrite(str(path), np.full((480, 640, 3), 99, np.uint8))
    return 2


def test_bad_clips_are_listed_and_too_many_stop_it(tmp_path, capsys):
    root = write_smic(tmp_path / "smic")
    bad = damage(root)
    config = PrepareConfig("smic", str(root), str(tmp_path / "out"), jobs=1)
    with pytest.raises(schema.DataError, match=f"{bad} of 3 clips.*--allow-missing"):
        prepare.prepare(config)
    assert os.listdir(tmp_path) == ["smic"]
    assert prepare.main(["--dataset", "smic", "--data-root", str(root), "--jobs", "1"]) == 2
    capsys.readouterr()

    manifest = prepare.prepare(dataclasses.replace(config, allow_missing=True))
    assert [item["key"] for item in manifest["clips"]] == ["smic/s01/s01_sur_01"]
    reasons = {item["key"]: item for item in manifest["skipped"]}
    broken = reasons["smic/s01/s01_ne_01"]
    assert "image001002.bmp: the image is cut short" in broken["reason"]
    assert broken["path"].endswith("image001002.bmp")
    assert "no face found in" in reasons["smic/s02/s02_po_01"]["reason"]
    assert "image001000.bmp" in reasons["smic/s02/s02_po_01"]["reason"]


def test_no_clip_left_stops_it_even_when_allowed(tmp_path):
    root = write_smic(tmp_path / "smic", {"s01_ne_01": 1})
    config = PrepareConfig("smic", str(root), str(tmp_path / "out"), allow_missing=True)
    with pytest.raises(schema.DataError, match="1 of 1 clips cannot be used.*two at least"):
        prepare.prepare(config)


def test_a_composite_is_prepared_once_for_all_its_protocols(tmp_path):
    clips = {
        "smic": [("s01", "s01_ne_01", 98, "", 100, "", "negative")],
        "casme2": [
            ("sub01", "EP02_01f", 98, 99, 100, "4", "disgust", "III"),
            ("sub01", "EP03_01f", 98, 99, 100, "4", "others", "VII"),
        ],
        "samm": [("006", "006_1_2", 98, 98, 100, "L12", "happiness", "II")],
    }
    config = SynthesisConfig(frame_size=(320, 240))
    for name, rows in clips.items():
        rows = [copies.Row(*row) for row in rows]
        write.write_census(tmp_path / name, name, rows, config, workers=1)
    roots = tuple(f"{name}={tmp_path / name}" for name in clips)
    wanted = PrepareConfig("megc2019", roots, str(tmp_path / "prepared"), jobs=1)
    manifest = prepare.prepare(wanted)
    assert prepare.prepared_is_current(wanted.folder, wanted)
    found = {}
    for name in ("megc2019", "megc2018", "casme2-5", "smic-3"):
        protocol = protocols.choose("megc2019", name)
        found[name] = protocols.labels(manifest["clips"], protocol).tolist()
    assert found == {
        "megc2019": [0, 0, -1, 1],
        "megc2018": [-1, 2, -1, 1],
        "casme2-5": [-1, 0, 2, -1],
        "smic-3": [0, -1, -1, -1],
    }
    assert manifest["clips"][3]["notes"][0].startswith("apex 98 is the onset")
    assert prepared.open_prepared(wanted.folder).labels.tolist() == found["megc2019"]


def test_several_roots_are_for_a_dataset_of_several(config):
    wrong = dataclasses.replace(config, data_root=("smic=/a", "samm=/b"))
    with pytest.raises(schema.DataError, match="--dataset smic has one folder"):
        prepare.prepare(wrong)
    assert dataclasses.replace(config, data_root=("/a",)).root == "/a"


def test_the_classes_are_those_of_the_default_protocol(tmp_path):
    rows = [copies.Row("sub01", "EP01_5", 98, 99, 100, "4", "tense")]
    disk.write_copy(tmp_path / "casme", "casme", rows)
    frame = cartoon.face(seed=1)[..., ::-1]
    for path in (tmp_path / "casme").rglob("*.jpg"):
        cv2.imwrite(str(path), frame)
    wanted = PrepareConfig("casme", str(tmp_path / "casme"), str(tmp_path / "out"), jobs=1)
    manifest = prepare.prepare(wanted)
    assert manifest["classes"] == ["disgust", "repression", "surprise", "tense"]
    assert manifest["clips"][0]["label"] == 3


def test_motion_images(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["file,subject,clip,label"]
    for index in range(4):
        image = rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}.png"), image)
        lines.append(f"{index}.png,s0{index},s0{index}_ne_01,{index % 3}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    config = PrepareConfig("smic-flow", str(tmp_path), str(tmp_path / "out"))
    manifest = prepare.prepare(config)
    assert (manifest["kind"], manifest["frame_size"]) == ("precomputed", 20)
    opened = prepared.open_prepared(config.folder)
    red = image[..., 2].astype(np.float32)
    expected = (red - np.median(red)) / red.std()
    np.testing.assert_allclose(np.asarray(opened.motion)[3, ..., 0], expected, rtol=1e-5)
    assert prepare.prepared_is_current(config.folder, dataclasses.replace(config, image_size=64))

    cv2.imwrite(str(tmp_path / "3.png"), image[:10])
    with pytest.raises(schema.DataError, match="of one size, found 20x20 .3., 20x10 .1."):
        prepare.prepare(config)


def test_a_folder_of_something_else_is_not_touched(config):
    config.folder.mkdir()
    (config.folder / "thesis.tex").write_text("years of work")
    with pytest.raises(schema.DataError, match="not a prepared folder: choose another --out"):
        prepare.prepare(config)
    assert (config.folder / "thesis.tex").read_text() == "years of work"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"image_size": 8}, "--image-size must be at least 32"),
        ({"max_frames": 2}, "--max-frames must be at least 3"),
        ({"jobs": -1}, "--jobs must be at least 0"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        PrepareConfig(**options)


def test_no_data_root(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("ME_KERAS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    assert prepare.main(["--dataset", "smic"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1 and "Traceback" not in message
    for words in ("needs --data-root", "Oulu", "SMIC_all_raw/HS/s1", "--dataset synthetic"):
        assert words in message


def test_help_is_quick_and_loads_no_heavy_library():
    code = (
        "import sys, pipelines.prepare as p\n"
        "try: p.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'mediapipe', 'cv2', 'pandas'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_the_command_in_parallel_gives_the_same_records(config, root, tmp_path):
    serial = prepare.prepare(config)
    out = tmp_path / "parallel"
    done = command("--dataset", "smic", "--data-root", root, "--out", out, "--jobs", 2)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{out}: 3 clips of 2 subjects, 0 skipped\n"
    assert done.stderr == ""
    assert prepare.read_manifest(out)["digest"] == serial["digest"]


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_file(), reason="the list of real clips is not at hand")
def test_real_names_in_the_three_releases(tmp_path):
    """Clips with errata of their own, rendered under their real names, give the same labels."""
    import pandas as pd

    from pipelines.synthetic import write

    table = pd.read_csv(SHARED)
    names = ("s03_ne_16", "s09_sur_01", "s09_sur_02", "s09_sur_03", "s18_sur_03", "s20_po_01")
    table = table[table["clip"].isin(names)]
    found = {}
    for release in ("raw", "cropped", "long"):
        root = tmp_path / release
        write.write_smic(root, table, release, keep_frames=4, workers=1)
        config = PrepareConfig("smic", str(root), str(tmp_path / f"out-{release}"), jobs=1)
        manifest = prepare.prepare(config)
        assert manifest["skipped"] == []
        found[release] = {item["clip"]: item for item in manifest["clips"]}
    labels = {row.clip: row.label for row in table.itertuples()}
    assert {k: v["label"] for k, v in found["raw"].items()} == labels
    assert {k: v["label"] for k, v in found["long"].items()} == labels
    assert set(found["cropped"]) == set(labels) - {"s18_sur_03"}
    for name, item in found["long"].items():
        assert item["numbers"][0] == found["raw"][name]["numbers"][0]


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(tmp_path):
    root = write_smic(tmp_path / "smic", {f"s{i:02d}_ne_01": 6 for i in range(1, 21)})
    out = tmp_path / "out" / "prepared"
    line = [sys.executable, "-m", "pipelines.prepare", "--dataset", "smic", "--jobs", "2"]
    run = subprocess.Popen(
        [*line, "--data-root", str(root), "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # background jobs ignore it
    )
    deadline = time.time() + 60
    while not list(out.parent.glob(".prepared.partial-*/shard*")) and time.time() < deadline:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all processes
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130 and errors == "interrupted: nothing was written\n"
    assert list(out.parent.iterdir()) == []
