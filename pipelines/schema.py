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

FLOW_CHANNELS = 3  # motion of so many is a flow (dx, dy, strain); of 1 or 2 it is as many images

# Nine action-unit regions; which landmarks span them is `align.region_boxes`' business.
REGIONS = ("brow_right", "brow_left", "glabella", "eye_right", "eye_left", "nose", "mouth_right",
           "mouth_left", "chin")  # fmt: skip
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
    """One annotated micro-expression."""

    dataset: str  # name of the database, lower case: "smic"
    subject: str  # the database's own name of the subject, zero-padded: "s01"
    clip: str  # the database's own name of the clip, unique within the subject: "s01_ne_01"
    frames: tuple[str, ...]  # paths of onset..offset in time order; or the one motion image
    numbers: tuple[int, ...]  # frame number of each path, as the file name spells it
    onset: int  # 0-based index into `frames`, as are the next two
    apex: Optional[int]  # None where the database has no apex label
    offset: int
    # Index into the classes of the protocol, by default the database's usual one
    # (`protocols.choose`); -1 where the protocol leaves the clip out.
    label: int
    emotion: str  # the database's own emotion word, lower case
    action_units: tuple[str, ...] = ()  # as annotated, one token each: ("4", "L12")
    objective: str = ""  # class by action units alone, "I" to "VII"; "" where there is none
    split: str = ""  # the database's own fixed part, "train" or a test part; "" without parts
    notes: tuple[str, ...] = ()  # what was found amiss and what was done about it, a line each

    @property
    def subject_key(self) -> str:
        return f"{self.dataset}/{self.subject}"

    @property
    def key(self) -> str:
        return f"{self.dataset}/{self.subject}/{self.clip}"


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A clip that could not be used."""

    key: str  # as `Clip.key`
    path: str  # the file, folder or row to blame
    reason: str  # why, in one line
    emotion: str = ""  # what the sheet says of it, as in `Clip`; "" if unknown
    objective: str = ""
