"""4DME (Li et al., 2022): micro-expressions of four modalities; the grey video is read.

Reads gray_micro/<subject>/<fold_name>/<frame>.jpg, gray_micro_crop of the same layout, or the older
gray_micro/<subject>_<fold_name>/<frame>.jpg; and "4DME_Labelling_Micro_release v1.xlsx". A person
recorded in two sessions ("S13_1st", "S13_2nd") is one subject.

A clip may have several emotions: its emotion is then those words joined by "+", in alphabetical
order ("negative+surprise"). The protocols have one class per clip and leave such clips out.
"""

from __future__ import annotations

import dataclasses
import re

from pipelines import schema
from pipelines.databases import annotated
from pipelines.databases import sheet as sheets
from pipelines.databases.annotated import Row

HELP = """\
Apply for 4DME at the Center for Machine Vision and Signal Analysis (CMVS), University of Oulu
(https://www.oulu.fi/cmvs; a signed licence, academic use). Expected under the root:
gray_micro/S13_1st/001_01_1/2490.jpg (or gray_micro_crop) and 4DME_Labelling_Micro_release v1.xlsx
(.xls and .csv are read as well)."""

_WORDS = ("negative", "others", "positive", "repression", "surprise")

# Known by their rows below the header of the original sheet of 267, from 0; by MEB
# (tvaranka/meb, its editions of 2021 and 2023). The frame count that MEB corrects in row 245 is not
# used: files are counted. Action units marked "(k)" are static, and left out.
NUM_ROWS = 267
ROW_ERRATA = {  # row: (field, in place of the sheet's, why)
    26: ("apex", 2490, "apex wrong"),
    124: ("units", ("L7",), "AU4(k)+L7: the mark of the static unit is misspelt"),
    171: ("units", ("R2", "45"), "AUR2+12(k)+45: the mark of the static unit is misspelt"),
    263: ("emotion", "positive+surprise", "the second emotion is missing"),
}
SWAPPED_UNITS = (144, 145)  # rows whose action units stand in each other's place

_COLUMNS = {
    "subject": ("subid", "subject"),
    "clip": ("foldname", "filename"),
    "emotion": ("emotion",),
    "onset": ("onset", "onsetframe"),
    "apex": ("apex", "apexframe"),
    "offset": ("offset", "offsetframe"),
    "units": ("aus", "au", "actionunits"),
    **{word: (word,) for word in _WORDS},  # flags, 0 or 1
}


def key_of(names):
    """The clip of gray_micro/S13_1st/001_01_1 or gray_micro/S13_1st_001_01_1."""
    for depth in (2, 1):
        if len(names) > depth and re.match(r"gr[ae]y_?micro", names[-1 - depth], re.IGNORECASE):
            if depth == 1 and not re.search(r"_\d+_\d+[_-]\d*$", names[-1]):
                return None  # a subject's folder
            return _key("_".join(names[-depth:]))
    return None


def _key(text: str) -> str:
    return re.sub(r"\W", "", text.lower().replace("-", "_"))


DATABASE = annotated.Database(
    name="4dme",
    help=HELP,
    example="gray_micro/S13_1st/001_01_1",
    key_of=key_of,
    releases=("", "crop"),
    emotions={word: word for word in _WORDS} | {"other": "others"},
)


def read(root, skipped=None) -> list[schema.Clip]:
    """Reads the grey micro-expressions of a copy of 4DME: 267 clips, several emotions and all.

    Args:
        root: its folder.
        skipped: receives a `Skipped` per clip that cannot be used; None raises at the first.
    Raises:
        DataError: no such folder, no frames or no sheet in it; a bad clip if not `skipped`.
    """
    tree = annotated.find(DATABASE, root)
    sheet = annotated.pick_sheet(
        DATABASE,
        tree,
        lambda name: ("label" in name or "4d" in name) and "macro" not in name,
        lambda name: ("micro" not in name, name),
        "4DME_Labelling_Micro_release v1.xlsx",
    )
    optional = ("emotion", "apex", "units", *_WORDS)
    rows = [_row(value) for value in sheets.read(sheet, _COLUMNS, optional)]
    return annotated.clips_of(DATABASE, tree, _mend(rows), sheet, skipped)


def _row(value) -> Row:
    person = re.match(r"S?0*(\d+)(?=_|$)", value["subject"], re.IGNORECASE)
    found = [word for word in _WORDS if word.rstrip("s") in value["emotion"].lower()]
    flags = [word for word in _WORDS if sheets.number(value[word])]
    name = f"{value['subject']}_{value['clip']}"
    return Row(
        line=value["line"],
        subject=f"S{int(person[1]):02d}" if person else value["subject"],
        clip=name,
        folders=(_key(name),),
        onset=sheets.number(value["onset"]),
        apex=sheets.number(value["apex"]),
        offset=sheets.number(value["offset"]),
        emotion="+".join(found or flags) or value["emotion"].lower(),
        units=sheets.action_units(value["units"]),
    )


def _mend(rows: list[Row]) -> list[Row]:
    """The rows of an original sheet with its errata; those of any other as they are."""
    if len(rows) != NUM_ROWS:
        return rows
    mended = list(rows)
    for index, other in (SWAPPED_UNITS, SWAPPED_UNITS[::-1]):
        note = f"action units: those of row {other} taken, the two are swapped (MEB)"
        mended[index] = dataclasses.replace(rows[index], units=rows[other].units, notes=(note,))
    for index, (field, value, reason) in ROW_ERRATA.items():
        found = getattr(rows[index], field)
        if found != value:
            changed: dict = {
                field: value,
                "notes": (f"{field} {found} -> {value}: {reason} (MEB)",),
            }
            mended[index] = dataclasses.replace(rows[index], **changed)
    return mended
