"""Action units as smooth displacement, and emotions as combinations of action units.

An action unit is a set of bumps (Gaussian, zero beyond three sigma) on the subject's own anchor
points; each side of the face moves by itself. Directions and sites follow the facial action
coding system; sizes are our own choice (E). Combinations overlap between emotions as they do in the
coding tables of CASME II and SAMM: 4 and 14 in several, 1 in surprise and in sadness, 7 everywhere.
"""

import dataclasses

import numpy as np

from pipelines.synthetic import anatomy as anatomies
from pipelines.synthetic.anatomy import floats

# The frame of reference for sizes in px: the aligned face, 128 px wide.
ALIGNED_SIZE = 128
ALIGNED_EYE_DISTANCE = 51.2  # px of it
ALIGNED_TOP = -0.55  # y of its upper edge, in eye distances
PEAK_LIMIT = 5.0  # a local action's peak is held to this many times the amplitude
STEEPEST = 0.4  # px per px: keeps the displacement invertible, skin does not fold

# Bumps on the subject's left: anchor, shift (x outward, y down), sigma x, sigma y in eye distances.
ACTION_UNITS = {
    1: (("brow_inner", 0.0, -1.0, 0.22, 0.22),),
    2: (("brow_outer", 0.1, -1.0, 0.26, 0.24),),
    4: (("brow_inner", -0.5, 0.9, 0.22, 0.19), ("brow_middle", -0.3, 0.5, 0.22, 0.17)),
    5: (("lid_upper", 0.0, -1.0, 0.22, 0.09),),
    6: (("cheek", -0.1, -0.9, 0.28, 0.20), ("lid_lower", 0.0, -0.4, 0.22, 0.10)),
    7: (("lid_lower", -0.1, -0.9, 0.22, 0.10), ("lid_upper", 0.0, 0.3, 0.22, 0.09)),
    9: (("nose_wing", 0.0, -0.8, 0.15, 0.16), ("nose_root", -0.2, -0.6, 0.15, 0.18),
        ("brow_inner", -0.1, 0.4, 0.2, 0.15)),
    10: (("lip_upper", 0.1, -0.8, 0.20, 0.12), ("nose_wing", 0.1, -0.6, 0.20, 0.20)),
    12: (("mouth_corner", 0.7, -0.8, 0.22, 0.20), ("cheek", 0.2, -0.5, 0.28, 0.22)),
    14: (("mouth_corner", 0.9, 0.0, 0.17, 0.16),),
    15: (("mouth_corner", 0.1, 0.9, 0.20, 0.20), ("chin_boss", 0.1, 0.2, 0.25, 0.15)),
    17: (("chin_boss", 0.0, -0.8, 0.24, 0.20), ("lip_lower", 0.0, -0.5, 0.24, 0.10)),
    20: (("mouth_corner", 1.0, 0.2, 0.26, 0.22), ("lip_lower", 0.4, 0.1, 0.2, 0.12)),
    24: (("lip_upper", -0.2, 0.6, 0.24, 0.09), ("lip_lower", -0.2, -0.6, 0.24, 0.09),
         ("mouth_corner", -0.5, 0.0, 0.15, 0.15)),
}  # fmt: skip
SPREAD = 1.25  # on all sigmas: how far skin drags its surroundings along
SIDES = {"L": (1,), "R": (-1,), "": (1, -1)}  # which signs of x a unit's prefix names
ONE_SIDED = (2, 4, 10, 12, 14, 15, 20)  # units that people can show on one side
ONE_SIDED_SHARE = 0.2  # of clips: 19 % in CASME II
NUISANCE = (1, 4, 7, 14, 17, 24)  # weak units that come with any emotion
NUISANCE_SHARE = 0.3

EMOTIONS = {
    "disgust": ((4, 7), (4, 9), (9, 10), (4, 10), (4, 7, 10), (4, 9, 17)),
    "repression": ((15, 17), (14, 17), (17, 24), (14, 15), (17, 20)),
    "happiness": ((12,), (6, 12), (12, 14), (6, 12, 14)),
    "surprise": ((1, 2), (1, 2, 5), (2, 5), (1, 2, 7)),
    "sadness": ((1, 15), (1, 4, 15), (1, 17)),
    "fear": ((4, 20), (5, 20), (1, 4, 20)),
    "anger": ((4, 7), (7, 24), (4, 24)),
    "contempt": ((14,), (10, 14)),
    "others": ((4, 14), (4,), (14, 24)),
}
# SMIC's words cover several emotions each.
EMOTIONS["negative"] = EMOTIONS["disgust"] + EMOTIONS["repression"] + EMOTIONS["sadness"][1:2]
EMOTIONS["positive"] = EMOTIONS["happiness"]


@dataclasses.dataclass(frozen=True)
class Unit:
    """One action unit in a clip: its number, its side ("L", "R", "" for both) and its strength."""

    number: int
    side: str
    weight: float

    def __str__(self):
        return f"{self.side}{self.number}"


def draw_units(rng, emotion, blend=0.0):
    """Draws the action units of one clip of `emotion`: a tuple of `Unit`, its own ones first.

    Args:
        blend: float; a unit that may be typical of another emotion comes on top, this many times
            as strong as an own one at most. People blend emotions, and hide one behind another.
    """
    combinations = EMOTIONS[emotion]
    numbers = combinations[rng.integers(len(combinations))]
    units = [Unit(n, "", round(float(rng.uniform(0.75, 1.25)), 3)) for n in numbers]
    movable = [i for i, unit in enumerate(units) if unit.number in ONE_SIDED]
    if movable and (emotion == "contempt" or rng.random() < ONE_SIDED_SHARE):
        i = movable[rng.integers(len(movable))]
        units[i] = dataclasses.replace(units[i], side="LR"[rng.integers(2)])
    if rng.random() < NUISANCE_SHARE:
        number = int(rng.choice([n for n in NUISANCE if n not in numbers]))
        units.append(Unit(number, "", round(float(rng.uniform(0.2, 0.45)), 3)))
    if blend:
        number = int(rng.choice([n for n in ACTION_UNITS if n not in {u.number for u in units}]))
        units.append(Unit(number, "", round(blend * float(rng.uniform(0.3, 1.0)), 3)))
    return tuple(units)


def bumps(anatomy, units):
    """The bumps of `units` on one subject's face.

    How strongly and in which direction a person moves each unit, and how the two sides differ, is
    that person's habit: drawn from the subject's seed.

    Returns:
        (n, 6) float64 rows: centre x, y; shift x, y; sigma x, y, in face coordinates.
    """
    at = anatomies.anchors(anatomy)
    rows = []
    for unit in units:
        for sign in SIDES[unit.side]:
            habit = np.random.default_rng([anatomy.seed, unit.number, sign + 1])
            gain = unit.weight * habit.uniform(0.85, 1.15)
            turn = np.deg2rad(habit.uniform(-12, 12))
            for anchor, x, y, sigma_x, sigma_y in ACTION_UNITS[unit.number]:
                dx = gain * (x * np.cos(turn) - y * np.sin(turn))
                dy = gain * (x * np.sin(turn) + y * np.cos(turn))
                wide, high = SPREAD * sigma_x, SPREAD * sigma_y
                rows.append((sign * at[anchor][0], at[anchor][1], sign * dx, dy, wide, high))
    return np.array(rows, np.float64).reshape(-1, 6)


def evaluate(rows, points):
    """Displacement of `points` (..., 2) by the bumps `rows` (n, 6): (..., 2) float32."""
    points = floats(points)
    total = np.zeros(points.shape, np.float32)
    floor = np.float32(np.exp(-4.5))
    for x, y, dx, dy, sigma_x, sigma_y in rows.astype(np.float32):
        squares = ((points[..., 0] - x) / sigma_x) ** 2 + ((points[..., 1] - y) / sigma_y) ** 2
        height = np.maximum(np.exp(-0.5 * squares) - floor, 0) / (1 - floor)
        total[..., 0] += dx * height
        total[..., 1] += dy * height
    return total


def face_grid(size=ALIGNED_SIZE):
    """Face coordinates of the pixels of an aligned face `size` px wide: (size, size, 2)."""
    unit = ALIGNED_EYE_DISTANCE / ALIGNED_SIZE * size
    steps = (np.arange(size, dtype=np.float32) + 0.5) / np.float32(unit)
    x, y = np.meshgrid(steps - steps.mean(), steps + ALIGNED_TOP)
    return np.stack([x, y], axis=-1)


def scaled_bumps(anatomy, units, amplitude_px):
    """`bumps` scaled so that the mean motion over the 128 px aligned face is `amplitude_px`.

    A small local action gets less, so that no point moves over `PEAK_LIMIT` times the amplitude;
    and none gets so steep that the skin would fold.
    """
    rows = bumps(anatomy, units)
    grid = face_grid(64)
    field = evaluate(rows, grid)
    size = np.linalg.norm(field, axis=-1)
    gain = amplitude_px / ALIGNED_EYE_DISTANCE * min(1 / size.mean(), PEAK_LIMIT / size.max())
    step = grid[0, 1, 0] - grid[0, 0, 0]
    steepest = max(np.abs(np.diff(field, axis=axis)).max() for axis in (0, 1)) / step
    rows[:, 2:4] *= min(gain, STEEPEST / steepest)
    return rows
