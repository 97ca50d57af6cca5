"""The whole way from image files to a prepared folder, and which folders may be replaced."""

import dataclasses
import json
import os
import subprocess
import sys

import cartoon
import cv2
import disk
import numpy as np
import pytest
from rendered import faces, layouts
from rendered import smic as smic_releases

from pipelines import __version__, protocols
from pipelines.faces import align
from pipelines.options import PreparationOptions
from pipelines.prepared import (
    check_missing,
    default_folder,
    ensure_prepared,
    open_prepared,
    prepare,
    read_manifest,
)
from pipelines.prepared.preparing import prepare_clip
from pipelines.schema import DataError, Skipped
from pipelines.synthetic.plan import SynthesisConfig

CLIPS = {"s01_ne_01": 4, "s01_sur_01": 5, "s02_po_01": 3}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return cartoon.write_smic(tmp_path_factory.mktemp("smic"), CLIPS)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """No test writes into the folder that the tests are run from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ME_KERAS_DATA", raising=False)


def smic(root, **options):
    return PreparationOptions("smic", (str(root),), **options)


@pytest.fixture
def options(root):
    return smic(root)


def test_a_prepared_folder_is_what_a_dataset_reads(options):
    folder, manifest = prepare(options, "prepared", jobs=1)
    assert str(folder) == "prepared"
    assert manifest["format"] == 2 and manifest["kind"] == "frames"
    assert manifest["versions"]["me-keras"] == __version__
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
    assert manifest == json.loads((folder / "manifest.json").read_text())

    opened = open_prepared(folder)
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


def made_at(folder):
    return os.stat(folder / "manifest.json").st_mtime_ns


def test_the_default_folder_is_shared_and_made_once(options, root):
    assert str(default_folder(options)).startswith("prepared/smic-")
    folder, first = prepare(options, jobs=1)
    made = made_at(folder)
    assert ensure_prepared(options) == (folder, first) and made_at(folder) == made
    spelled = dataclasses.replace(options, data_root=(os.path.relpath(root) + "/",))
    assert default_folder(spelled) == folder
    without_root = dataclasses.replace(options, data_root=None)
    assert ensure_prepared(without_root) == (folder, first)
    others = [
        default_folder(dataclasses.replace(options, **change))
        for change in ({"margin": 4}, {"rigid": False}, {"apex": "middle"}, {"image_size": 64})
    ]
    assert len({folder, *others}) == 5
    assert default_folder(dataclasses.replace(options, allow_missing=True)) == folder


def test_of_several_fitting_folders_none_is_guessed(options, tmp_path):
    prepare(options, jobs=1)
    copy = cartoon.write_smic(tmp_path / "copy", {"s01_ne_01": 3})
    prepare(smic(copy), jobs=1)
    with pytest.raises(DataError, match="several prepared folders fit: name one by --prepared"):
        ensure_prepared(dataclasses.replace(options, data_root=None))


def test_the_root_may_be_in_the_environment(options, root, monkeypatch):
    folder, first = ensure_prepared(options, "prepared", jobs=1)
    monkeypatch.setenv("ME_KERAS_DATA", str(root))
    without_root = dataclasses.replace(options, data_root=None)
    assert ensure_prepared(without_root, "prepared") == (folder, first)
    assert default_folder(without_root) == default_folder(options)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"margin": 4}, "--margin 8, not --margin 4"),
        ({"rigid": False}, "--rigid, not --no-rigid"),
        ({"max_frames": 3}, "--max-frames 32, not --max-frames 3"),
        ({"dataset": "smic-flow"}, "--dataset smic, not smic-flow"),
    ],
)
def test_a_named_folder_of_other_parameters_is_never_replaced(options, change, message):
    folder, first = ensure_prepared(options, "mine", jobs=1)
    made = made_at(folder)
    with pytest.raises(DataError, match=f"mine was prepared from {message}: .*--prepared") as error:
        ensure_prepared(dataclasses.replace(options, **change), "mine")
    assert "\n" not in str(error.value)
    assert made_at(folder) == made and read_manifest(folder) == first


def test_a_changed_copy_replaces_the_default_folder_but_not_a_named_one(tmp_path):
    copy = cartoon.write_smic(tmp_path / "copy", {"s01_ne_01": 3})
    folder, first = ensure_prepared(smic(copy), jobs=1)
    ensure_prepared(smic(copy), "mine", jobs=1)
    cartoon.write_smic(copy, {"s01_ne_01": 4})
    assert ensure_prepared(smic(copy), jobs=1)[1]["clips"][0]["num_frames"] == 4
    with pytest.raises(DataError, match="mine was prepared from a copy with other files"):
        ensure_prepared(smic(copy), "mine")
    assert prepare(smic(copy), "mine", jobs=1)[1]["clips"][0]["num_frames"] == 4
    assert sorted(os.listdir()) == [".mine.lock", "copy", "mine", "prepared"]


def test_frames_of_the_same_size_that_show_something_else_are_noticed(tmp_path):
    copy = cartoon.write_smic(tmp_path / "copy", {"s01_ne_01": 3})
    ensure_prepared(smic(copy), "mine", jobs=1)
    (_, path, _) = sorted(copy.rglob("*.bmp"))
    size = path.stat().st_size
    cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    assert path.stat().st_size == size
    with pytest.raises(DataError, match="mine was prepared from a copy with other files"):
        ensure_prepared(smic(copy), "mine")


def test_a_folder_of_an_older_format(options):
    folder, current = ensure_prepared(options, jobs=1)
    older = json.dumps({**current, "format": current["format"] - 1})
    (folder / "manifest.json").write_text(older)
    assert ensure_prepared(options, jobs=1)[1] == current
    (folder / "manifest.json").write_text(older)
    with pytest.raises(DataError, match="from format 1, where this version reads 2: .*prepare"):
        ensure_prepared(options, str(folder))


def test_a_folder_of_something_else_is_not_touched(options, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    for make in (prepare, ensure_prepared):
        with pytest.raises(DataError, match="not a prepared folder: choose another --out"):
            make(options, "mine")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"


def test_the_apex_rules(options):
    _, middle = prepare(dataclasses.replace(options, apex="middle"), jobs=1)
    assert [item["apex"] for item in middle["clips"]] == [1, 2, 1]
    _, spotted = prepare(dataclasses.replace(options, apex="spotted"), jobs=1)
    for item in spotted["clips"]:
        assert item["onset"] < item["apex"] <= item["offset"]


def test_frames_are_thinned_to_max_frames(options):
    _, manifest = prepare(dataclasses.replace(options, max_frames=3), jobs=1)
    item = manifest["clips"][1]
    assert (item["num_frames"], item["onset"], item["offset"]) == (3, 0, 2)
    assert item["numbers"] == [1000, 1002, 1004]


def damage(root):
    """One broken frame, one clip without a face; returns how many of the three clips are bad."""
    micro = root / "SMIC_all_raw/HS"
    broken = next(micro.glob("s01/micro/negative/s01_ne_01/*2.bmp"))
    broken.write_bytes(broken.read_bytes()[:5000])
    for path in micro.glob("s02/micro/positive/s02_po_01/*.bmp"):
        cv2.imwrite(str(path), np.full((480, 640, 3), 99, np.uint8))
    return 2


def test_bad_clips_are_listed_and_too_many_stop_it(tmp_path, capsys):
    root = cartoon.write_smic(tmp_path / "smic", CLIPS)
    bad = damage(root)
    with pytest.raises(DataError, match=f"{bad} of 3 clips.*--allow-missing"):
        prepare(smic(root), "out", jobs=1)
    assert not os.path.exists("out")
    assert capsys.readouterr().err.count("skipped smic/") == bad

    _, manifest = prepare(smic(root, allow_missing=True), "out", jobs=1)
    assert [item["key"] for item in manifest["clips"]] == ["smic/s01/s01_sur_01"]
    reasons = {item["key"]: item for item in manifest["skipped"]}
    broken = reasons["smic/s01/s01_ne_01"]
    assert "image001002.bmp: the image is cut short" in broken["reason"]
    assert broken["path"].endswith("image001002.bmp")
    assert "no face found in" in reasons["smic/s02/s02_po_01"]["reason"]
    assert "image001000.bmp" in reasons["smic/s02/s02_po_01"]["reason"]


def test_no_clip_left_stops_it_even_when_allowed(tmp_path):
    root = cartoon.write_smic(tmp_path / "smic", {"s01_ne_01": 1})
    with pytest.raises(DataError, match="1 of 1 clips cannot be used.*two at least"):
        prepare(smic(root, allow_missing=True), "out", jobs=1)


def test_what_the_protocol_does_not_take_may_be_missing():
    protocol = protocols.choose("casme2")  # which takes no "others"
    clips = [{"dataset": "casme2", "key": "casme2/a/1", "emotion": "happiness", "objective": "I"}]
    other = Skipped("casme2/a/2", "here", "no frames", "sadness", "VI")
    assert check_missing(clips, [other], protocol, allow_missing=False) == 1
    with pytest.raises(DataError, match="1 of 2 clips cannot be used; the first: casme2/a/3: gone"):
        unknown = dataclasses.asdict(Skipped("casme2/a/3", "here", "gone"))
        check_missing(clips, [unknown], protocol, allow_missing=False)


def test_several_roots_are_for_a_dataset_of_several(options):
    wrong = dataclasses.replace(options, data_root=("smic=/a", "samm=/b"))
    with pytest.raises(DataError, match="--dataset smic has one folder"):
        prepare(wrong)


def test_no_data_root(options):
    with pytest.raises(DataError, match="needs --data-root .*Oulu.*SMIC_all_raw/HS/s1.*synthetic"):
        ensure_prepared(PreparationOptions("smic"))


def test_motion_images(tmp_path):
    rng = np.random.default_rng(0)
    lines = ["file,subject,clip,label"]
    for index in range(4):
        image = rng.integers(0, 256, (20, 20, 3)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{index}.png"), image)
        lines.append(f"{index}.png,s0{index},s0{index}_ne_01,{index % 3}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    options = PreparationOptions("smic-flow", (str(tmp_path),))
    folder, manifest = prepare(options, "out")
    assert (manifest["kind"], manifest["frame_size"]) == ("precomputed", 20)
    opened = open_prepared(folder)
    red = image[..., 2].astype(np.float32)
    expected = (red - np.median(red)) / red.std()
    np.testing.assert_allclose(np.asarray(opened.motion)[3, ..., 0], expected, rtol=1e-5)
    other_size = dataclasses.replace(options, image_size=64)  # which motion images do not heed
    assert ensure_prepared(other_size, "out") == (folder, manifest)

    cv2.imwrite(str(tmp_path / "3.png"), image[:10])
    with pytest.raises(DataError, match="of one size, found 20x20 .3., 20x10 .1."):
        prepare(options, "out")


def test_one_clip_is_prepared_in_any_process(options):
    from pipelines import databases

    clip = databases.load("smic").read(options.data_root[0], [])[0]
    assert prepare_clip(clip, options).entry["key"] == clip.key
    gone = dataclasses.replace(clip, frames=("/gone/1.bmp", *clip.frames[1:]))
    skipped = prepare_clip(gone, options)
    assert (skipped.key, skipped.path) == (clip.key, "/gone/1.bmp")


def test_processes_give_the_same_records_and_dated_lines(options, capfd):
    one = prepare(options, "one", jobs=1)[1]
    two = prepare(options, "two", jobs=2)[1]
    assert one["digest"] == two["digest"]
    printed = capfd.readouterr().err.splitlines()
    assert any("preparing 3 clips of smic into one" in line for line in printed)
    assert any("prepare smic: 2 of 3 clips, " in line for line in printed)
    assert all(line.startswith("20") for line in printed), printed


def test_reading_loads_nothing_heavy():
    code = (
        "import sys\nfrom pipelines.prepared import read_manifest\n"
        "heavy = {'tensorflow', 'mediapipe', 'cv2', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_composite_is_prepared_once_for_all_its_protocols(tmp_path):
    clips = {
        "smic": [("s01", "s01_ne_01", 98, "", 100, "", "negative")],
        "casme2": [
            ("sub01", "EP02_01f", 98, 99, 100, "4", "disgust", "III"),
            ("sub01", "EP03_01f", 98, 99, 100, "4", "others", "VII"),
        ],
        "samm": [("006", "006_1_2", 98, 98, 100, "L12", "happiness", "II")],
    }
    for name, rows in clips.items():
        rows = [layouts.Row(*row) for row in rows]
        faces.write_rows(tmp_path / name, name, rows, SynthesisConfig(frame_size=(320, 240)))
    roots = tuple(f"{name}={tmp_path / name}" for name in clips)
    folder, manifest = prepare(PreparationOptions("megc2019", roots), jobs=1)
    assert ensure_prepared(PreparationOptions("megc2019", roots[::-1])) == (folder, manifest)
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
    assert open_prepared(folder).labels.tolist() == found["megc2019"]


def test_the_classes_are_those_of_the_default_protocol(tmp_path):
    rows = [layouts.Row("sub01", "EP01_5", 98, 99, 100, "4", "tense")]
    disk.write_copy(tmp_path / "casme", "casme", rows)
    for path in (tmp_path / "casme").rglob("*.jpg"):
        cv2.imwrite(str(path), cartoon.face(seed=1)[..., ::-1])
    _, manifest = prepare(PreparationOptions("casme", (str(tmp_path / "casme"),)), jobs=1)
    assert manifest["classes"] == ["disgust", "repression", "surprise", "tense"]
    assert manifest["clips"][0]["label"] == 3


# Clips of SMIC with errata of their own: onset, offset, label.
PECULIAR = {
    "s03_ne_16": (409046, 409063, 0),
    "s09_sur_01": (61206, 61232, 2),
    "s09_sur_02": (61250, 61291, 2),
    "s18_sur_03": (1695782, 1695809, 2),
}


@pytest.mark.slow
def test_three_releases_of_one_database_give_the_same_clips(tmp_path):
    found = {}
    for release in smic_releases.RELEASES:
        for clip, (onset, offset, _) in PECULIAR.items():
            image = cartoon.face(seed=int(clip[1:3]))[..., ::-1]
            for number in smic_releases.numbers(release, clip, onset, offset):
                path = tmp_path / release / smic_releases.frame(release, clip, number)
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
        if release == "long":
            sheet = smic_releases.annotation([(name, *span[:2]) for name, span in PECULIAR.items()])
            sheet.to_excel(tmp_path / release / smic_releases.SHEET, sheet_name="HS", index=False)
        _, manifest = prepare(smic(tmp_path / release, max_frames=3), release + "-out", jobs=1)
        assert manifest["skipped"] == []
        found[release] = {item["clip"]: item for item in manifest["clips"]}
    labels = {name: label for name, (_, _, label) in PECULIAR.items()}
    assert {name: item["label"] for name, item in found["raw"].items()} == labels
    assert {name: item["label"] for name, item in found["long"].items()} == labels
    assert set(found["cropped"]) == set(labels) - {"s18_sur_03"}
    for name, item in found["long"].items():
        assert item["numbers"][0] == found["raw"][name]["numbers"][0]
