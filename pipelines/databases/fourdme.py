"""4DME (Li et al., 2022): micro-expressions of four modalities; the grey video is read.

Reads gray_micro/<subject>/<fold_name>/<frame>.jpg, gray_micro_crop of the same layout, or the older
gray_micro/<subject>_<fold_name>/<frame>.jpg; and "4DME_Labelling_Micro_release v1.xlsx". A person
recorded in two sessions ("S13_1st", "S13_2nd") is one subject. 267 clips.

A clip may have several emotions: its emotion is then those words joined by "+", in alphabetical
order ("negative+surprise"). The protocols have one class per clip and leave such clips out.
"""

from __future__ import annotations

import dataclasses
import re

from pipelines.databases import rows
from pipelines.databases.annotated import AnnotatedDatabase, Sheet
from pipelines.databases.rows import Row
from pipelines.databases.tree import Folder

_WORDS = ("negative", "others", "positive", "repression", "surprise")

# MEB (tvaranka/meb, editions of 2021 and 2023) knows the sheet's mistakes by their rows, from 0,
# and names no clip. A sheet may be sorted anew, so they are known here by what the rows say:
#   26        the apex is wrong: see WRONG_APEX
#   77, 124, 171  the mark of a static action unit is misspelt: `sheet.action_units` reads "4(k" too
#   144, 145  their action units stand in each other's place: see SWAPPED_UNITS
#   245       a count of frames that is not read: files are counted
#   263       the second emotion is missing: the columns of flags have it, see `_emotion`
NUM_ROWS = 267
WRONG_APEX = (26, 2490)  # row and right apex, of the clip that holds it and whose apex lies outside
SWAPPED_UNITS = (144, 145)  # in a sheet in its original order, where row 26 holds frame 2490

_COLUMNS = {**rows.COLUMNS, **{word: (word,) for word in _WORDS}}  # the words: flags, 0 or 1


def _key_of(folder: Folder) -> str | None:
    """The clip of gray_micro/S13_1st/001_01_1 or gray_micro/S13_1st_001_01_1."""
    names = folder.names
    above = [re.match(r"gr[ae]y_?micro", name, re.IGNORECASE) for name in names]
    for depth in (2, 1):
        if len(names) > depth and above[-1 - depth] and not any(above[-depth:]):
            if depth == 1 and not re.search(r"_\d+_\d+[_-]\d*$", names[-1]):
                return None  # a subject's folder
            return _key("_".join(names[-depth:]))
    return None


def _key(text: str) -> str:
    return re.sub(r"\W", "", text.lower().replace("-", "_"))


def _row(line) -> Row:
    person = re.match(r"S?0*(\d+)(?=_|$)", line["subject"], re.IGNORECASE)
    subject = f"S{int(person[1]):02d}" if person else line["subject"]
    session = subject if line["subject"].isdigit() else line["subject"]
    name = f"{session}_{line['clip']}"
    row = rows.row(line, subject, name, _key(name), also=_WORDS)
    return row if row.fault else dataclasses.replace(row, emotion=_emotion(line))


def _emotion(line) -> str:
    """The emotions of a row: those of its text, and of its flags where these know more."""
    found = [word for word in _WORDS if word.rstrip("s") in line["emotion"].lower()]
    flags = [word for word in _WORDS if line.number(word)]
    words = flags if set(flags) >= set(found) else found
    return "+".join(words) or line["emotion"].lower()


def _correct(found: list[Row], tree) -> list[Row]:
    """The rows with the errata above that need more than one of them, or a frame's number."""
    index, apex = WRONG_APEX
    is_original = len(found) == NUM_ROWS and _holds(found[index], apex)
    changed = [_with_apex(row, apex) for row in found]
    for own, other in (SWAPPED_UNITS, SWAPPED_UNITS[::-1]) if is_original else ():
        said = f"action units: those of row {other} taken, the two are swapped (MEB)"
        notes = (*changed[own].notes, said)
        changed[own] = dataclasses.replace(changed[own], units=found[other].units, notes=notes)
    return changed


def _holds(row, number):
    return None not in (row.onset, row.offset) and row.onset < number <= row.offset


def _with_apex(row, apex):
    if row.apex is None or not _holds(row, apex) or row.onset <= row.apex <= row.offset:
        return row
    said = f"apex {row.apex} -> {apex}: lies outside the clip (MEB)"
    return dataclasses.replace(row, apex=apex, notes=(*row.notes, said))


DATABASE = AnnotatedDatabase(
    name="4dme",
    help="""\
Apply for 4DME at the Center for Machine Vision and Signal Analysis (CMVS), University of Oulu
(https://www.oulu.fi/cmvs; a signed licence, academic use). Expected under the root:
gray_micro/S13_1st/001_01_1/2490.jpg (or gray_micro_crop) and 4DME_Labelling_Micro_release v1.xlsx
(.xls and .csv are read as well).""",
    example="gray_micro/S13_1st/001_01_1",
    key_of=_key_of,
    releases=("", "crop"),
    emotions=_WORDS,
    sheet=Sheet(
        "4DME_Labelling_Micro_release v1.xlsx",
        _row,
        is_one=lambda name: ("label" in name or "4d" in name) and "macro" not in name,
        prefer=lambda name: ("micro" not in name, name),
        columns=_COLUMNS,
        optional=(*rows.OPTIONAL, "emotion", *_WORDS),
        correct=_correct,
    ),
)
