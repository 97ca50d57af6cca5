"""SMIC-HS (Li et al., 2013): spontaneous micro-expressions at 100 frames per second, three classes.

Reads the three releases, wherever under the root they lie; the first of this order that is there:
    raw      SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image012345.bmp         onset to offset
    cropped  SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image012345.bmp onset to offset
    long     SMIC-E_raw_long/HS_long/SMIC-HS-E/s01/s1_ne_01/image012345.jpg     a longer recording
Frame numbers are those of the recording. Names come padded or not ("s1_ne_1", "s01_ne_01"); here
they are padded. The class is that of the clip's name. No release labels an apex. 164 clips.
"""

from __future__ import annotations

import os
import re

from pipelines import schema
from pipelines.databases import rows
from pipelines.databases import sheet as sheets
from pipelines.databases import tree as trees
from pipelines.databases.annotated import AnnotatedDatabase
from pipelines.databases.database import Erratum
from pipelines.databases.rows import Row

RELEASES = ("raw", "cropped", "long")  # preferred first: less to read, nothing registered

# A folder of more frames than this is a long recording: no micro-expression of SMIC exceeds 58.
LONGEST = 100

_HELD = "a second or third expression of a long recording, without a row of its own in the sheet"
_ABSENT = "not in the annotation sheet of SMIC-HS-E; the other releases hold these frames"
_SHORT = "the sheet's offset is {} short of the raw release, whose frames are the reference"
# Also known, and right by construction: the cropped release is without s18_sur_03, without two
# frames of s03_po_08 and one each of s03_sur_01, s03_sur_05 and s03_ne_16.
ERRATA = (
    Erratum("s03_ne_16", "offset", 409062, 409063, _SHORT.format("1 frame")),
    Erratum("s03_po_08", "offset", 402223, 402225, _SHORT.format("2 frames")),
    Erratum("s03_sur_01", "offset", 308889, 308890, _SHORT.format("1 frame")),
    Erratum("s03_sur_05", "offset", 402326, 402327, _SHORT.format("1 frame")),
)
# In SMIC-HS-E: clips without a row; clip -> onset, offset and the clip whose recording holds it.
NO_ROW = {
    "s03_ne_03": (302370, 302380, "s03_ne_02"),
    "s04_ne_05": (219343, 219361, "s04_ne_04"),
    "s04_ne_06": (219413, 219435, "s04_ne_04"),
    "s09_sur_02": (61250, 61291, "s09_sur_01"),
    "s03_ne_20": (426679, 426709, ""),  # nor is their recording in that release
    "s01_ne_02": (563854, 563885, ""),
    "s02_sur_05": (219114, 219143, ""),
}
_NOTES = {
    "s18_sur_03": "the sheet calls it negative; name, folder and the MEGC list say surprise: the "
    "name holds. The cropped release lacks it"
}

_CLIP = re.compile(r"(?:.*_)?s0*(\d+)_([a-z]+)_0*(\d+)", re.IGNORECASE)
_COLUMNS = {"clip": ("filename",), "onset": ("onsetf",), "offset": ("offsetf",)}


def clip_name(text: str) -> str:
    """ "S1_NE_1" or "s01_s1_ne_01" -> "s01_ne_01", whatever the token; "" for any other text."""
    match = _CLIP.fullmatch(text)
    return f"s{int(match[1]):02d}_{match[2].lower()}_{int(match[3]):02d}" if match else ""


class _Smic(AnnotatedDatabase):
    """The rows stand for folders, or in the sheet of the long recordings."""

    def tree(self, root):
        """See `AnnotatedDatabase`: not the slower cameras' recordings, nor rest."""
        folder = self.folder(root)
        if _is_other_part(folder.resolve().name):
            raise schema.DataError(
                f"{folder} is not SMIC-HS: only the HS part is read. {self.advice()}"
            )
        return super().tree(root)

    def rank(self, root, folder):
        """See `AnnotatedDatabase`: the place of the release, told by the parent and the files."""
        if any(name.lower().startswith("reg") for name in folder.images[:1]):
            return RELEASES.index("cropped")
        is_long = len(folder.names) > 1 and re.fullmatch(r"s\d+", folder.names[-2].lower())
        return RELEASES.index("long" if is_long else "raw")

    def find_rows(self, tree):
        """See `AnnotatedDatabase`."""
        some = next(iter(tree.folders.values()))[0]
        release = RELEASES[self.rank(tree.root, some)]
        sheet = trees.find_sheet(tree, _is_sheet, _edition) if release == "long" else None
        if sheet:
            return _listed(sheet, tree), os.path.basename(sheet)
        for folder, *_ in tree.folders.values() if release == "long" else ():
            if len(folder.images) > LONGEST:
                raise schema.DataError(
                    f"{folder.path}: {len(folder.images)} frames, a long recording, and no "
                    "SMIC-HS-E_annotation.xlsx near it to tell onset and offset: put it there"
                )
        whole = {e.clip: e.use for e in ERRATA} if release == "cropped" else {}
        folders = tree.folders.items()
        return [_row(key, own[0].path, offset=whole.get(key)) for key, own in folders], ""


def _row(name: str, place: str, *hosts: str, **values) -> Row:
    subject, token, _ = name.split("_")
    return Row(place, subject, name, (name, *hosts), emotion=token, **values)


def _is_other_part(name: str) -> bool:
    """Whether a folder holds the slower cameras' recordings, or clips without expression."""
    words = re.split(r"[-_ ]", name.lower())
    return bool({"vis", "nir", "non"} & set(words)) or words == ["nonmicro"]


def _is_sheet(name: str) -> bool:
    return bool(re.match(r"smic[-_]hs[-_]e[-_]annotation", name))


def _edition(name: str):
    return "2019" not in name, name  # that of 2019 first


def _listed(sheet, tree) -> list[Row]:
    """The rows of the sheet of SMIC-HS-E, and those of the clips that it lacks."""
    found: dict[str, Row] = {}
    for line in sheets.read(sheet, _COLUMNS, tab="HS"):
        name = clip_name(line["clip"])
        read = rows.row(line, "", "")
        if name and (read.fault or None not in (read.onset, read.offset)):
            said = {"fault": read.fault, "notes": (_NOTES[name],) if name in _NOTES else ()}
            found[name] = _row(name, read.place, onset=read.onset, offset=read.offset, **said)
    for name, (onset, offset, host) in NO_ROW.items():
        if name not in found and {name, host} & tree.folders.keys():
            notes = (_HELD if host else _ABSENT,)
            found[name] = _row(name, sheet, host, onset=onset, offset=offset, notes=notes)
    return list(found.values())


DATABASE = _Smic(
    name="smic",
    help="""\
Apply for SMIC at the Center for Machine Vision and Signal Analysis (CMVS), University of Oulu
(https://www.oulu.fi/cmvs; a signed licence, academic use). Expected under the root, unpacked:
SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image012345.bmp, or SMIC_all_cropped in the same layout,
or SMIC-HS-E/s01/s1_ne_01/image012345.jpg with SMIC-HS-E_annotation.xlsx.""",
    example="HS/s1/micro/negative/s1_ne_01",
    key_of=lambda folder: clip_name(folder.names[-1]) or None,
    leave=_is_other_part,
    emotions={"ne": "negative", "po": "positive", "sur": "surprise"},
    errata=ERRATA,
)
