"""What is known of SMIC-HS beside its frames: names, errata, and the sheet of SMIC-HS-E."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re

from pipelines import schema
from pipelines.databases import rows
from pipelines.databases import sheet as sheets
from pipelines.databases import tree as trees
from pipelines.databases.rows import Row

# Token in a clip's name -> class.
TOKENS = {"ne": 0, "po": 1, "sur": 2}
_CLIP = re.compile(r"^(?:.*_)?s0*(\d+)_([a-z]+)_0*(\d+)$", re.IGNORECASE)


@dataclasses.dataclass(frozen=True, order=True)
class Name:
    """A clip's name, parsed."""

    subject: int
    token: str
    index: int

    def __str__(self):
        return f"s{self.subject:02d}_{self.token}_{self.index:02d}"

    @property
    def key(self):
        return f"smic/s{self.subject:02d}/{self}"

    @property
    def emotion(self) -> str:
        """The class; "" for an unknown token."""
        return schema.CLASSES[TOKENS[self.token]] if self.token in TOKENS else ""

    def row(self, row: Row) -> Row:
        """A row with this name for its own."""
        return dataclasses.replace(row, subject=f"s{self.subject:02d}", clip=str(self))


@dataclasses.dataclass(frozen=True)
class Erratum:
    """What is known to be wrong or missing in a release, for one clip.

    Attributes:
        onset, offset: frame numbers to take in place of the annotation sheet's, where it errs.
        inside: the clip in whose long recording this one lies, without a folder of its own.
        reason: why, in words.
    """

    reason: str
    onset: int | None = None
    offset: int | None = None
    inside: Name | None = None


_HELD = "a second or third expression of a long recording, without a row of its own in the sheet"
NO_ROW = "not in the annotation sheet of SMIC-HS-E; the other releases hold these frames"
_SHORT = "the sheet's offset is {} short of the raw release, whose frames are the reference"
ERRATA = {
    Name(3, "ne", 3): Erratum(_HELD, 302370, 302380, Name(3, "ne", 2)),
    Name(4, "ne", 5): Erratum(_HELD, 219343, 219361, Name(4, "ne", 4)),
    Name(4, "ne", 6): Erratum(_HELD, 219413, 219435, Name(4, "ne", 4)),
    Name(9, "sur", 2): Erratum(_HELD, 61250, 61291, Name(9, "sur", 1)),
    Name(3, "ne", 20): Erratum(NO_ROW, 426679, 426709),
    Name(1, "ne", 2): Erratum(NO_ROW, 563854, 563885),
    Name(2, "sur", 5): Erratum(NO_ROW, 219114, 219143),
    Name(3, "ne", 16): Erratum(_SHORT.format("1 frame"), offset=409063),
    Name(3, "po", 8): Erratum(_SHORT.format("2 frames"), offset=402225),
    Name(3, "sur", 1): Erratum(_SHORT.format("1 frame"), offset=308890),
    Name(3, "sur", 5): Erratum(_SHORT.format("1 frame"), offset=402327),
    Name(18, "sur", 3): Erratum(
        "the sheet calls it negative; name, folder and the MEGC list say surprise: the name holds. "
        "The cropped release lacks it"
    ),
    # Also known, and right by construction: the cropped release lacks two frames of s03_po_08 and
    # one each of s03_sur_01, s03_sur_05 and s03_ne_16; whatever frames are there are taken.
}


def parse(text: str) -> Name | None:
    """Reads "s1_ne_01", "S01_NE_1" or "s01_s1_ne_01.jpg": Name(1, "ne", 1); None if it is neither.

    The token need not be one of `TOKENS`.
    """
    match = _CLIP.match(pathlib.PurePath(text).stem if "." in text else text)
    return Name(int(match[1]), match[2].lower(), int(match[3])) if match else None


def is_sheet(name: str) -> bool:
    """Whether a file has the name of SMIC-HS-E's annotation sheet."""
    return bool(re.match(r"smic[-_]hs[-_]e[-_]annotation.*\.(xlsx|xls|csv)$", name, re.IGNORECASE))


def find_sheet(tree: trees.Tree) -> str | None:
    """The annotation sheet of a copy, or near its root; the 2019 edition if both are there."""
    for paths in (tree.sheets, trees.sheets_above(tree.root)):
        found = [path for path in paths if is_sheet(os.path.basename(path))]
        if found:
            return min(found, key=lambda p: ("2019" not in os.path.basename(p), -len(p), p))
    return None


_COLUMNS = {"clip": ("filename",), "onset": ("onsetf",), "offset": ("offsetf",)}


def read_sheet(path) -> dict[Name, Row]:
    """The rows that have an onset and an offset, frame numbers of the recording; errata applied.

    Raises DataError if the file cannot be read or lacks a column.
    """
    found: dict[Name, Row] = {}
    for line in sheets.read(path, _COLUMNS, tab="HS"):
        name = parse(line["clip"])
        if name is not None:
            found[name] = name.row(rows.row(line, "", ""))
    found = {n: row for n, row in found.items() if row.fault or None not in (row.onset, row.offset)}
    for name, erratum in ERRATA.items():
        if erratum.onset:
            found.setdefault(name, name.row(Row(str(path), "", "", ())))
        if name in found:
            row = found[name]
            onset, offset = row.onset or erratum.onset, erratum.offset or row.offset
            notes = (erratum.reason,)
            found[name] = dataclasses.replace(row, onset=onset, offset=offset, notes=notes)
    return found
