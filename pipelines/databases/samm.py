"""SAMM (Davison et al., 2018): spontaneous micro-expressions at 200 frames per second, grey.

Reads SAMM/006/006_1_2/006_05562.jpg or the same tree of cropped faces (SAMM_CROP), and
SAMM_Micro_FACS_Codes_v2.xlsx, whose header stands below thirteen lines of text, or an edited copy:
159 clips of 29 subjects.
"""

from __future__ import annotations

from pipelines.databases import rows
from pipelines.databases.annotated import AnnotatedDatabase, Sheet
from pipelines.databases.database import ANY, Erratum
from pipelines.databases.tree import Folder

# MEB: tvaranka/meb, whose authors read the apex off the optical flow.
_OR = "the sheet leaves the choice ('or'); by the optical flow (MEB)"
ERRATA = (
    Erratum("028_4_1", "apex", 1143, 1105, "lies after the offset 1134; by the flow (MEB)"),
    Erratum("032_3_1", "apex", 1930, 4930, "a typing error: the clip is 4896-4970"),
    Erratum("032_3_2", "apex", 5127, 5130, "is one frame after the onset; by the flow (MEB)"),
    Erratum("013_1_9", "offset", ANY, 5739, "some copies have another, wrong one (MEB, BENCH)"),
    Erratum("007_6_1", "units", ANY, ("R12", "R15"), _OR),
    Erratum("007_6_5", "units", ANY, ("R12", "R15"), _OR),
    Erratum("011_4_2", "units", ANY, ("L14",), _OR),
    Erratum("014_5_2", "units", ANY, ("R14",), _OR),
    Erratum("035_7_2", "units", ANY, ("R14A",), _OR),
)

NAMES = rows.Names(r"0*(\d+)_0*(\d+)_0*(\d+)", "{:03d}_{}_{}")
_WORDS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise", "other")


def _key_of(folder: Folder) -> str | None:
    """ "006_1_2" of a folder 006/006_1_2, however padded."""
    match = NAMES.match(folder.names[-1])
    if match is None or len(folder.names) < 2 or not folder.names[-2].isdigit():
        return None
    return NAMES.clip(folder.names[-1]) if int(folder.names[-2]) == int(match[1]) else None


DATABASE = AnnotatedDatabase(
    name="samm",
    help="""\
Apply for SAMM at Manchester Metropolitan University (http://www2.docm.mmu.ac.uk/STAFF/M.Yap;
licence agreement, academic use). Expected under the root: SAMM/006/006_1_2/006_05562.jpg (or
SAMM_CROP) and SAMM_Micro_FACS_Codes_v2.xlsx (.xls and .csv are read as well).""",
    example="006/006_1_2",
    key_of=_key_of,
    releases=("", "crop"),
    emotions=_WORDS,
    sheet=Sheet(
        "SAMM_Micro_FACS_Codes_v2.xlsx",
        NAMES.row,
        is_one=lambda name: ("facs" in name or "samm" in name) and "long" not in name,
        prefer=lambda name: ("micro" not in name, name),
    ),
    errata=ERRATA,
)
