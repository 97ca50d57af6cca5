"""One row of an annotation sheet, cleaned, and the corrections of rows known to be wrong."""

from __future__ import annotations

import dataclasses
import fnmatch

from pipelines import schema
from pipelines.databases import sheet as sheets
from pipelines.databases.database import ANY
from pipelines.databases.tree import Key

# The fields of a row and their columns in the sheets that circulate, as `sheet.plain` spells them.
COLUMNS = {
    "subject": ("subject", "sub", "subid"),
    "clip": ("filename", "foldname", "clip"),
    "onset": ("onsetframe", "onsetf", "onset"),
    "apex": ("apexframe", "apexf1", "apexf", "apex"),
    "offset": ("offsetframe", "offsetf", "offset"),
    "units": ("actionunits", "actionunit", "aus", "au"),
    "emotion": ("estimatedemotion", "emotion"),
    "objective": ("objectiveclasses", "objectiveclass"),
}
OPTIONAL = ("apex", "units", "objective")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a sheet; frame numbers are those in the names of the files.

    `place` is "SHEET: line N"; `folders` are the keys under which the frames may be found, the
    first that is there wins; `fault` says which cell cannot be read, "" as a rule.
    """

    place: str
    subject: str
    clip: str
    folders: tuple[Key, ...]
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    emotion: str = ""
    units: tuple[str, ...] = ()
    objective: str = ""
    split: str = ""
    notes: tuple[str, ...] = ()
    fault: str = ""


@dataclasses.dataclass(frozen=True)
class RowErratum:
    """A mistake known by its row alone.

    Corrected only where the row cannot be used as it stands and the folder has the frames named
    here, for a sheet may be sorted anew.

    Attributes:
        index: of the row below the header of the original sheet, from 0.
        values: field -> frame number to take.
        reason: why, and whose the values are.
    """

    index: int
    values: dict[str, int]
    reason: str


def row(line: sheets.Line, subject: str, clip: str, *folders: Key, also=(), split="") -> Row:
    """The row of a sheet's line: its names as given, the rest as nearly all sheets have it.

    Args:
        also: further fields that hold numbers: `fault` is "" where all of them can be read.
    """
    numbers: dict[str, int | None] = {}
    faults = []
    for name in ("onset", "apex", "offset", *also):
        try:
            numbers[name] = line.number(name)
        except schema.DataError as error:
            faults.append(str(error))
    return Row(
        line.place,
        subject,
        clip,
        folders,
        onset=numbers.get("onset"),
        apex=numbers.get("apex"),
        offset=numbers.get("offset"),
        emotion=line["emotion"].lower(),
        units=sheets.action_units(line["units"]),
        objective=sheets.objective(line["objective"]),
        split=split,
        fault="; ".join(faults),
    )


def corrected(errata, row: Row) -> Row:
    """The row with every `database.Erratum` that applies, noted."""
    for erratum in errata:
        names = (row.clip, f"{row.subject}/{row.clip}")
        if not erratum.field or not any(fnmatch.fnmatchcase(n, erratum.clip) for n in names):
            continue
        found = getattr(row, erratum.field)
        if found != erratum.use and erratum.was in (ANY, found):
            said = f"{erratum.field} {found} -> {erratum.use}: {erratum.reason}"
            values: dict = {erratum.field: erratum.use, "notes": (*row.notes, said)}
            row = dataclasses.replace(row, **values)
    return row
