"""CASME II (Yan et al., 2014): spontaneous micro-expressions at 200 frames per second.

Reads the three layouts in which the frames are distributed, once or doubly nested:
    CASME2_RAW_selected/sub01/EP02_01f/img46.jpg     onset to offset
    CASME2-RAW/sub01/EP02_01f/img1.jpg               the whole recording
    Cropped/sub01/EP02_01f/reg_img46.jpg             registered face, onset to offset
and the coding sheet of 2014 or 2019, original or edited, as .xlsx, .xls or .csv: 255 clips of 26
subjects. Clip names repeat across subjects: the pair (subject, clip) is the key.
"""

from __future__ import annotations

import dataclasses
import os
import re

from pipelines import schema
from pipelines.databases import rows
from pipelines.databases import sheet as sheets
from pipelines.databases.annotated import AnnotatedDatabase, Sheet
from pipelines.databases.database import ANY, Erratum
from pipelines.databases.rows import Row
from pipelines.databases.tree import Folder, Key

# Of clips by subject and name. Not here: the twenty-odd onsets and apexes on which later authors
# differ from the coders (BENCH, MEB), for no source says who is right; EP16_04f, EP09_06, EP16_01
# and EP18_04f, whose apex is the offset: unusual, but the movement may be cut off there.
_AT_OFFSET = "is the offset as well, in every edition of the sheet"
_UNLABELLED = "a folder that no official sheet labels"
ERRATA = (
    Erratum("sub04/EP12_01f", "apex", ANY, None, "'/' in the sheet; edited copies put 300"),
    Erratum("sub05/EP09_05f", "apex", 69, None, "is the onset: nothing has moved yet"),
    Erratum("sub05/EP16_04f", "apex", 181, 181, _AT_OFFSET),
    Erratum("sub12/EP09_06", "apex", 111, 111, _AT_OFFSET),
    Erratum("sub20/EP16_01", "apex", 111, 111, _AT_OFFSET),
    Erratum("sub25/EP18_04f", "apex", 116, 116, _AT_OFFSET),
    Erratum("sub09/EP02_02f", "", None, None, _UNLABELLED),
    Erratum("sub24/EP02_07", "", None, None, _UNLABELLED),
    Erratum("sub16/EP01_08", "", None, None, "Cropped ends at 96, not at the offset 110: clamped"),
)
_CLASS_COLUMNS = {name: rows.COLUMNS[name] for name in ("subject", "clip", "objective")}


def key_of(folder: Folder) -> Key | None:
    """(subject, clip in lower case) of a folder sub01/EP02_01f."""
    if len(folder.names) < 2 or not re.match(r"EP\d", folder.names[-1], re.IGNORECASE):
        return None
    subject = re.fullmatch(r"sub[_-]?0*(\d+)", folder.names[-2], re.IGNORECASE)
    return (f"sub{int(subject[1]):02d}", folder.names[-1].lower()) if subject else None


def subject_name(cell: str) -> str:
    """ "1", "01" or "sub01" -> "sub01"."""
    digits = re.findall(r"\d+", cell)
    return f"sub{int(digits[-1]):02d}" if digits else cell


def _pair(line):
    return subject_name(line["subject"]), line["clip"].lower()


def _row(line) -> Row:
    pair = _pair(line)
    return rows.row(line, pair[0], line["clip"], pair)


def _with_objective(found: list[Row], tree) -> list[Row]:
    """The rows, with objective classes from the copy's other sheets where their own has none.

    That may be CASME2-ObjectiveClasses.xlsx, which is believed first, or the coding sheet of 2019.
    """
    if all(row.objective for row in found):
        return found
    known: dict[Key, str] = {}
    for path in sorted(tree.sheets, key=lambda p: ("objective" in os.path.basename(p).lower(), p)):
        try:
            lines = sheets.read(path, _CLASS_COLUMNS)
        except schema.DataError:
            continue  # some other spreadsheet
        known |= {_pair(a): sheets.objective(a["objective"]) for a in lines if a["objective"]}
    return [
        dataclasses.replace(row, objective=row.objective or known.get(row.folders[0], ""))
        for row in found
    ]


DATABASE = AnnotatedDatabase(
    name="casme2",
    help="""\
Apply for CASME II at http://casme.psych.ac.cn (licence agreement, academic use). Expected under
the root: CASME2_RAW_selected/sub01/EP02_01f/img46.jpg (or CASME2-RAW, or Cropped with
reg_img46.jpg) and the coding sheet CASME2-coding-20140508.xlsx (or -20190701; .xls and .csv are
read as well). Objective classes are in that of 2019, or CASME2-ObjectiveClasses.xlsx.""",
    example="sub01/EP02_01f",
    key_of=key_of,
    # The less to read first; registered faces last.
    releases=("raw_selected", "raw", "cropped", ""),
    emotions=("disgust", "repression", "happiness", "surprise", "others", "fear", "sadness"),
    sheet=Sheet(
        "CASME2-coding-20140508.xlsx",
        _row,
        is_one=lambda name: "coding" in name,
        prefer=lambda name: ("2014" not in name, name),  # the official lists follow that of 2014
        correct=_with_objective,
    ),
    errata=ERRATA,
    unlabelled=(("sub09", "ep02_02f"), ("sub24", "ep02_07")),
)
