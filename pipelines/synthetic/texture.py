"""Random textures: what gives optical flow something to hold on to."""

import cv2
import numpy as np


def blobs(rng, shape, sigma):
    """Smooth noise of zero mean and unit deviation, its spots about `sigma` px wide: (h, w)."""
    height, width = shape
    step = max(1, int(sigma / 1.5))  # coarse noise is made small, then enlarged
    small = rng.standard_normal((height // step + 8, width // step + 8), dtype=np.float32)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / step, 0.4))
    small /= small.std()
    if step == 1:
        return small[4 : 4 + height, 4 : 4 + width]
    size = (small.shape[1] * step, small.shape[0] * step)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)[:height, :width]


def layers(rng, shape, sigmas_and_weights):
    """A weighted sum of `blobs`: (h, w) float32."""
    return sum(np.float32(weight) * blobs(rng, shape, s) for s, weight in sigmas_and_weights)


def strokes(shape, starts, ends, widths, values):
    """Anti-aliased hairs from `starts` to `ends` (n, 2) px: a coverage picture (h, w) in [0, 1]."""
    picture = np.zeros(shape, np.uint8)
    starts, ends = (starts * 16).astype(int), (ends * 16).astype(int)
    for p, q, width, value in zip(starts.tolist(), ends.tolist(), widths, values):
        cv2.line(picture, p, q, (int(value),), int(width), cv2.LINE_AA, 4)
    return picture.astype(np.float32) / 255


def spots(shape, centres, radii, values):
    """Anti-aliased round spots at `centres` (n, 2) px: a coverage picture (h, w) in [0, 1]."""
    picture = np.zeros(shape, np.uint8)
    centres, radii = (centres * 16).astype(int).tolist(), (radii * 16).astype(int).tolist()
    for centre, radius, value in zip(centres, radii, values):
        cv2.circle(picture, centre, radius, (int(value),), -1, cv2.LINE_AA, 4)
    return picture.astype(np.float32) / 255
