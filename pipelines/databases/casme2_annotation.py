"""What is known of CASME II beside its frames: emotions, errata, and the coding sheets."""

from __future__ import annotations

import os
import pathlib
import re

from pipelines import schema
from pipelines.databases import sheet as sheets
from pipelines.databases.annotated import ANY, Erratum, Row

EMOTIONS = {
    "disgust": "disgust",
    "repression": "repression",
    "happiness": "happiness",
    "surprise": "surprise",
    "others": "others",
    "other": "others",
    "fear": "fear",
    "sadness": "sadness",
}

# Of clips by subject and name. Not here: the twenty-odd onsets and apexes on which later authors
# differ from the coders (BENCH, MEB), for no source says who is right; EP16_04f, EP09_06, EP16_01
# and EP18_04f, whose apex is the offset: unusual, but the movement may be cut off there.
_UNLABELLED = "a folder that no official sheet labels"
ERRATA = (
    Erratum("sub04/EP12_01f", "apex", ANY, None, "'/' in the sheet; edited copies put 300"),
    Erratum("sub05/EP09_05f", "apex", 69, None, "is the onset: nothing has moved yet"),
    *(
        Erratum(name, "apex", apex, apex, "is the offset as well, in every edition of the sheet")
        for name, apex in (
            ("sub05/EP16_04f", 181),
            ("sub12/EP09_06", 111),
            ("sub20/EP16_01", 111),
            ("sub25/EP18_04f", 116),
        )
    ),
    Erratum("sub09/EP02_02f", "", None, None, _UNLABELLED),
    Erratum("sub24/EP02_07", "", None, None, _UNLABELLED),
    Erratum("sub16/EP01_08", "", None, None, "Cropped ends at 96, not at the offset 110: clamped"),
)
UNLABELLED = (("sub09", "ep02_02f"), ("sub24", "ep02_07"))

_COLUMNS = {
    "subject": ("subject",),
    "clip": ("filename",),
    "onset": ("onsetframe", "onset"),
    "apex": ("apexframe", "apex"),
    "offset": ("offsetframe", "offset"),
    "units": ("actionunits", "actionunit", "aus", "au"),
    "emotion": ("estimatedemotion", "emotion"),
    "objective": ("objectiveclasses", "objectiveclass"),
}
_CLASS_COLUMNS = {name: _COLUMNS[name] for name in ("subject", "clip", "objective")}


def is_sheet(name: str) -> bool:
    """Whether a file, by its lower-case name, is a coding sheet."""
    return "coding" in name


def prefer(name: str) -> tuple:
    """Sort key: the sheet of 2014 first, which the official lists follow."""
    return ("2014" not in name, name)


def read_sheet(path, others=()) -> list[Row]:
    """Reads a coding sheet, errata not applied.

    Args:
        path: of the sheet.
        others: paths of further spreadsheets, asked for the objective classes that it lacks
            (CASME2-ObjectiveClasses.xlsx, or the coding sheet of 2019).
    Raises DataError if the file cannot be read or a column is missing.
    """
    known: dict[tuple, str] = {}
    for other in others:
        try:
            table = sheets.read(other, _CLASS_COLUMNS)
        except schema.DataError:
            continue  # some other spreadsheet
        known |= {_pair(r): sheets.objective(r["objective"]) for r in table if r["objective"]}
    values = sheets.read(path, _COLUMNS, optional=("apex", "units", "objective"))
    return [_row(value, known) for value in values]


def companions(found: list[str], path: pathlib.Path) -> list[str]:
    """The spreadsheets of a copy that may hold objective classes, the dedicated ones last."""
    return sorted(
        (p for p in found if p != str(path)),
        key=lambda p: (re.search("objective", os.path.basename(p).lower()) is not None, p),
    )


def _pair(value):
    return subject_name(value["subject"]), value["clip"].lower()


def subject_name(cell: str) -> str:
    """ "1", "01" or "sub01" -> "sub01"."""
    digits = re.findall(r"\d+", cell)
    return f"sub{int(digits[-1]):02d}" if digits else cell


def _row(value, known):
    pair = _pair(value)
    return Row(
        line=value["line"],
        subject=pair[0],
        clip=value["clip"],
        folders=(pair,),
        onset=sheets.number(value["onset"]),
        apex=sheets.number(value["apex"]),
        offset=sheets.number(value["offset"]),
        emotion=value["emotion"].lower(),
        units=sheets.action_units(value["units"]),
        objective=sheets.objective(value["objective"]) or known.get(pair, ""),
    )
