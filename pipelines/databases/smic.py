"""SMIC-HS (Li et al., 2013): spontaneous micro-expressions at 100 frames per second, three classes.

Reads the three releases, wherever under the root they lie; the first of this order that is there:
    raw      SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image012345.bmp         onset to offset
    cropped  SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image012345.bmp onset to offset
    long     SMIC-E_raw_long/HS_long/SMIC-HS-E/s01/s1_ne_01/image012345.jpg     a longer recording
Frame numbers are those of the recording. Names come padded or not ("s1_ne_1", "s01_ne_01"); here
they are padded. The class is that of the clip's name. No release labels an apex.
"""

from __future__ import annotations

import dataclasses
import os
import re

from pipelines import schema
from pipelines.databases import clips
from pipelines.databases import tree as trees
from pipelines.databases.database import ANY, Database
from pipelines.databases.database import Erratum as KnownGap
from pipelines.databases.rows import Row
from pipelines.databases.smic_annotation import (
    ERRATA,
    NO_ROW,
    TOKENS,
    Erratum,
    Name,
    find_sheet,
    parse,
    read_sheet,
)

RELEASES = ("raw", "cropped", "long")  # preferred first: less to read, nothing registered

# A folder of more frames than this is a long recording: no micro-expression of SMIC exceeds 58.
LONGEST = 100


@dataclasses.dataclass(frozen=True)
class _Found:
    """A folder that holds a clip, or a recording around it."""

    name: Name
    folder: str
    release: str
    paths: tuple[str, ...]
    numbers: tuple[int, ...]


class _Smic(Database):
    name = "smic"
    help = """\
Apply for SMIC at the Center for Machine Vision and Signal Analysis (CMVS), University of Oulu
(https://www.oulu.fi/cmvs; a signed licence, academic use). Expected under the root, unpacked:
SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image012345.bmp, or SMIC_all_cropped in the same layout,
or SMIC-HS-E/s01/s1_ne_01/image012345.jpg with SMIC-HS-E_annotation.xlsx."""
    errata = tuple(
        KnownGap(str(name), "offset", ANY, erratum.offset, erratum.reason)
        for name, erratum in ERRATA.items()
        if erratum.offset and not erratum.onset
    )

    def find_clips(self, root, skipped):
        """See `Database`: the clips in order of subject, class and index; none has an apex."""
        tree = self._walk(self.folder(root))
        found = _open(tree, skipped)
        release = next((r for r in RELEASES if any(item.release == r for item in found)), "raw")
        chosen = _each_once([item for item in found if item.release == release], skipped)
        sheet = find_sheet(tree) if release == "long" else None
        if sheet:
            pairs = _rows_of_recordings(chosen, sheet, skipped)
        else:
            pairs = [(item.name, _row(item), item) for item in chosen.values()]
        made = []
        for name, row, item in pairs:
            try:
                if row.fault:
                    raise schema.DataError(row.fault)
                made.append(clips.clip("smic", row, name.emotion, item.paths, item.numbers))
            except schema.DataError as error:
                place = row.place if row.fault else item.folder
                skipped.append(_lost(name, place, str(error)))
        return sorted(made, key=lambda clip: clip.key)

    def _walk(self, root):
        """What lies under `root`; other databases and other parts of SMIC are not entered."""
        tree = trees.walk(root, "smic", lambda folder: parse(folder.names[-1]), _is_other_part)
        if _is_other_part(root.resolve().name):
            raise schema.DataError(
                f"{root} is not SMIC-HS: only the HS part is read. {self.advice()}"
            )
        if not tree.folders:
            found = "".join(f"; {line}" for line in tree.remarks()[:3])
            raise schema.DataError(f"no clip of SMIC-HS under {root}{found}. {self.advice()}")
        return tree


def _lost(name: Name, path: str, reason: str) -> schema.Skipped:
    return schema.Skipped(name.key, path, reason, name.emotion)


def _is_other_part(name: str) -> bool:
    """Whether a folder holds the slower cameras' recordings, or clips without expression."""
    words = re.split(r"[-_ ]", name.lower())
    return bool({"vis", "nir", "non"} & set(words)) or words == ["nonmicro"]


def _open(tree, skipped) -> list[_Found]:
    """The clips in the folders that can be used; the others are reported."""
    found = []
    places = [(name, place.path) for name, own in tree.folders.items() for place in own]
    for name, folder in places:
        try:
            if name.token not in TOKENS:
                expected = ", ".join(TOKENS)
                raise schema.DataError(f"unknown class {name.token!r}: expected {expected}")
            paths, numbers = clips.list_frames(folder)
            found.append(_Found(name, folder, _release(folder, paths[0]), paths, numbers))
        except schema.DataError as error:
            skipped.append(_lost(name, folder, str(error)))
    return found


def _release(folder: str, path: str) -> str:
    """Which release a clip's folder belongs to, by its parent and its files' names."""
    if os.path.basename(path).lower().startswith("reg"):
        return "cropped"
    parent = os.path.basename(os.path.dirname(os.path.abspath(folder))).lower()
    return "long" if re.match(r"s\d+$", parent) else "raw"


def _each_once(found: list[_Found], skipped) -> dict[Name, _Found]:
    chosen: dict[Name, _Found] = {}
    for item in found:
        first = chosen.setdefault(item.name, item)
        if first is not item:
            reason = f"a second copy of the clip in {first.folder}: remove one"
            skipped.append(_lost(item.name, item.folder, reason))
    return chosen


def _row(item: _Found) -> Row:
    """The row of a clip that its folder holds from onset to offset."""
    if item.release == "long" and len(item.paths) > LONGEST:
        raise schema.DataError(
            f"{item.folder}: {len(item.paths)} frames, a long recording, and no "
            "SMIC-HS-E_annotation.xlsx near it to tell onset and offset: put it there"
        )
    erratum = ERRATA.get(item.name, Erratum(""))
    last = item.numbers[-1]
    offset = max(last, erratum.offset or last) if item.release == "cropped" else last
    notes = (erratum.reason,) if item.release == "long" and erratum.reason else ()
    return item.name.row(Row(item.folder, "", "", (), offset=offset, notes=notes))


def _rows_of_recordings(folders: dict[Name, _Found], sheet: str, skipped):
    """The rows of the sheet of SMIC-HS-E, each with the recording that holds its clip."""
    listed, file = read_sheet(sheet), os.path.basename(sheet)
    for name, item in folders.items():
        if name not in listed:
            reason = f"no row with an onset and an offset for it in {file}"
            skipped.append(_lost(name, item.folder, reason))
    pairs = []
    for name, row in listed.items():
        erratum = ERRATA.get(name, Erratum(""))
        host = folders.get(name) or folders.get(erratum.inside or name)
        if host:
            pairs.append((name, row, host))
        elif not erratum.inside and erratum.reason != NO_ROW:  # else this release lacks it
            skipped.append(_lost(name, sheet, f"{file} has a row for it, but there is no folder"))
    return pairs


DATABASE = _Smic()
