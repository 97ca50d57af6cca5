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
import pathlib
import re

from pipelines import schema
from pipelines.databases import annotated
from pipelines.databases import tree as trees
from pipelines.databases.smic_annotation import (
    ERRATA,
    KNOWN,
    NO_ROW,
    TOKENS,
    Erratum,
    Name,
    find_sheet,
    is_sheet,
    parse,
    read_sheet,
)
from pipelines.faces import frames

HELP = """\
Apply for SMIC at the Center for Machine Vision and Signal Analysis (CMVS), University of Oulu
(https://www.oulu.fi/cmvs; a signed licence, academic use). Expected under the root, unpacked:
SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image012345.bmp, or SMIC_all_cropped in the same layout,
or SMIC-HS-E/s01/s1_ne_01/image012345.jpg with SMIC-HS-E_annotation.xlsx."""

__all__ = ["HELP", "KNOWN", "read"]
RELEASES = ("raw", "cropped", "long")  # preferred first: less to read, nothing registered

# A folder of more frames than this is a long recording: no micro-expression of SMIC exceeds 58.
LONGEST = 100


@dataclasses.dataclass(frozen=True)
class _Found:
    """A folder that holds a clip."""

    name: Name
    folder: str
    release: str
    paths: tuple[str, ...]
    numbers: tuple[int, ...]


def read(root, skipped: list | None = None) -> list[schema.Clip]:
    """Reads a copy of SMIC-HS into clips, ordered by subject, class and index.

    Args:
        root: the folder of the copy: a parent of a release, a release, or its HS folder.
        skipped: receives a `Skipped` record per clip that cannot be used; None raises at the first.
    Returns:
        Clips of dataset "smic" whose frames run from onset to offset; `apex` is None.
    Raises:
        DataError: no such folder, nothing of SMIC-HS in it, or archives that are not unpacked.
    """
    root = pathlib.Path(root).expanduser()
    report: list[schema.Skipped] = []
    tree = _walk(root)
    found, release = _choose(_open(tree, report), report)
    if release == "long":
        sheets = [path for path in tree.sheets if is_sheet(os.path.basename(path))]
        clips = _cut_long(found, find_sheet(sheets, root), report)
    else:
        clips = [_clip(item, report) for item in found]
    if skipped is None and report:
        raise schema.DataError(f"{report[0].path}: {report[0].reason}")
    if skipped is not None:
        skipped += report
    return sorted((clip for clip in clips if clip), key=lambda clip: clip.key)


def _walk(root: pathlib.Path):
    """What lies under `root`, clips by `Name`; other databases and other parts are not entered."""
    try:
        tree = trees.walk(root, "smic", lambda names: parse(names[-1]), _is_other_part)
    except schema.DataError as error:
        raise schema.DataError(f"{error}. {_advice()}") from None
    if _is_other_part(root.resolve().name):
        raise schema.DataError(f"{root} is not SMIC-HS: only the HS part is read. {_advice()}")
    if not tree.folders:
        found = "".join(f"; {line}" for line in tree.remarks()[:3])
        raise schema.DataError(f"no clip of SMIC-HS under {root}{found}. {_advice()}")
    return tree


def _is_other_part(name: str) -> bool:
    """Whether a folder holds the slower cameras' recordings, or clips without expression."""
    words = re.split(r"[-_ ]", name.lower())
    return bool({"vis", "nir", "non"} & set(words)) or words == ["nonmicro"]


def _open(tree, report: list) -> list[_Found]:
    """The clips in the folders that can be used; the others are reported."""
    found = []
    places = [(name, place.path) for name, own in tree.folders.items() for place in own]
    for name, folder in places:
        if name.token not in TOKENS:
            reason = f"unknown class {name.token!r}: expected {', '.join(TOKENS)}"
            report.append(schema.Skipped(name.key, folder, reason))
            continue
        try:
            paths, numbers = frames.list_frames(folder)
        except (schema.DataError, OSError) as error:
            report.append(schema.Skipped(name.key, folder, str(error)))
            continue
        if not paths:
            report.append(schema.Skipped(name.key, folder, "no numbered image in the folder"))
            continue
        found.append(_Found(name, folder, _release(folder, paths[0]), paths, numbers))
    return found


def _release(folder: str, path: str) -> str:
    """Which release a clip's folder belongs to, by its parent and its files' names."""
    if os.path.basename(path).lower().startswith("reg"):
        return "cropped"
    parent = os.path.basename(os.path.dirname(os.path.abspath(folder))).lower()
    return "long" if re.match(r"s\d+$", parent) else "raw"


def _choose(found: list[_Found], report: list) -> tuple[list[_Found], str]:
    """The clips of the preferred release that is there, each once."""
    release = next((r for r in RELEASES if any(item.release == r for item in found)), "raw")
    chosen: dict[Name, _Found] = {}
    for item in found:
        if item.release != release:
            continue
        if item.name in chosen:
            reason = f"a second copy of the clip in {chosen[item.name].folder}: remove one"
            report.append(schema.Skipped(item.name.key, item.folder, reason))
        else:
            chosen[item.name] = item
    return list(chosen.values()), release


def _clip(found: _Found, report: list, onset=None, offset=None, name=None) -> schema.Clip | None:
    """The clip of the frames numbered onset..offset, or of all; None, reported, if under two."""
    name = name or found.name
    first = found.numbers[0] if onset is None else onset
    last = found.numbers[-1] if offset is None else offset
    kept = [i for i, number in enumerate(found.numbers) if first <= number <= last]
    if len(kept) < 2:
        count = f"{len(kept)} frame" + "s" * (len(kept) != 1)
        between = "" if onset is None else f" between onset {onset} and offset {offset}"
        reason = f"{count}{between}: a clip needs two at least"
        report.append(schema.Skipped(name.key, found.folder, reason))
        return None
    numbers = tuple(found.numbers[i] for i in kept)
    return schema.Clip(
        dataset="smic",
        subject=f"s{name.subject:02d}",
        clip=str(name),
        frames=tuple(found.paths[i] for i in kept),
        numbers=numbers,
        onset=0,
        apex=None,
        offset=len(kept) - 1,
        label=TOKENS[name.token],
        emotion=schema.CLASSES[TOKENS[name.token]],
        notes=_notes(name, found.release, first, last, numbers),
    )


def _notes(name, release, first, last, numbers):
    """What is known to be amiss with the clip in this release, and the frames that it lacks."""
    erratum = ERRATA.get(name, Erratum(""))
    if release == "cropped" and erratum.offset:
        last = max(last, erratum.offset)
    known = (erratum.reason,) if release == "long" and erratum.reason else ()
    return known + annotated.missing(first, last, numbers)


def _cut_long(found: list[_Found], sheet: str | None, report: list) -> list:
    """Cuts the micro-expressions out of the long recordings."""
    if sheet is None:
        for item in found:
            if len(item.paths) > LONGEST:
                raise schema.DataError(
                    f"{item.folder}: {len(item.paths)} frames, a long recording, and no "
                    "SMIC-HS-E_annotation.xlsx near it to tell onset and offset: put it there"
                )
        return [_clip(item, report) for item in found]
    spans = read_sheet(sheet)
    folders = {item.name: item for item in found}
    clips = []
    for name, item in folders.items():
        if name not in spans:
            reason = f"no row with an onset and an offset for it in {os.path.basename(sheet)}"
            report.append(schema.Skipped(name.key, item.folder, reason))
        else:
            clips.append(_clip(item, report, *spans[name]))
    for name, (onset, offset) in spans.items():
        erratum = ERRATA.get(name, Erratum(""))
        host = folders.get(erratum.inside) if erratum.inside else None
        if name in folders or erratum.reason == NO_ROW or (erratum.inside and not host):
            continue  # read above; or absent from this release, as is known
        if host:
            clips.append(_clip(host, report, onset, offset, name))
        else:
            reason = f"{os.path.basename(sheet)} has a row for it, but there is no folder"
            report.append(schema.Skipped(name.key, sheet, reason))
    return clips


def _advice() -> str:
    return " ".join(HELP.split()) + " Without it, try --dataset synthetic."
