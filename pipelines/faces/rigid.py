"""Estimates how a head moves between two aligned frames, and is not misled by the expression.

The face is cut into blocks. Each says by Lucas-Kanade's equations how it has moved; one similarity
transform, four parameters, is fitted to what they say, and the frame is warped back by it and asked
again (inverse compositional: Baker and Matthews, 2004, IJCV 56(3)). An expression moves whole parts
of a face alike, so no pixel-wise weight can tell it from the head. Instead several parts of the
face each propose a motion, and the one that most blocks follow closely is the head's.
Both frames are normalised locally in mean and contrast, so that changing light does not count.
All of it is our own choice (E).
"""

from __future__ import annotations

import cv2
import numpy as np

GRID = 18  # blocks along each side
REDUCTIONS = (4, 2, 1)  # a first guess at a quarter of the size, searches at half and at full
WINDOW = 0.17  # side of the local normalisation's window, as a fraction of the image's side
TEXTURE = 0.005  # squared gradient that makes a block's say half as strong as it can be

# Blocks farther from the motion than this do not count, round by round: px of a 144 px image.
SEARCH = (0.5, 0.25, 0.15)
REFINE = (0.35, 0.25, 0.2)
APPROACHES = 3  # rounds of the first guess
REWEIGHTINGS = 2  # in each round of refinement

# Heads hardly turn or come nearer within half a second: standard deviations of scale and rotation
# (radians), and how many blocks' say that weighs, in the search and after it.
LIKELY = (0.006, 0.01)
PRIOR_SEARCH, PRIOR_REFINE = 0.1, 0.01
FARTHEST = 2 * np.array([*LIKELY, 0, 0])
TINY = 1e-6 * np.eye(4)  # so that a face without texture has a solution: no motion


class RigidMotion:
    """The motion of one clip's head relative to its onset frame.

    Args:
        onset: (S, S) uint8, the aligned onset frame.
        trust: (S, S) float in [0, 1], how far each pixel may speak; 0 leaves it out.
        proposers: (k, S, S) bool, parts of the face that each propose a motion.
    """

    def __init__(self, onset: np.ndarray, trust: np.ndarray, proposers: np.ndarray):
        self.size = onset.shape[0]
        self._blocks = [_Blocks(onset, trust, proposers, r) for r in REDUCTIONS]

    def estimate(self, frame: np.ndarray) -> np.ndarray:
        """The similarity (2, 3), px, that puts `frame` (S, S) uint8 back onto the onset frame."""
        # Motion is (4,): scale - 1, rotation, dx, dy about the centre, onset px -> frame px.
        quarter, half, full = (_normalised(frame, reduction) for reduction in REDUCTIONS)
        small, middle, large = self._blocks
        guess = small.approach(quarter) * [1, 1, 2, 2]
        tried = [middle.search(half, start) for start in (np.zeros(4), guess)]
        motion, _ = max(tried, key=lambda found: found[1])
        motion, _ = large.search(full, motion * [1, 1, 2, 2])
        for limit in REFINE:
            motion = large.refine(full, motion, limit)
        return cv2.invertAffineTransform(_matrix(motion, (self.size - 1) / 2))


class _Blocks:
    """The blocks of one onset frame at one size, whose px are the unit throughout.

    What depends on the onset frame alone is computed once. m is the number of blocks.
    """

    def __init__(self, onset, trust, proposers, reduction):
        self.template = _normalised(onset, reduction)
        self.centre = (len(self.template) - 1) / 2
        self.unit = len(onset) / 144  # of SEARCH and REFINE, px
        likely = np.array([*LIKELY, np.inf, np.inf]) / (len(self.template) / 144)
        self.prior = np.diag(1 / likely**2)
        self.dx = cv2.Scharr(self.template, cv2.CV_32F, 1, 0, scale=1 / 32)
        self.dy = cv2.Scharr(self.template, cv2.CV_32F, 0, 1, scale=1 / 32)
        say = _means(trust)
        self.used = say > 0
        self.trust = say[self.used]  # (m,)
        starts = [_means(part)[self.used] for part in proposers]
        self.starts = self.trust * np.stack([np.ones_like(self.trust), *starts])  # (k + 1, m)
        products = (self.dx * self.dx, self.dx * self.dy, self.dy * self.dy)
        xx, xy, yy = (_means(product)[self.used] for product in products)
        # Blocks rich in contrast, such as the eyes, must not outvote the rest of the face.
        self.gain = 1 / (xx + yy + TEXTURE)
        normal = (np.stack([xx, xy, xy, yy]) * self.gain).T.reshape(-1, 2, 2)
        self.inverse = np.linalg.inv(normal + 0.05 * np.eye(2))
        place = ((np.arange(GRID) + 0.5) / GRID - 0.5) * len(self.template)
        x, y = (axis.ravel()[self.used] for axis in np.meshgrid(place, place))
        one, nil = np.ones_like(x), np.zeros_like(x)
        # How a block moves with scale, rotation, dx and dy.
        self.moves = np.stack([x, -y, one, nil, y, x, nil, one], 1).reshape(-1, 2, 4)  # (m, 2, 4)
        self.flat_moves = self.moves.reshape(-1, 4).T.copy()  # (4, 2 m)
        hessians = np.einsum("mia,mij,mjb->mab", self.moves, normal, self.moves)
        self.hessians = hessians.reshape(-1, 16)

    def approach(self, image):
        """The motion (4,) that fits all blocks at once, the expression's as well: a first guess."""
        motion = np.zeros(4)
        for _ in range(APPROACHES):
            pull = self._ask(image, motion)[1]
            step = self._fit(self.trust[None], pull, motion, prior=0)[0]
            motion = _compose_inverse(motion, step)
        return motion

    def search(self, image, motion):
        """Corrects `motion` (4,) by the step, of all proposed, that the most blocks follow.

        Returns the motion and how many blocks, weighted by trust, follow it.
        """
        shifts, pull = self._ask(image, motion)
        steps = self._fit(self.starts, pull, motion, PRIOR_SEARCH)  # (k + 1, 4)
        for limit in SEARCH:
            weights = self._weights(steps, shifts, limit)
            steps = self._fit(weights, pull, motion, PRIOR_SEARCH)
        followers = self._weights(steps, shifts, SEARCH[-1]).sum(axis=1)
        return _compose_inverse(motion, steps[np.argmax(followers)]), followers.max()

    def refine(self, image, motion, limit):
        """Corrects `motion` (4,) by the step that the blocks near it agree on."""
        shifts, pull = self._ask(image, motion)
        steps = np.zeros((1, 4))
        for _ in range(REWEIGHTINGS):
            weights = self._weights(steps, shifts, limit)
            steps = self._fit(weights, pull, motion, PRIOR_REFINE)
        return _compose_inverse(motion, steps[0])

    def _ask(self, image, motion):
        """How far each block still is from the onset: its own shift (m, 2), px, and pull (m, 4)."""
        moved = cv2.warpAffine(
            image,
            _matrix(motion, self.centre),
            image.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        error = moved - self.template
        slope = np.stack([_means(self.dx * error), _means(self.dy * error)], 1)[self.used]
        slope *= self.gain[:, None]
        shifts = (self.inverse @ slope[..., None])[..., 0]
        pull = (slope[:, None] @ self.moves)[:, 0]
        return shifts, pull

    def _weights(self, steps, shifts, limit):
        """Tukey's weight of each block under each step (k, 4), times its trust: (k, m)."""
        away = (steps @ self.flat_moves - shifts.ravel()) / (limit * self.unit)  # (k, 2 m)
        away *= away
        near = 1 - np.minimum(away[:, 0::2] + away[:, 1::2], 1)
        return self.trust * near * near

    def _fit(self, weights, pull, motion, prior):
        """The weighted least-squares step for each row of weights (k, m): (k, 4)."""
        # Beyond twice the likely the prior draws no further: that head did turn.
        away = np.minimum(np.maximum(motion, -FARTHEST), FARTHEST)
        hessians = (weights @ self.hessians).reshape(-1, 4, 4) + prior * self.prior + TINY
        right = weights @ pull + prior * self.prior @ away
        return np.linalg.solve(hessians, right[..., None])[..., 0]


def _means(image):
    """The mean of an image (h, w) in each of the GRID x GRID blocks: (GRID * GRID,) float64."""
    image = image.astype(np.float32)
    return cv2.resize(image, (GRID, GRID), interpolation=cv2.INTER_AREA).ravel().astype(np.float64)


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
