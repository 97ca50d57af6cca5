"""Finer places of a face than the nine regions, from the boxes of the regions.

`align.region_boxes` draws each box around landmarks with a fixed room in eye distances, so the
boxes tell where these landmarks lie: lids, brows, mouth corners, lips, nose and chin. What lies
between them (the middle of a brow, the chin boss) is put there by proportion: our choice.
"""

from __future__ import annotations

import numpy as np

from pipelines.schema import REGIONS

PLACES = ("brow_inner", "brow_middle", "brow_outer", "lid_upper", "lid_lower", "cheek", "nose_root",
          "nose_wing", "lip_upper", "lip_lower", "mouth_corner", "chin_boss")  # fmt: skip
SIDES = {"R": -1, "L": 1}  # of the subject: the sign of x away from the midline, as on the image


def eye_distance(boxes: np.ndarray) -> float:
    """Distance of the eyes' centres, as a fraction of the image, from boxes (9, 4)."""
    right, left = (_centre(boxes, name) for name in ("eye_right", "eye_left"))
    return float(np.linalg.norm(left - right))


def find_places(boxes: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    """Where action units take hold on both sides of a face.

    Args:
        boxes: (9, 4) y1, x1, y2, x2 as fractions of the image; rows as `schema.REGIONS`.
    Returns:
        dict of side ("R", "L", the subject's) to a dict of each of `PLACES` to its (x, y), as
        fractions of the image.
    """
    one = eye_distance(boxes)
    return {side: _of_side(boxes, side, one) for side in SIDES}


def _of_side(boxes, side, one):
    sign, word = SIDES[side], {"R": "right", "L": "left"}[side]
    brow, eye, mouth = (_inside(boxes, f"{name}_{word}", one) for name in ("brow", "eye", "mouth"))
    nose, chin = _inside(boxes, "nose", one), _inside(boxes, "chin", one)
    middle = 0.5 * (chin.x[0] + chin.x[1])  # of the mouth
    brow_in, brow_out = brow.x[::sign]
    corner = chin.x[::sign][1]
    wing = nose.x[::sign][1]
    top, bottom = chin.y[0], mouth.y[1]  # of the lips
    line = top + 0.4 * (bottom - top)  # between the lips: the lower one is the fuller
    eye_x, brow_y = np.mean(eye.x), np.mean(brow.y)
    return {
        "brow_inner": np.array([brow_in + 0.12 * (brow_out - brow_in), brow_y]),
        "brow_middle": np.array([0.5 * (brow_in + brow_out), brow_y]),
        "brow_outer": np.array([brow_in + 0.88 * (brow_out - brow_in), brow_y]),
        "lid_upper": np.array([eye_x, eye.y[0]]),
        "lid_lower": np.array([eye_x, eye.y[1]]),
        "cheek": np.array([0.5 * (eye_x + mouth.x[::sign][1]), mouth.y[0]]),
        "nose_root": np.array([np.mean(nose.x) + 0.1 * sign * one, nose.y[0] + 0.2 * one]),
        "nose_wing": np.array([wing, nose.y[1] - 0.08 * one]),
        "lip_upper": np.array([middle + 0.1 * sign * one, 0.5 * (top + line)]),
        "lip_lower": np.array([middle + 0.1 * sign * one, 0.5 * (line + bottom)]),
        "mouth_corner": np.array([corner, line]),
        "chin_boss": np.array([middle + 0.12 * sign * one, 0.5 * (bottom + chin.y[1])]),
    }


# Room that `align.region_boxes` leaves around the landmarks of a region, in eye distances: x, y.
_ROOM = {"brow": (0.10, 0.12), "eye": (0.14, 0.16), "nose": (0.10, 0.06), "mouth": (0.08, 0.10),
         "chin": (0.06, 0.04)}  # fmt: skip


class _inside:
    """Where the landmarks of a region end: x (left, right) and y (top, bottom) on the image."""

    def __init__(self, boxes, name, one):
        y1, x1, y2, x2 = boxes[REGIONS.index(name)]
        wide, high = (one * room for room in _ROOM[name.split("_")[0]])
        self.x = np.array([x1 + wide, x2 - wide])
        self.y = np.array([y1 + high, y2 - high])


def _centre(boxes, name):
    y1, x1, y2, x2 = boxes[REGIONS.index(name)]
    return 0.5 * np.array([x1 + x2, y1 + y2])
