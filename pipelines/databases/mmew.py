"""MMEW (Ben et al., 2021): micro- and macro-expressions of the same people, 90 frames per second.

Reads the micro-expressions: Micro_Expression/<emotion>/S03-01-002/1.jpg as released, or any other
folders above the clip's (subject, emotion); and MMEW_Micro_Exp.xlsx: 300 clips.
"""

from __future__ import annotations

from pipelines.databases import rows
from pipelines.databases.annotated import AnnotatedDatabase, Sheet
from pipelines.databases.rows import RowErratum
from pipelines.databases.tree import Folder

_WORDS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "others")

# MEB (tvaranka/meb) knows these by their rows in the original sheet of 300, and does not name them.
_BY_FLOW = "apex missing, offset wrong; by the optical flow (MEB)"
ROW_ERRATA = tuple(
    RowErratum(index, {"apex": apex, "offset": offset}, _BY_FLOW)
    for index, apex, offset in (
        (33, 40, 75), (35, 15, 54), (36, 46, 59), (37, 20, 98), (38, 25, 80), (39, 20, 93),
        (40, 23, 58), (41, 28, 61), (42, 32, 68), (142, 56, 88), (143, 32, 80), (145, 27, 85),
        (146, 22, 61), (148, 29, 108), (154, 31, 72), (156, 38, 106),
    )
)  # fmt: skip

_NAMES = rows.Names(r"s0*(\d+)[-_]0*(\d+)[-_]0*(\d+)", "S{:02d}-{:02d}-{:03d}")


def _key_of(folder: Folder) -> str | None:
    """ "S03-01-002" of a folder of that name, but not among the macro-expressions."""
    name = folder.names[-1]
    if any("macro" in above.lower() for above in folder.names) or not _NAMES.match(name):
        return None
    return _NAMES.clip(name)


DATABASE = AnnotatedDatabase(
    name="mmew",
    help="""\
Apply for MMEW at https://www.dpailab.com/database.html (licence agreement, academic use). Expected
under the root: MMEW_Final/Micro_Expression/<emotion>/S03-01-002/1.jpg and MMEW_Micro_Exp.xlsx (.xls
and .csv are read as well).""",
    example="Micro_Expression/happiness/S03-01-002",
    key_of=_key_of,
    emotions={**dict(zip(_WORDS, _WORDS)), "repression": "others"},  # MEB calls them repression
    sheet=Sheet(
        "MMEW_Micro_Exp.xlsx",
        _NAMES.row,
        is_one=lambda name: ("micro" in name or "mmew" in name) and "macro" not in name,
        prefer=lambda name: ("micro" not in name, name),
    ),
    row_errata=ROW_ERRATA,
    num_rows=300,
)
