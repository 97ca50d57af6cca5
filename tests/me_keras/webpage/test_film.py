"""The short film: frames, speed, and motion that is magnified as far as it says."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image, ImageSequence

from me_keras.webpage import film


def spot(size, x, y):
    """A soft bright spot at (x, y), px: (size, size) float32."""
    steps = np.arange(size, dtype=np.float32)
    return np.exp(-((steps[None] - x) ** 2 + (steps[:, None] - y) ** 2) / (2 * 3**2))


def centre(image):
    """Centre of brightness, (x, y)."""
    steps = np.arange(len(image))
    return np.array([(image.sum(axis) * steps).sum() for axis in (0, 1)]) / image.sum()


@pytest.mark.parametrize("factor", [1, 5])
def test_a_spot_goes_so_many_times_as_far(factor):
    field = np.zeros((64, 64, 2), np.float32) + np.float32([1.5, -0.5])
    moved = film.magnify(spot(64, 30, 34), field, factor, 128)
    still = film.magnify(spot(64, 30, 34), 0 * field, factor, 128)
    way = (centre(moved) - centre(still)) / 2  # px of 64
    np.testing.assert_allclose(way, factor * np.array([1.5, -0.5]), atol=0.05)


def test_where_motion_differs_each_place_goes_its_own_way():
    """Motion is that of the place a pixel comes from, not of the one it goes to."""
    field = np.zeros((64, 64, 2), np.float32)
    field[..., 0] = 0.05 * (np.arange(64) - 20)  # stretched about x = 20
    moved = film.magnify(spot(64, 40, 32), field, 4, 64)
    peak = np.unravel_index(moved.argmax(), moved.shape)
    assert peak == (32, 40 + 4 * 1)  # by 4 times 0.05 (40 - 20)


def test_the_film_holds_every_frame_slowed(found):
    drawn = film.draw(found)
    shown = Image.open(io.BytesIO(drawn.content))
    frames = list(ImageSequence.Iterator(shown))
    assert shown.format == "WEBP" and shown.size == (2 * film.SIDE + film.GAP, film.SIDE)
    assert len(frames) == len(found.fields)
    assert drawn.slower == film.SLOWEST  # 12 frames at 50 a second are short
    first = np.asarray(frames[0].convert("L"), np.float32)
    left, right = first[:, : film.SIDE], first[:, film.SIDE + film.GAP :]
    assert np.abs(left - right).mean() < 3  # of 255: the onset has not moved


@pytest.mark.parametrize("largest, factor", [(0.5, 5), (4.0, 3), (30.0, 1)])
def test_motion_that_is_large_is_magnified_less(found, largest, factor):
    fields = np.zeros_like(found.fields)
    fields[1:] = largest / np.sqrt(2)
    assert film.draw(dataclasses.replace(found, fields=fields)).factor == factor


def test_speed():
    assert film._speed(None, 3) == ([100, 100, 100], None)
    assert film._speed((0.0, 0.02, 0.05), 3) == ([160, 240, 240], 8)
    assert film._speed((0.0, 3.0), 2) == ([6000, 6000], 2)
    assert film._speed((0.0, 30.0), 2) == ([30000, 30000], 1)
