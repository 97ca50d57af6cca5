"""The apex rule and the spotted apex."""

import cartoon
import cv2
import numpy as np
import pytest

from pipelines.faces import align, apex

SIZE, PEAK = 144, 13


@pytest.fixture(scope="module")
def clip():
    """24 frames of a cartoon whose brows rise by 2 px until frame 13 and sink again, with noise."""
    points = np.float32([[273, 221], [367, 221]])
    target = np.float32([[46.4, 36.2], [97.6, 36.2]])
    onset = align.warp(cartoon.face(), align.fit_similarity(points, target), SIZE)
    x, y = np.meshgrid(np.arange(SIZE, dtype=np.float32), np.arange(SIZE, dtype=np.float32))
    bump = 2 * np.exp(-((x - 72) ** 2 / 1800 + (y - 24) ** 2 / 200))
    rng = np.random.default_rng(0)
    frames = []
    for t in range(24):
        level = t / PEAK if t <= PEAK else 1 - 0.8 * (t - PEAK) / (23 - PEAK)
        moved = cv2.remap(onset.astype(np.float32), x, y + level * bump, cv2.INTER_CUBIC)
        frames.append(np.clip(moved + rng.normal(0, 1.5, moved.shape), 0, 255))
    return np.array(frames, np.uint8)[..., None]


@pytest.fixture(scope="module")
def boxes():
    edges = np.linspace(0.1, 0.9, 4)
    return np.array([(y, x, y + 0.27, x + 0.27) for y in edges[:3] for x in edges[:3]], np.float32)


def test_middle():
    assert apex.middle(0, 10) == 5 and apex.middle(4, 7) == 5


def test_the_peak_is_spotted(clip, boxes):
    assert abs(apex.spot(clip, boxes) - PEAK) <= 1


def test_onset_and_offset_bound_the_search(clip, boxes):
    assert apex.spot(clip, boxes, onset=0, offset=6) == 6
    assert apex.spot(clip, boxes, onset=PEAK, offset=23) > PEAK


def test_the_curve_is_in_px_of_the_image(clip, boxes):
    curve = apex.motion_curve(clip, boxes)
    assert curve.shape == (24,) and curve.argmax() == pytest.approx(PEAK, abs=1)
    assert 0.2 < curve.max() < 1.5 and curve[0] < 0.3 * curve.max()
