"""Estimates how a head moves between two aligned frames, and is not misled by the expression.

Inverse compositional Gauss-Newton (Baker and Matthews, 2004, IJCV 56(3)) on a similarity transform,
four parameters, over two pyramid levels. Both frames are normalised locally in mean and contrast,
so that light that changes between them does not count. Tukey's weights leave out the pixels that
do not follow the head: those that the expression moves. All of it is our own choice (E).
"""

from __future__ import annotations

import cv2
import numpy as np

LEVELS = ((2, 8), (1, 4))  # (reduction, most iterations)
WINDOW = 0.17  # side of the local normalisation's window, as a fraction of the image's side
TUKEY = 4.685  # in robust standard deviations: 95 % efficient on normal noise
CONVERGED_PX = 0.01  # the largest step at the image's edge that counts as none
MOST_PIXELS = 3000  # per level, those of the strongest gradients: the others hardly count


class RigidMotion:
    """The motion of one clip's head relative to its onset frame.

    Args:
        onset: (S, S) uint8, the aligned onset frame.
        mask: (S, S) float in [0, 1], how far each pixel may speak; 0 leaves it out.
    """

    def __init__(self, onset: np.ndarray, mask: np.ndarray):
        self.size = onset.shape[0]
        self._levels = [_Level(onset, mask, *level) for level in LEVELS]

    def estimate(self, frame: np.ndarray) -> np.ndarray:
        """The similarity (2, 3), px, that puts `frame` (S, S) uint8 back onto the onset frame."""
        motion = np.zeros(4)  # onset -> frame, about the image's centre
        for level in self._levels:
            motion = level.refine(frame, motion)
        return cv2.invertAffineTransform(_matrix(motion, (self.size - 1) / 2))


class _Level:
    """One level of the pyramid: what depends on the onset frame alone is computed once."""

    def __init__(self, onset, mask, reduction, iterations):
        self.reduction, self.iterations = reduction, iterations
        image = _normalised(onset, reduction)
        height, width = image.shape
        self.centre = (width - 1) / 2
        dx = cv2.Scharr(image, cv2.CV_32F, 1, 0, scale=1 / 32)
        dy = cv2.Scharr(image, cv2.CV_32F, 0, 1, scale=1 / 32)
        weight = cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_AREA)
        border = max(2, round(0.03 * width))
        weight[:border], weight[-border:], weight[:, :border], weight[:, -border:] = 0, 0, 0, 0
        strength = weight * (dx**2 + dy**2)
        usable = min(MOST_PIXELS, int(np.count_nonzero(strength)))
        self.pixels = np.argpartition(strength.ravel(), -usable)[-usable:] if usable else []
        y, x = np.divmod(self.pixels, width)
        x, y = x - self.centre, y - self.centre
        dx, dy = dx.ravel()[self.pixels], dy.ravel()[self.pixels]
        # How the image changes with scale, rotation and shift: steepest descent images, (n, 4).
        self.descent = np.stack([dx * x + dy * y, dy * x - dx * y, dx, dy], 1)  # (n, 4)
        self.weight = weight.ravel()[self.pixels]
        self.template = image.ravel()[self.pixels]

    def refine(self, frame, motion):
        """Improves `motion`, in px of the full image: (4,) -> (4,)."""
        image = _normalised(frame, self.reduction)
        motion = motion * [1, 1, 1 / self.reduction, 1 / self.reduction]
        for _ in range(self.iterations if len(self.pixels) else 0):
            moved = cv2.warpAffine(
                image,
                _matrix(motion, self.centre),
                image.shape[::-1],
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_REPLICATE,
            )
            step = self._step(moved.ravel()[self.pixels] - self.template)
            motion = _compose_inverse(motion, step)
            if np.abs(step[:2]).sum() * self.centre + np.abs(step[2:]).sum() < CONVERGED_PX:
                break
        return motion * [1, 1, self.reduction, self.reduction]

    def _step(self, error):
        """The weighted least-squares step (4,) for errors (n,)."""
        size = np.abs(error)
        spread = 1.4826 * np.median(size[::3]) + 1e-6  # every third: near enough, and fast
        outlying = np.minimum(size / np.float32(TUKEY * spread), 1)
        weight = self.weight * (1 - outlying**2) ** 2
        weighted = self.descent * weight[:, None]  # (n, 4)
        hessian = weighted.T @ self.descent + 1e-9 * np.eye(4)
        return np.linalg.solve(hessian, weighted.T @ error)


def _normalised(image, reduction):
    """(S, S) uint8 -> (S/reduction, S/reduction) float32 of local mean 0 and local deviation 1."""
    image = image.astype(np.float32)
    if reduction > 1:
        size = image.shape[0] // reduction
        image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    image = cv2.GaussianBlur(image, (3, 3), 0.7)
    window = (round(WINDOW * image.shape[0]) | 1,) * 2
    image = image - cv2.blur(image, window)
    deviation = cv2.sqrt(cv2.blur(image * image, window))
    return image / (deviation + 2)  # 2 grey levels: flat skin is not blown up into noise


def _matrix(motion, centre):
    """(scale - 1, rotation, dx, dy) about the centre -> (2, 3), onset px -> frame px."""
    a, b, dx, dy = motion
    turn = np.array([[1 + a, -b], [b, 1 + a]])
    shift = np.array([centre, centre]) + [dx, dy] - turn @ [centre, centre]
    return np.column_stack([turn, shift])


def _compose_inverse(motion, step):
    """The motion that undoes `step`, then applies `motion`: complex z -> turn z + shift."""
    turn, shift = 1 + motion[0] + 1j * motion[1], motion[2] + 1j * motion[3]
    step_turn, step_shift = 1 + step[0] + 1j * step[1], step[2] + 1j * step[3]
    turn = turn / step_turn
    shift = shift - turn * step_shift
    return np.array([turn.real - 1, turn.imag, shift.real, shift.imag])
