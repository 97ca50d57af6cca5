"""CAS(ME)^3 part A (Li et al., 2022): micro-expressions at 30 frames per second, colour and depth.

Reads the colour frames of both layouts:
    Part_A_ME_clip/frame/spNO.1_b_166/166.jpg     a folder per clip, named by its onset
    part_A/data/spNO.1/b/color/166.jpg            whole recordings, which hold several clips
and cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx (860 clips of 94 subjects); the first edition (v1, 943
rows) is read if the second is not there. A recording may hold several clips: a clip's name includes
its onset.
"""

from __future__ import annotations

import re

from pipelines.databases import rows
from pipelines.databases.annotated import AnnotatedDatabase, Sheet
from pipelines.databases.database import Erratum
from pipelines.databases.rows import Row
from pipelines.databases.tree import Folder, Key

# QX: QqXuyujie/Micro-Expression-Datasets; MEB: tvaranka/meb; CAS3: the authors' exception lists.
# Also known, and found by reading: 55 rows whose apex is the onset (taken as unknown), 26 rows of
# over 100 frames (noted), damaged images of spNO.3 J and spNO.4 j (reported when read). CAS3's list
# of 16 clips with a hidden face asks for eyes, not for a rule.
ERRATA = (
    Erratum("spNO.216_d_3647", "onset", 3647, 2647, "a typing error: apex and offset follow 2647"),
    Erratum("spNO.216_e_0", "apex", 0, 17, "no frame 0 exists (QX)"),
    Erratum("spNO.216_e_0", "onset", 0, 1, "no frame 0 exists (MEB)"),
    Erratum("spNO.149_d_112", "apex", 83, 160, "lies before the onset (QX, MEB)"),
    Erratum("spNO.40_e_1812", "offset", 0, 1845, "is missing (MEB)"),
    Erratum("spNO.40_e_2327", "offset", 0, 2403, "is missing (MEB)"),
    Erratum("spNO.214_c_*", "offset", 3460, 34, "two digits too many (MEB, QX)"),
)

_SUBJECT = re.compile(r"spno\W*0*(\d+)", re.IGNORECASE)
_CLIP = re.compile(r"spno\W*0*(\d+)_([a-z])_0*(\d+)", re.IGNORECASE)


def key_of(folder: Folder) -> Key | None:
    """(subject, letter, onset) of a clip's folder; (subject, letter) of a recording's colours."""
    names = folder.names
    clip = _CLIP.fullmatch(names[-1])
    if clip:
        is_depth = "depth" in [name.lower() for name in names]
        return None if is_depth else (int(clip[1]), clip[2].lower(), int(clip[3]))
    if len(names) < 3 or names[-1].lower() not in ("color", "colour"):
        return None
    subject = _SUBJECT.fullmatch(names[-3])
    return (int(subject[1]), names[-2].lower()) if subject else None


def _is_sheet(name: str) -> bool:
    """Of part A and of micro-expressions: neither parts B and C nor the macro-expressions (MaE)."""
    if re.search(r"part_?[bc]|mae_|macro|error|self", name):
        return False
    return "label" in name or "casme3" in name or "part_a" in name


def _row(line) -> Row:
    match = _SUBJECT.fullmatch(line["subject"])
    number = int(match[1]) if match else 0
    subject = f"spNO.{number}" if match else line["subject"]
    row = rows.row(line, subject, "")
    clip = f"{subject}_{line['clip']}_{line['onset'] if row.onset is None else row.onset}"
    onsets = [row.onset, *(e.use for e in ERRATA if (e.clip, e.field) == (clip, "onset"))]
    letter = line["clip"].lower()
    folders = [(number, letter, onset) for onset in onsets]
    return rows.row(line, subject, clip, *folders, (number, letter))


DATABASE = AnnotatedDatabase(
    name="casme3",
    help="""\
Apply for CAS(ME)^3 at http://casme.psych.ac.cn/casme/e4 (licence agreement, academic use).
Expected under the root: Part_A_ME_clip/frame/spNO.1_b_166/166.jpg (or the whole recordings,
part_A/data/spNO.1/b/color/166.jpg) and cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx.""",
    example="spNO.1_b_166",
    key_of=key_of,
    releases=("clip", ""),
    emotions=("disgust", "surprise", "others", "fear", "anger", "sad", "happy"),
    sheet=Sheet(
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        _row,
        is_one=_is_sheet,
        prefer=lambda name: ("label" not in name, "v2" not in name, name),
    ),
    errata=ERRATA,
    longest=100,  # 3.3 s
    own_folders=False,
)
