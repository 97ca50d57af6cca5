"""From frames to the model's inputs: bit for bit what training saw; faces that cannot be used."""

import numpy as np
import pytest

from me_keras.prediction import pairs
from pipelines import databases, dataset, prepare
from pipelines.faces import frames as frame_files
from pipelines.schema import DataError
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan, write

SMALL = pairs.Alignment(image_size=64, margin=4)


@pytest.mark.parametrize("rule", ["annotated", "spotted"])
def test_pairs_equal_those_that_were_trained_on(tmp_path, rule):
    """The same clips through `prepare` and `make_eval`, and from their frames on disk."""
    root = tmp_path / "copy"
    config = {"num_subjects": 1, "clips_per_class": 1, "frame_size": (320, 240), "num_frames": 8}
    write.generate(root, plan.SynthesisConfig(**config), workers=1)
    wanted = prepare.PrepareConfig(
        data_root=(str(root),), out=str(tmp_path / "prepared"), image_size=64, margin=4,
        apex=rule, jobs=1,
    )  # fmt: skip
    prepare.prepare(wanted)
    prepared = dataset.open_prepared(wanted.folder)
    settings = dataset.DatasetConfig(batch_size=len(prepared))
    (expected, _), *_ = dataset.make_eval(prepared, range(len(prepared)), settings)

    found = []
    for row, clip in enumerate(databases.load("synthetic").read(str(root))):
        assert clip.key == prepared.keys[row]
        footage = list(frame_files.iterate_frames(clip.frames))
        if rule == "annotated":
            footage = footage[: prepared.apex[row] + 1]
        found.append(pairs.align_pair(footage, SMALL, spot=rule == "spotted"))
    inputs = pairs.model_inputs(found, 64)
    assert set(inputs) == set(expected)
    for name, values in inputs.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected[name].numpy(), err_msg=name)


def test_the_apex_is_spotted(spec, frames):
    pair = pairs.align_pair(frames, SMALL)
    assert abs(pair.apex - spec.apex) <= 1
    assert pair.frames.shape == (2, 72, 72) and pair.frames.dtype == np.uint8
    assert not pair.notes
    given = pairs.align_pair(frames[: pair.apex + 1], SMALL, spot=False)
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
        pairs.align_pair(both, SMALL, name="first.png")
    pair = pairs.align_pair(both, SMALL, face="largest")
    alone = pairs.align_pair(frames, SMALL)
    # one of the two, and aligned to the same place but for the jitter of finding it elsewhere
    difference = np.abs(pair.frames[0].astype(float) - alone.frames[0]).mean()
    other = pairs.align_pair(others, SMALL, spot=False)
    another = np.abs(pair.frames[0].astype(float) - other.frames[0]).mean()
    assert min(difference, another) < 6 < max(difference, another)


def test_no_face_on_the_onset_or_on_the_apex(frames):
    wall = np.full_like(frames[0], 128)
    with pytest.raises(DataError, match="no face found in first.png"):
        pairs.align_pair([wall, frames[0]], SMALL, name="first.png")
    with pytest.raises(DataError, match="no face found in the apex frame after first.png"):
        pairs.align_pair([frames[0], wall], SMALL, name="first.png")


def test_a_face_elsewhere_is_doubted(frames):
    """The apex frame of a head that moved by half a face: alignment cannot follow."""
    moved = np.roll(frames[5], 60, axis=1)
    pair = pairs.align_pair([frames[0], moved], SMALL)
    assert "do not trust the displacement" in pair.notes[0]


def test_the_mask_is_the_face():
    mask = pairs.face_mask(128)
    assert mask.shape == (128, 128) and mask.dtype == bool
    assert mask[64, 64] and not mask[0, 0] and not mask[127, 127]
    assert 0.4 < mask.mean() < 0.9
