import cv2
import numpy as np
import pytest

from benchmarks import moved_faces


def rebuilt(onset, apex, truth):
    """Brightness difference to the onset before and after the apex is warped back."""
    rows, columns = np.mgrid[:128, :128].astype(np.float32)
    x, y = columns + truth[..., 0], rows + truth[..., 1]
    warped = cv2.remap(apex.astype(np.float32), x, y, cv2.INTER_CUBIC)
    inside = (slice(10, -10), slice(10, -10))
    return [np.abs(image - onset.astype(np.float32))[inside].mean() for image in (apex, warped)]


@pytest.mark.parametrize("faces", ["rendered_faces", "photograph"])
@pytest.mark.parametrize("field", ["expression", "swirls"])
def test_the_truth_takes_the_apex_to_the_onset(faces, field):
    if faces == "photograph":
        pytest.importorskip("skimage")
    shown = getattr(moved_faces, faces)(2)
    onset, apex, truth = moved_faces.moved(shown, getattr(moved_faces, field))
    assert onset.shape == apex.shape == (2, 128, 128) and onset.dtype == np.uint8
    motion = np.linalg.norm(truth, axis=-1).mean(axis=(1, 2))
    assert (motion > 0.2).all() and (motion < 1.0).all()
    for pair in zip(onset, apex, truth):
        before, after = rebuilt(*pair)
        assert after < min(0.75 * before, 1.7)  # two frames of noise are left, and the lamp


def test_swirls_turn_and_expressions_are_those_of_the_renderer():
    rng = np.random.default_rng(0)
    dx, dy = np.moveaxis(moved_faces.swirls(rng), -1, 0)
    curl = np.gradient(dy, axis=1) - np.gradient(dx, axis=0)
    assert np.abs(curl).max() > 3 * np.abs(curl).mean()
    field = moved_faces.expression(rng)
    assert field.shape == (128, 128, 2) and np.linalg.norm(field, axis=-1).max() > 0.5
