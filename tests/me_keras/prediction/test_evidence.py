"""Evidence of motion: a true displacement explains, a wrong one harms, noise is not explained."""

import cv2
import numpy as np
import pytest

from me_keras.prediction import evidence, pairs
from pipelines.faces import align, landmarks
from pipelines.synthetic import clip as clips

SIZE = 128


@pytest.fixture(scope="module")
def pair(spec, frames):
    """Aligned onset and apex of the synthetic clip, and how its face truly moved."""
    made = pairs.align_pair([frames[0], frames[spec.apex]], pairs.Alignment(SIZE, 8), spot=False)
    inputs = pairs.model_inputs([made], SIZE)
    matrix = align.face_matrix(landmarks.detect_steadily(frames[0]), SIZE, 0)
    truth = clips.aligned_displacement(spec, matrix, SIZE)
    return inputs["onset"][0, ..., 0], inputs["apex"][0, ..., 0], truth


def test_the_truth_explains_and_its_opposite_harms(pair):
    onset, apex, truth = pair
    assert evidence.explained(onset, apex, truth) > 0.5
    assert evidence.explained(onset, apex, np.zeros_like(truth)) == pytest.approx(0, abs=1e-6)
    assert evidence.explained(onset, apex, -truth) < 0
    assert evidence.explained(onset, onset, truth) == 0.0


def test_a_known_shift_is_explained_whole():
    """A picture shifted by two pixels down and one left, by hand: `apex[p + d] = onset[p]`."""
    texture = np.random.default_rng(0).random((SIZE, SIZE), np.float32)
    onset = cv2.GaussianBlur(texture, (0, 0), 3)
    apex = np.roll(onset, (2, -1), (0, 1))
    moved = np.broadcast_to(np.float32([-1, 2]), (SIZE, SIZE, 2))
    assert evidence.explained(onset, apex, moved) == pytest.approx(1, abs=1e-3)


def test_noise_is_not_explained_and_does_not_hide_motion(pair):
    onset, apex, truth = pair
    rng = np.random.default_rng(0)
    noise = 0.02 * rng.standard_normal((2, SIZE, SIZE)).astype(np.float32)
    still = onset + noise[0], onset + noise[1]
    assert evidence.explained(*still, truth) < evidence.STILL_EXPLAINED
    raw = np.abs(still[0] - still[1]).mean() / np.abs(onset - apex).mean()
    assert raw > 1  # the noise is larger than what the motion changes
    assert evidence.explained(onset + noise[0], apex + noise[1], truth) > 2 * evidence.STILL_PX
