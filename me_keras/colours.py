"""Displacement as colour: direction is hue, length is saturation, no motion is white."""

from __future__ import annotations

import numpy as np

# Hues of the wheel from the right, clockwise as seen on the screen, like the displacement's axes:
# right red, down green, left cyan, up violet; even steps for the eye, which sees many greens alike.
_HUES = np.array(
    [
        (214, 39, 40),
        (230, 120, 20),
        (222, 181, 20),
        (96, 166, 40),
        (22, 150, 130),
        (31, 119, 190),
        (80, 70, 190),
        (170, 55, 150),
    ]
)


def wheel(displacement: np.ndarray, limit: float) -> np.ndarray:
    """Colours of displacements.

    Args:
        displacement: (..., 2) px, (dx, dy), y downwards.
        limit: px that the full colour stands for; what is longer is shown like it.
    Returns:
        (..., 3) float in [0, 1], RGB.

    Examples:
        >>> still, right = wheel(np.array([[0.0, 0.0], [2.0, 0.0]]), limit=2.0)
        >>> still.tolist()  # white
        [1.0, 1.0, 1.0]
        >>> (255 * right).round().astype(int).tolist()  # red
        [214, 39, 40]
    """
    dx, dy = displacement[..., 0], displacement[..., 1]
    count = len(_HUES)
    turn = np.arctan2(dy, dx) / (2 * np.pi) * count  # 0 right, then down
    hue = np.stack([np.interp(turn, range(count), part, period=count) for part in _HUES.T], -1)
    strength = np.clip(np.hypot(dx, dy) / limit, 0, 1)[..., None]
    return 1 - strength * (1 - hue / 255)


def legend(pixels: int) -> np.ndarray:
    """The wheel itself: (pixels, pixels, 4) float RGBA, transparent outside the disc."""
    axis = np.linspace(-1, 1, pixels)
    x, y = np.meshgrid(axis, axis)
    radius = np.hypot(x, y)
    edge = np.clip((1 - radius) * pixels / 2, 0, 1)  # smooth by a pixel
    return np.dstack([wheel(np.dstack([x, y]), 1.0), edge])


def nice_limit(length: np.ndarray, least: float) -> float:
    """The end of a scale for these lengths: a round number that 99.5 % of them do not exceed.

    Examples:
        >>> nice_limit(np.array([0.2, 1.7, 2.3]), least=1.0)
        2.5
    """
    wanted = max(float(np.percentile(length, 99.5)), least)
    step = 10 ** np.floor(np.log10(wanted)) / 2
    return float(np.ceil(wanted / step - 1e-6) * step)
