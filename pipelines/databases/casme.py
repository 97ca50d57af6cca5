"""CASME (Yan et al., 2013): the first spontaneous micro-expressions, 60 frames per second.

Reads CASME_raw_selected/sub01/EP01_5/EP01_5-113.jpg or Cropped/sub01/EP01_5/reg_EP01_5-113.jpg,
whose numbers are padded here and not there; and the sheet, whose apex columns are two. 189 clips.
"""

from __future__ import annotations

import dataclasses

from pipelines.databases import rows
from pipelines.databases.annotated import AnnotatedDatabase, Sheet
from pipelines.databases.casme2 import key_of, subject_name
from pipelines.databases.rows import Row, RowErratum

# MEB (tvaranka/meb) knows these by their rows in the sheet of 189, and does not name them.
_OTHER_FRAMES = "the sheet's frames are not those in the folder; apex: the middle (MEB)"
_CUT = "the folder ends earlier (MEB)"
ROW_ERRATA = (
    RowErratum(40, {"onset": 100, "apex": 120, "offset": 149}, _OTHER_FRAMES),
    RowErratum(42, {"onset": 101, "apex": 110, "offset": 119}, _OTHER_FRAMES),
    RowErratum(43, {"onset": 57, "apex": 65, "offset": 74}, _OTHER_FRAMES),
    RowErratum(54, {"offset": 40}, _CUT),
    RowErratum(140, {"offset": 142}, _CUT),
)


def _row(line) -> Row:
    subject = subject_name(line["subject"])
    key = subject, line["clip"].lower()
    row = rows.row(line, subject, line["clip"], key, also=("apex2",))
    if row.apex is None and not row.fault:
        row = dataclasses.replace(row, apex=line.number("apex2") or None)  # 0: none
    return row


DATABASE = AnnotatedDatabase(
    name="casme",
    help="""\
Apply for CASME at http://casme.psych.ac.cn/casme/e1 (licence agreement, academic use). Expected
under the root: CASME_raw_selected/sub01/EP01_5/EP01_5-113.jpg (or Cropped with reg_EP01_5-113.jpg)
and the sheet casme.xlsx with the columns Subject, Filename, OnsetF, ApexF1, OffsetF, Emotion.""",
    example="sub01/EP01_5",
    key_of=key_of,
    releases=("raw_selected", "raw", "cropped", ""),
    emotions=tuple("contempt disgust fear happiness repression sadness surprise tense".split()),
    sheet=Sheet(
        "casme.xlsx",
        _row,
        is_one=lambda name: "casme" in name or "coding" in name,
        prefer=lambda name: ("coding" not in name, name),
        columns={**rows.COLUMNS, "apex2": ("apexf2",)},
        optional=(*rows.OPTIONAL, "apex2"),
    ),
    row_errata=ROW_ERRATA,
    num_rows=189,
)
