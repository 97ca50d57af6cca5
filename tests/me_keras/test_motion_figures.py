"""A true displacement explains the change, a wrong one harms, noise is not explained."""

import cv2
import numpy as np
import pytest

from me_keras import motion_figures
from me_keras.layers.warp import dense_warp
from me_keras.prediction import alignment
from pipelines.faces import align, landmarks
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan

SIZE = 128


def figures(onset, apex, displacement):
    """Of one face, as numbers."""
    onset, apex = onset[None, ..., None], apex[None, ..., None]
    displacement = np.ascontiguousarray(displacement[None], np.float32)
    warped = dense_warp(apex, displacement)
    found = motion_figures.motion_figures(onset, apex, warped, displacement)
    return {name: float(value[0]) for name, value in found.items()}


def explained(*values):
    return figures(*values)["motion_explained"]


@pytest.fixture(scope="module")
def pair():
    """Aligned onset and apex of a synthetic clip, and how its face truly moved."""
    spec = plan.draw_spec(plan.SynthesisConfig(frame_size=(320, 240)), 9, 0, "surprise")
    frames = list(clips.render(spec))
    both = [frames[0], frames[spec.apex]]
    made = alignment.align_pair(both, alignment.Alignment(SIZE, 8), spot=False)
    inputs = alignment.model_inputs([made], SIZE)
    matrix = align.face_matrix(landmarks.detect_steadily(frames[0]), SIZE, 0)
    truth = clips.aligned_displacement(spec, matrix, SIZE)
    return inputs["onset"][0, ..., 0], inputs["apex"][0, ..., 0], truth


def test_the_truth_explains_and_its_opposite_harms(pair):
    onset, apex, truth = pair
    assert explained(onset, apex, truth) > 0.5
    assert explained(onset, apex, np.zeros_like(truth)) == pytest.approx(0, abs=1e-6)
    assert explained(onset, apex, -truth) < 0
    assert explained(onset, onset, truth) == 0.0
    length = np.linalg.norm(truth, axis=-1)[motion_figures.face_mask(SIZE)]
    found = figures(onset, apex, truth)
    assert found["displacement_mean_px"] == pytest.approx(length.mean(), rel=1e-5)
    assert found["displacement_max_px"] == pytest.approx(length.max(), rel=1e-5)
    assert 0.3 < found["reconstruction_gain"] < 1


def test_a_known_shift_is_explained_whole():
    """A picture shifted by two pixels down and one left, by hand: `apex[p + d] = onset[p]`."""
    texture = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    onset = cv2.GaussianBlur(texture, (0, 0), 3)
    apex = np.roll(onset, (2, -1), (0, 1))
    moved = np.broadcast_to(np.float32([-1, 2]), (SIZE, SIZE, 2))
    assert explained(onset, apex, moved) == pytest.approx(1, abs=1e-3)


def test_noise_is_not_explained_and_does_not_hide_motion(pair):
    onset, apex, truth = pair
    rng = np.random.default_rng(0)
    noise = 0.02 * rng.standard_normal((2, SIZE, SIZE)).astype(np.float32)
    still = onset + noise[0], onset + noise[1]
    assert explained(*still, truth) < motion_figures.STILL_EXPLAINED
    raw = np.abs(still[0] - still[1]).mean() / np.abs(onset - apex).mean()
    assert raw > 1  # the noise is larger than what the motion changes
    assert explained(onset + noise[0], apex + noise[1], truth) > 2 * motion_figures.STILL_PX


def test_noise_takes_from_the_gain_what_smoothing_gives_back(pair):
    """Why two figures: a camera's noise is in the gain, and no displacement explains it."""
    onset, apex, truth = pair
    noise = 0.02 * np.random.default_rng(0).standard_normal((2, SIZE, SIZE)).astype(np.float32)
    clean, noisy = figures(*pair), figures(onset + noise[0], apex + noise[1], truth)
    assert noisy["reconstruction_gain"] < 0.5 * clean["reconstruction_gain"]
    assert noisy["motion_explained"] > noisy["reconstruction_gain"] + 0.1


def test_the_mask_is_the_face():
    mask = motion_figures.face_mask(128)
    assert mask.shape == (128, 128) and mask.dtype == bool
    assert mask[64, 64] and not mask[0, 0] and not mask[127, 127]
    assert 0.4 < mask.mean() < 0.9
