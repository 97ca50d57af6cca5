"""What a clip is, and the conventions every module shares. Stated here once.

Conventions:
    Axes: b batch, t time, h rows, w columns, c channels, r regions, k classes. Channels last.
    Colour: RGB after reading; BGR never leaves `frames.py`.
    Points: (x, y) in pixels. Boxes: (y1, x1, y2, x2) as fractions of the image, in [0, 1].
    Displacement: (..., 2) float32, channel 0 = dx (right), channel 1 = dy (down), in pixels of the
        aligned image, from onset to apex: `apex[p + displacement[p]]` shows what `onset[p]` shows.
    Left and right are the subject's, as in anatomy: the right side is on the image's left.
    Subject keys hold the database ("smic/s01"): subject numbers repeat across databases.
"""

import dataclasses
from typing import Optional

CLASSES = ("negative", "positive", "surprise")  # MEGC2019 label order: 0, 1, 2

# Nine action-unit regions; which landmarks span them is `align.region_boxes`' business.
REGIONS = (
    "brow_right",
    "brow_left",
    "glabella",
    "eye_right",
    "eye_left",
    "nose",
    "mouth_right",
    "mouth_left",
    "chin",
)
# Row i of a mirrored face's boxes is the mirrored box of row MIRRORED_REGIONS[i].
MIRRORED_REGIONS = tuple(
    REGIONS.index(name.replace("right", "?").replace("left", "right").replace("?", "left"))
    for name in REGIONS
)


class DataError(Exception):
    """A user's data cannot be used; the message is one line: what, where, remedy."""


class OptionError(ValueError):
    """A user's options cannot be used; the message is one line: which, why, remedy."""


@dataclasses.dataclass(frozen=True)
class Clip:
    """One annotated micro-expression.

    Attributes:
        dataset: name of the database, lower case: "smic".
        subject: the database's own name of the subject, zero-padded: "s01".
        clip: the database's own name of the clip, unique within the subject: "s01_ne_01".
        frames: paths of the frames onset..offset in time order; or the one motion image.
        numbers: frame number of each path, as the file name spells it.
        onset, offset: 0-based indices into `frames`.
        apex: 0-based index into `frames`; None where the database has no apex label.
        label: index into the classes of the protocol, by default the database's usual one
            (`protocols.DEFAULT`); -1 where the protocol leaves the clip out.
        emotion: the database's own emotion word, lower case.
        action_units: as annotated, one token each: ("4", "L12").
        objective: class by action units alone, "I" to "VII"; "" where the database has none.
        split: the database's own fixed part, "train" or a name of a test part; "" without parts.
        notes: what was found amiss and how it was mended, a line each; none as a rule.
    """

    dataset: str
    subject: str
    clip: str
    frames: tuple[str, ...]
    numbers: tuple[int, ...]
    onset: int
    apex: Optional[int]
    offset: int
    label: int
    emotion: str
    action_units: tuple[str, ...] = ()
    objective: str = ""
    split: str = ""
    notes: tuple[str, ...] = ()

    @property
    def subject_key(self) -> str:
        return f"{self.dataset}/{self.subject}"

    @property
    def key(self) -> str:
        return f"{self.dataset}/{self.subject}/{self.clip}"


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A clip that could not be used.

    Attributes:
        key: as `Clip.key`.
        path: the file, folder or row to blame.
        reason: why, in one line.
        emotion, objective: what the sheet says of it, as in `Clip`; "" if unknown.
    """

    key: str
    path: str
    reason: str
    emotion: str = ""
    objective: str = ""
