"""The colour wheel: white at rest, hue by direction, stronger by length; round scales."""

import colorsys

import numpy as np
import pytest

from me_keras import colours


def hue(dx, dy):
    return colorsys.rgb_to_hsv(*colours.wheel(np.array([dx, dy], float), 1.0))[0] * 360


def test_rest_is_white_and_length_is_strength():
    assert np.allclose(colours.wheel(np.zeros(2), 1.0), 1.0)
    weak, strong = (colours.wheel(np.array([x, 0.0]), 2.0) for x in (0.5, 2.0))
    assert np.ptp(weak) < np.ptp(strong)
    np.testing.assert_allclose(1 - weak, (1 - strong) / 4)
    np.testing.assert_array_equal(strong, colours.wheel(np.array([9.0, 0.0]), 2.0))


@pytest.mark.parametrize(
    "way, low, high",
    [((1, 0), 350, 370), ((0, 1), 45, 60), ((-1, 0), 160, 180), ((0, -1), 230, 260)],
)
def test_directions_have_their_hue(way, low, high):
    """Right red, down yellow, left green, up blue."""
    found = hue(*way)
    assert low <= found <= high or low <= found + 360 <= high


def test_hues_are_a_circle_without_a_jump():
    turn = np.linspace(0, 2 * np.pi, 721)
    ring = colours.wheel(np.stack([np.cos(turn), np.sin(turn)], -1), 1.0)
    assert np.abs(np.diff(ring, axis=0)).max() < 0.01
    np.testing.assert_allclose(ring[0], ring[-1], atol=1e-6)


def test_the_legend_shows_the_same_colours_y_downwards():
    disc = colours.legend(101)
    assert disc.shape == (101, 101, 4)
    np.testing.assert_allclose(disc[50, 90, :3], colours.wheel(np.array([0.8, 0.0]), 1.0))
    np.testing.assert_allclose(disc[90, 50, :3], colours.wheel(np.array([0.0, 0.8]), 1.0))
    assert disc[0, 0, 3] == 0 and disc[50, 50, 3] == 1


@pytest.mark.parametrize(
    "longest, limit", [(0.02, 1.0), (1.0, 1.0), (1.1, 1.5), (3.51, 4.0), (12.0, 15.0), (7.0, 7.0)]
)
def test_scales_end_at_round_numbers(longest, limit):
    assert colours.nice_limit(np.full(1000, longest), 1.0) == pytest.approx(limit)
