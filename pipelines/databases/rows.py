"""One row of an annotation sheet, cleaned, and the corrections of rows known to be wrong."""

from __future__ import annotations

import dataclasses
import fnmatch
import re

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
    """One row of a sheet; frame numbers are those in the names of the files."""

    place: str  # "SHEET: line N"
    subject: str
    clip: str
    folders: tuple[Key, ...]  # the frames lie under the first of these keys that is there
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    emotion: str = ""
    units: tuple[str, ...] = ()
    objective: str = ""
    split: str = ""
    notes: tuple[str, ...] = ()
    fault: str = ""  # which cell cannot be read


@dataclasses.dataclass(frozen=True)
class RowErratum:
    """A mistake known by its row alone.

    Corrected only where the row cannot be used as it stands and the folder has the frames named
    here, for a sheet may be sorted anew.
    """

    index: int  # of the row below the header of the original sheet, from 0
    values: dict[str, int]  # field -> frame number to take
    reason: str  # why, and whose the values are


def row(line: sheets.Line, subject: str, clip: str, *folders: Key, also=(), split="") -> Row:
    """The row of a sheet's line: its names as given, the rest as nearly all sheets have it.

    Args:
        also: further fields that hold numbers: `fault` is "" where all of them can be read.
    """
    numbers, fault = {}, ""
    try:
        numbers = line.numbers("onset", "apex", "offset", *also)
    except schema.DataError as error:
        fault = str(error)
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
        fault=fault,
    )


@dataclasses.dataclass(frozen=True)
class Names:
    """Names of clips that hold their subject's, however they are padded: "6_1_2" is "006_1_2"."""

    pattern: str  # a group for each number
    form: str  # how the numbers are put together

    def match(self, text: str) -> re.Match | None:
        """The numbers in a name; None for any other text."""
        return re.fullmatch(self.pattern, text, re.IGNORECASE)

    def clip(self, text: str) -> str:
        """The name as it is padded here; any other text as it is."""
        match = self.match(text)
        return self.form.format(*map(int, match.groups())) if match else text

    def row(self, line: sheets.Line, **more) -> Row:
        """As `row`, of a line whose clip tells the subject as well."""
        name = self.clip(line["clip"])
        subject = re.split("[-_]", name)[0] if self.match(name) else line["subject"]
        return row(line, subject, name, name, **more)


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
