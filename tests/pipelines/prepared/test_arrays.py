import dataclasses

import numpy as np
import pytest
from prepared_fixture import BOXES, frames_of, write_prepared

from pipelines.prepared import open_prepared
from pipelines.schema import DataError

LABELS = [0] * 8 + [1] * 4 + [2] * 3


@pytest.fixture(scope="module")
def clips():
    return [
        {
            **{"subject": i // 3, "label": label, "num_frames": 24 + i},
            **{"apex": 20 if i % 2 else None, "regions": BOXES * (1 + i / 100)},
        }
        for i, label in enumerate(LABELS)
    ]


@pytest.fixture(scope="module")
def prepared(clips, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "prepared"
    return open_prepared(write_prepared(path, clips, image_size=8, margin=0))


def test_a_prepared_database_comes_back_as_written(prepared, clips):
    assert len(prepared) == 15
    for i, clip in enumerate(clips):
        rows = slice(prepared.first[i], prepared.first[i] + prepared.num_frames[i])
        np.testing.assert_array_equal(prepared.frames[rows], frames_of(i, clip["num_frames"], 8))
    np.testing.assert_array_equal(prepared.labels, LABELS)
    scales = 1 + np.arange(15)[:, None, None] / 100
    np.testing.assert_allclose(prepared.regions, BOXES * scales, rtol=1e-6)
    assert prepared.table["key"][4] == "made/s01/c004"
    assert prepared.table["subject_key"][4] == "made/s01"
    assert prepared.table["dataset"][4] == "made"
    assert (prepared.image_size, prepared.frame_size, prepared.kind) == (8, 8, "frames")


def test_without_an_apex_label_the_pair_ends_in_the_middle(prepared):
    assert prepared.apex[1] == 20  # annotated
    assert prepared.apex[2] == 12  # of 26 frames: 25 / 2, the lower of two equally near


def test_the_middle_is_one_of_time_not_of_the_frames_kept(tmp_path):
    def crowd(manifest):
        manifest["clips"][0]["numbers"] = [100, 101, 102, 103, 104, 140, 150, 180]

    path = write_prepared(tmp_path / "p", [{"subject": 1, "label": 0, "num_frames": 8}], edit=crowd)
    assert open_prepared(path).apex[0] == 5


def test_an_apex_on_the_onset_counts_as_none(tmp_path):
    clip = {"subject": 1, "label": 0, "num_frames": 9, "apex": 0}
    assert open_prepared(write_prepared(tmp_path / "p", [clip])).apex[0] == 4


def test_the_bank_shares_the_memory_of_the_frames(prepared):
    bank = np.asarray(memoryview(prepared.bank))
    assert np.shares_memory(bank, prepared.frames)
    assert "CPU" in prepared.bank.device
    odd = np.empty(prepared.frames.nbytes + 64, np.uint8)
    start = (1 - odd.ctypes.data) % 64
    odd = odd[start : start + prepared.frames.nbytes].reshape(prepared.frames.shape)
    odd[:] = prepared.frames
    moved = dataclasses.replace(prepared, frames=odd)  # memory that TensorFlow cannot use
    np.testing.assert_array_equal(moved.bank, prepared.frames)


CLIP = {"subject": 1, "label": 0}


@pytest.mark.parametrize(
    "edit, message",
    [
        (lambda m: m.update(format=7), "manifest.json: format 7, expected 2; run .*prepare again"),
        (lambda m: m.update(clips=[]), "holds no clip"),
        (lambda m: m.update(digest="0" * 64), "records differ from the manifest's digest"),
        (lambda m: m.pop("frame_size"), "no 'frame_size' in the manifest"),
        (lambda m: m.update(frame_size=32), "values of frames, expected 12x32x32"),
        (lambda m: m["clips"][1].update(key="made/s09/x"), "record 1 is not made/s09/x as listed"),
        (lambda m: m["clips"][1].update(label=2), "record 1 is not made/s01/c001 as listed"),
        (lambda m: m["clips"].pop(), "2 records, but the manifest lists 1"),
        (lambda m: m["clips"][0].update(apex=12), "c000: onset, apex, offset do not fit"),
        (lambda m: m["clips"][0].update(shard="gone"), "gone: shard is missing"),
    ],
)
def test_a_manifest_that_does_not_fit_is_named(tmp_path, edit, message):
    path = write_prepared(tmp_path / "p", [CLIP, CLIP], edit=edit)
    with pytest.raises(DataError, match=message):
        open_prepared(path)


def test_a_folder_that_is_not_prepared_is_named(tmp_path):
    with pytest.raises(DataError, match="no manifest.json, so not a prepared database"):
        open_prepared(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match=r"manifest.json: not JSON \(.*\); run"):
        open_prepared(tmp_path)


@pytest.mark.parametrize("damage", ["cut", "change"])
def test_a_damaged_shard_is_named(tmp_path, damage):
    shard = write_prepared(tmp_path / "p", [CLIP, CLIP]) / "shard-00000.tfrecord"
    data = bytearray(shard.read_bytes())
    data[-100] ^= 1
    shard.write_bytes(data if damage == "change" else data[:-100])
    with pytest.raises(DataError, match="p: damaged after record 1; run .*prepare again"):
        open_prepared(tmp_path / "p")


def test_a_selection_keeps_rows_motion_and_labels_together(tmp_path):
    clips = [{"subject": i, "label": i % 3} for i in range(5)]
    whole = open_prepared(write_prepared(tmp_path / "p", clips))
    part = whole.select([3, 1], [7, 8], ["a"] * 9)
    assert part.keys.tolist() == [whole.keys[3], whole.keys[1]]
    assert part.labels.tolist() == [7, 8] and len(part) == 2
    assert part.first.tolist() == [whole.first[3], whole.first[1]]
    assert part.digest != whole.digest
    assert whole.select(range(5), whole.labels, whole.classes).digest == whole.digest
    motion = np.arange(10, dtype=np.float32).reshape(10, 1, 1, 1)
    twice = dataclasses.replace(whole, motion=motion, maps_per_clip=2)
    assert twice.select([3, 1], [0, 0], ["a"]).motion.ravel().tolist() == [6, 7, 2, 3]
