"""Displacements as small colour pictures inside a page; no picture of a face is ever made."""

from __future__ import annotations

import base64

import numpy as np

from me_keras import colours

LEAST_PX = (
    1.0  # least displacement that the full colour stands for: noise must not look like motion
)
WHEEL = 96  # px


def shared_limit(displacements, least=LEAST_PX) -> float:
    """The displacement that the full colour stands for in all pictures of a page: a round number.

    Args:
        displacements: list of (h, w, 2).
        least: the scale is no finer than this.
    """
    lengths = [np.linalg.norm(d, axis=-1).ravel() for d in displacements]
    return colours.nice_limit(np.concatenate(lengths), least)


def displacement(field, limit) -> str:
    """A displacement (h, w, 2) as `data:` address of a PNG of h x w: the colours of `colours`."""
    return _address(colours.wheel(np.asarray(field, np.float32), limit))


def wheel() -> str:
    """The colour wheel, the legend, as `data:` address of a PNG."""
    return _address(colours.legend(WHEEL))


def _address(image):
    """Of a picture (h, w, 3 or 4) in [0, 1], RGB or RGBA."""
    import cv2

    pixels = np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
    pixels[..., :3] = pixels[..., 2::-1]  # cv2's BGR
    _, encoded = cv2.imencode(".png", pixels)
    return "data:image/png;base64," + base64.b64encode(encoded.tobytes()).decode()
