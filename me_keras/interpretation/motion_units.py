"""Motion in words: how each region moved, and which action units that may have been.

A displacement is read as a sum of action units. Which skin each of them pulls, and which way, is
from the facial action coding system (Ekman, Friesen and Hager: Facial Action Coding System, The
Manual, 2002; first edition Ekman and Friesen, 1978). Our choices: where these places lie
(`places.py`), how far a pull drags the skin along, that what moves along moves half as far, and how
units are told apart: non-negative least squares on the field at low resolution, with a template for
each unit and side. It is a reading of motion and not a certified coder's: units that move the skin
alike (12, 14 and 20, or 2 and 5) can be taken for one another.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from me_keras.interpretation.places import SIDES, eye_distance, find_places
from me_keras.motion_figures import STILL_PX, face_mask
from pipelines.schema import REGIONS

UNITS = {
    1: "inner brow raiser",
    2: "outer brow raiser",
    4: "brow lowerer",
    5: "upper lid raiser",
    6: "cheek raiser",
    7: "lid tightener",
    9: "nose wrinkler",
    10: "upper lip raiser",
    12: "lip corner puller",
    14: "dimpler",
    15: "lip corner depressor",
    17: "chin raiser",
    20: "lip stretcher",
    24: "lip pressor",
}
# Of each unit what is pulled on one side, and which way; what moves along after the main pulls.
PULLS = {
    1: ((("brow_inner", "up"),), ()),
    2: ((("brow_outer", "up"),), ()),
    4: ((("brow_inner", "down and in"),), (("brow_middle", "down and in"),)),
    5: ((("lid_upper", "up"),), ()),
    6: ((("cheek", "up"),), (("lid_lower", "up"),)),
    7: ((("lid_lower", "up"),), (("lid_upper", "down"),)),
    9: ((("nose_wing", "up"), ("nose_root", "up")), (("brow_inner", "down"),)),
    10: ((("lip_upper", "up"),), (("nose_wing", "up"),)),
    12: ((("mouth_corner", "up and out"),), (("cheek", "up and out"),)),
    14: ((("mouth_corner", "out"),), ()),
    15: ((("mouth_corner", "down"),), ()),
    17: ((("chin_boss", "up"),), (("lip_lower", "up"),)),
    20: ((("mouth_corner", "out"),), (("lip_lower", "out"),)),
    24: ((("lip_upper", "down"), ("lip_lower", "up")), (("mouth_corner", "in"),)),
}
ALONG = 0.5  # how far what moves along goes, of the main pull
# How far a pull drags the skin along: sigma of a Gaussian, across and down, in eye distances. The
# dimpler tightens the corner alone; the stretcher takes the skin around the mouth with it.
REACH = {
    "brow": (0.28, 0.25),
    "lid": (0.26, 0.12),
    "cheek": (0.32, 0.25),
    "nose": (0.20, 0.20),
    "lip": (0.26, 0.13),
    "mouth": (0.25, 0.22),
    "chin": (0.28, 0.22),
}
REACH_OF = {14: 0.8, 20: 1.25}  # times that, of these units

DIRECTIONS = ("out", "down and out", "down", "down and in", "in", "up and in", "up", "up and out")
MIXED, STILL = "mixed", "still"
HEAD_STEPS = 10
GRID = 32  # samples along each side that a field is read at
LEAST_SHARE = 0.05  # of the motion, that a unit must account for to be named
ONE_SIDED = 0.35  # the weaker side's length over the stronger's, below which only one is named
FAINT = 0.1  # of the most moved region, or of the strongest unit: what is no more counts as still


@dataclasses.dataclass(frozen=True)
class RegionMotion:
    """How a region moved, head motion taken out.

    Attributes:
        name: as in `schema.REGIONS`.
        dx, dy: mean displacement over its box, px; x to the right of the image, y down.
        length: mean length of the displacement, px: more than that of (dx, dy) where parts of the
            region move against one another.
        direction: of (dx, dy) in words: one of `DIRECTIONS`, where out is away from the midline of
            the face; of a region on the midline "left" and "right", the subject's, in place of out
            and in; "mixed" where its parts move against one another; "still".
    """

    name: str
    dx: float
    dy: float
    length: float
    direction: str


@dataclasses.dataclass(frozen=True)
class LikelyUnit:
    """An action unit that the motion looks like.

    Attributes:
        number: in the facial action coding system. side: "L" or "R", the subject's; "" for both.
        score: share of the motion's energy that it accounts for, in [0, 1].
        length: how far its main pull goes, px, on the side that moves more.
    """

    number: int
    side: str
    score: float
    length: float

    @property
    def name(self) -> str:
        """Its name there: "lip corner puller"."""
        return UNITS[self.number]

    @property
    def code(self) -> str:
        """As coders write it: "12", or "L12" of the subject's left side alone."""
        return f"{self.side}{self.number}"

    def __str__(self):
        side = {"L": " left", "R": " right", "": ""}[self.side]
        return f"{self.number} {self.name}{side}"


@dataclasses.dataclass(frozen=True)
class Reading:
    """What `read` found: `regions`, a `RegionMotion` each, and `units`, the likeliest first."""

    regions: tuple[RegionMotion, ...]
    units: tuple[LikelyUnit, ...]

    def to_json(self) -> dict:
        """The reading as JSON can hold it."""
        regions = {}
        for region in self.regions:
            values = {"dx_px": region.dx, "dy_px": region.dy, "length_px": region.length}
            rounded = {name: round(value, 4) for name, value in values.items()}
            regions[region.name] = {**rounded, "direction": region.direction}
        units = [
            {"unit": unit.number, "name": unit.name, "side": unit.side or "both",
             "score": round(unit.score, 4), "length_px": round(unit.length, 4)}
            for unit in self.units
        ]  # fmt: skip
        return {"regions": regions, "action_units": units}


def read(
    displacement: np.ndarray,
    boxes: np.ndarray,
    names: typing.Sequence[str] = REGIONS,
    in_px: bool = True,
    scale: float = 1.0,
) -> Reading:
    """Reads a displacement of an aligned face.

    Args:
        displacement: (S, S, 2) px, (dx, dy) from onset to apex; or a flow of any unit, as databases
            publish it.
        boxes: (9, 4) y1, x1, y2, x2 as fractions of the image; rows as `schema.REGIONS`.
        names: of the regions.
        in_px: whether the unit is px of the aligned face, so that a region or unit of under
            `STILL_PX` (of a 128 px face) is known to be still; of another unit, what moves a tenth
            as far as the strongest.
        scale: px of the face for each sample of the field, 2 for one at half resolution.
    """
    field = without_head(np.asarray(displacement, np.float32))
    least = STILL_PX * len(field) * scale / 128 if in_px else 0.0
    strength, share = fit(field, boxes)
    regions = region_motions(field, boxes, names, least)
    faint = max(least, FAINT * float(strength.max()))
    units = [_unit(*each, faint) for each in zip(UNITS, strength, share)]
    kept = [unit for unit in units if unit.length >= max(faint, 1e-9) and unit.score >= LEAST_SHARE]
    return Reading(regions, tuple(sorted(kept, key=lambda unit: -unit.score)))


def without_head(field: np.ndarray) -> np.ndarray:
    """A displacement (S, S, 2) without the motion of the head that is left.

    That is the median over the half of the face that agrees most: where an expression moves much
    of a face, the median of the whole is pulled along.
    """
    face = field[face_mask(len(field))]  # (n, 2)
    head = np.median(face, axis=0)
    for _ in range(HEAD_STEPS):
        away = np.linalg.norm(face - head, axis=-1)
        head = np.median(face[away <= np.median(away)], axis=0)
    return field - head


def region_motions(field, boxes, names=REGIONS, least=0.0) -> tuple[RegionMotion, ...]:
    """`RegionMotion` of each box of a field (S, S, 2); shorter than `least` is still."""
    size, means = len(field), []
    for y1, x1, y2, x2 in boxes:
        rows, columns = (_samples(*ends, size) for ends in ((y1, y2), (x1, x2)))
        inside = field[rows, columns].reshape(-1, 2)
        means.append((*inside.mean(0), np.linalg.norm(inside, axis=-1).mean()))
    longest = max(length for *_, length in means)
    still = max(least, FAINT * longest, 1e-9)
    return tuple(
        RegionMotion(name, float(dx), float(dy), float(length), direction)
        for name, (dx, dy, length) in zip(names, means)
        for direction in [in_words(name, dx, dy, length) if length >= still else STILL]
    )


def _samples(first, last, size):
    """The samples of a side whose centres lie between two fractions of it; one at least."""
    start = int(np.clip(np.ceil(first * size - 0.5), 0, size - 1))
    return slice(start, max(int(np.ceil(last * size - 0.5)), start + 1))


def in_words(name: str, dx: float, dy: float, length: float) -> str:
    """The direction of a region's mean motion (dx, dy), as `RegionMotion.direction`."""
    if np.hypot(dx, dy) < 0.3 * length:
        return MIXED
    side = -1 if name.endswith("_right") else 1
    eighth = int(np.round(np.arctan2(dy, side * dx) / (np.pi / 4))) % 8
    word = DIRECTIONS[eighth]
    if name.endswith(("_right", "_left")):
        return word
    return word.replace("out", "left").replace(" in", " right") if word != "in" else "right"


def fit(field: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How much of each action unit is in a field.

    Args:
        field: (S, S, 2), head motion taken out. boxes: (9, 4).
    Returns:
        two (14, 2) arrays, rows as `UNITS`, columns as `SIDES`: the length of the unit's main pull
        in the field's unit, and its share of the field's energy over the face; the shares add up
        to what the fit explains.
    """
    import cv2
    from scipy.optimize import nnls

    size = min(len(field), GRID)
    small = cv2.resize(field.astype(np.float32), (size, size), interpolation=cv2.INTER_AREA)
    face = face_mask(size)
    seen = small[face].ravel().astype(float)  # (n,)
    fields = templates(boxes, size)[:, :, face].reshape(2 * len(UNITS), -1)  # (28, n)
    strength, _ = nnls(fields.T, seen)
    # At the optimum x . A b is |A' x|^2: the parts add up to what is explained.
    share = np.maximum(strength * (fields @ seen), 0) / max(float(seen @ seen), 1e-12)
    return strength.reshape(-1, 2), share.reshape(-1, 2)


def templates(boxes: np.ndarray, size: int) -> np.ndarray:
    """(14, 2, size, size, 2): the field of each unit and side, rows as `UNITS`, `SIDES`."""
    one, places = eye_distance(boxes), find_places(boxes)
    steps = (np.arange(size) + 0.5) / size
    grid = np.stack(np.meshgrid(steps, steps), axis=-1)  # x and y
    found = np.zeros((len(UNITS), len(SIDES), size, size, 2))
    for row, unit in enumerate(UNITS):
        for column, (side, sign) in enumerate(SIDES.items()):
            for pulls, weight in zip(PULLS[unit], (1.0, ALONG)):
                for place, way in pulls:
                    reach = np.array(REACH[place.split("_")[0]]) * one * REACH_OF.get(unit, 1.0)
                    away = ((grid - places[side][place]) / reach) ** 2
                    height = weight * np.exp(-0.5 * away.sum(-1, keepdims=True))
                    angle = DIRECTIONS.index(way) * np.pi / 4
                    found[row, column] += height * [sign * np.cos(angle), np.sin(angle)]
    return found


def _unit(number, strength, share, faint):
    """`LikelyUnit` of a unit's two sides, right and left."""
    weaker, stronger = sorted(strength)
    one = weaker < max(ONE_SIDED * stronger, 1e-12)
    side = tuple(SIDES)[int(np.argmax(strength))] if one else ""
    return LikelyUnit(number, side, float(share.sum()), float(stronger))
