"""From frames to the model's inputs: bit for bit what training saw; faces that cannot be used."""

import dataclasses

import cv2
import numpy as np
import pytest

from me_keras.prediction import alignment
from pipelines import databases, dataset, flow
from pipelines.faces import align
from pipelines.faces import frames as frame_files
from pipelines.options import DataOptions, PreparationOptions
from pipelines.prepared import open_prepared, prepare
from pipelines.schema import DataError
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan, write

SMALL = alignment.Alignment(image_size=64, margin=4)


@pytest.mark.parametrize("rule, motion", [("annotated", "dgm"), ("spotted", "farneback")])
def test_pairs_equal_those_that_were_trained_on(tmp_path, rule, motion):
    """The same clips through `prepare` and `make_eval`, and from their frames on disk."""
    root = str(tmp_path / "copy")
    config = {"num_subjects": 1, "clips_per_class": 1, "frame_size": (320, 240), "num_frames": 8}
    write.generate(tmp_path / "copy", plan.SynthesisConfig(**config), 1)
    wanted = PreparationOptions(data_root=(root,), image_size=64, margin=4, apex=rule)
    folder, _ = prepare(wanted, str(tmp_path / "prepared"), jobs=1)
    prepared = open_prepared(folder)
    data = DataOptions(batch_size=len(prepared))
    bank = prepared
    if motion != "dgm":
        bank = flow.motion_bank(prepared, motion, 1, data, 0, tmp_path / "motion", jobs=1)
    (expected, _), *_ = dataset.make_eval(bank, range(len(prepared)), data)

    found, where = [], dataclasses.replace(SMALL, motion=motion)
    for row, clip in enumerate(databases.load("synthetic").read(root)):
        assert clip.key == prepared.keys[row]
        footage = list(frame_files.iterate_frames(clip.frames))
        if rule == "annotated":
            footage = footage[: prepared.apex[row] + 1]
        found.append(alignment.align_pair(footage, where, spot=rule == "spotted"))
    inputs = alignment.model_inputs(found, 64)
    assert set(expected) <= set(inputs)
    for name, values in expected.items():
        assert inputs[name].dtype == np.float32
        np.testing.assert_array_equal(inputs[name], values.numpy(), err_msg=name)


def test_the_apex_is_spotted(spec, frames):
    pair = alignment.align_pair(frames, SMALL)
    assert abs(pair.apex - spec.apex) <= 1
    assert pair.frames.shape == (2, 72, 72) and pair.frames.dtype == np.uint8
    assert not pair.notes
    given = alignment.align_pair(frames[: pair.apex + 1], SMALL, spot=False)
    np.testing.assert_array_equal(given.frames, pair.frames)
    assert given.apex == pair.apex


def beside(frames, others):
    return [np.concatenate(both, axis=1) for both in zip(frames, others)]


@pytest.fixture(scope="module")
def others(frames):
    """As many frames of another, smaller face."""
    config = plan.SynthesisConfig(frame_size=(320, 240), amplitude_px=0.0)
    still = plan.draw_spec(config, 10, 1, "surprise")
    face = next(clips.render(still))
    small = np.full_like(face, 90)
    small[30:210, 40:280] = face[::1, ::1][30:210, 40:280]
    return [small] * len(frames)


def test_several_faces_are_refused_unless_the_largest_is_wanted(frames, others):
    both = beside(frames, others)
    with pytest.raises(DataError, match=r"first.png: 2 faces.*--face largest"):
        alignment.align_pair(both, SMALL, name="first.png")
    pair = alignment.align_pair(both, SMALL, face="largest")
    alone = alignment.align_pair(frames, SMALL)
    # one of the two, and aligned to the same place but for the jitter of finding it elsewhere
    difference = np.abs(pair.frames[0].astype(float) - alone.frames[0]).mean()
    other = alignment.align_pair(others, SMALL, spot=False)
    another = np.abs(pair.frames[0].astype(float) - other.frames[0]).mean()
    assert min(difference, another) < 6 < max(difference, another)


def test_no_face_on_the_onset_or_on_the_apex(frames):
    wall = np.full_like(frames[0], 128)
    with pytest.raises(DataError, match="no face found in first.png"):
        alignment.align_pair([wall, frames[0]], SMALL, name="first.png")
    with pytest.raises(DataError, match="no face found in the apex frame after first.png"):
        alignment.align_pair([frames[0], wall], SMALL, name="first.png")
    with pytest.raises(DataError, match="no face found after first.png: it leaves the picture"):
        alignment.align_pair([frames[0], wall, wall, wall], SMALL, name="first.png")


@pytest.mark.parametrize("contrast", [0, 1])
def test_the_apex_is_spotted_among_the_frames_with_a_face(spec, frames, contrast):
    """Nothing moves as much as a face that leaves the picture; on a plain wall nothing is seen."""
    texture = np.random.default_rng(0).integers(0, 256, frames[0].shape, np.uint8)
    wall = cv2.GaussianBlur(texture, (0, 0), 8) * np.uint8(contrast)
    pair = alignment.align_pair([*frames, wall, wall, wall], SMALL)
    assert abs(pair.apex - spec.apex) <= 1
    assert pair.notes == (
        f"3 of the {len(frames) + 3} frames looked at show no face; they are left out",
    )
    with pytest.raises(DataError, match="no face found in the apex frame"):
        alignment.align_pair([*frames, wall], SMALL, spot=False)  # a given one is taken


def test_a_face_elsewhere_is_doubted(frames):
    """The apex frame of a head that moved by half a face: alignment cannot follow."""
    moved = np.roll(frames[5], 60, axis=1)
    pair = alignment.align_pair([frames[0], moved], SMALL)
    assert pair.doubtful and "do not trust the displacement" in pair.notes[0]


@pytest.mark.parametrize("turns, note", [(1, "lay on its side"), (2, "stood on its head")])
def test_a_turned_face_is_turned_back_and_said(frames, turns, note):
    upright = alignment.align_pair(frames[:6], SMALL, spot=False)
    turned = [np.ascontiguousarray(np.rot90(frame, turns)) for frame in frames[:6]]
    pair = alignment.align_pair(turned, SMALL, spot=False)
    assert len(pair.notes) == 1 and note in pair.notes[0] and not pair.doubtful
    assert np.abs(pair.frames.astype(float) - upright.frames).mean() < 6


@pytest.mark.parametrize("motion", ["farneback", "dis", "tvl1", "difference", "dynamic_image"])
def test_a_motion_map_is_that_of_all_frames_up_to_the_apex(frames, motion):
    where = dataclasses.replace(SMALL, motion=motion)
    pair = alignment.align_pair(frames[:6], where, spot=False)
    aligned = align.align_clip(frames[:6], 0, 64, 4).frames[..., 0]
    expected = flow.MOTIONS[motion].compute(aligned)
    np.testing.assert_allclose(pair.motion, expected, atol=0.02)  # kept in half precision
    inputs = alignment.model_inputs([pair, pair], 64)
    np.testing.assert_array_equal(inputs["motion"][1], pair.motion[4:-4, 4:-4])
    assert inputs["displacement"].shape == (2, 64, 64, 2)
    flows = {"farneback", "dis", "tvl1"}
    by_flow = flow.MOTIONS[motion if motion in flows else "farneback"].compute(aligned)
    np.testing.assert_allclose(pair.displacement, by_flow[..., :2], atol=0.02)
