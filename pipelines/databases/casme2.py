"""CASME II (Yan et al., 2014): spontaneous micro-expressions at 200 frames per second.

Reads the three layouts in which the frames are distributed, once or doubly nested:
    CASME2_RAW_selected/sub01/EP02_01f/img46.jpg     onset to offset
    CASME2-RAW/sub01/EP02_01f/img1.jpg               the whole recording
    Cropped/sub01/EP02_01f/reg_img46.jpg             registered face, onset to offset
and the coding sheet of 2014 or 2019, original or edited, as .xlsx, .xls or .csv. Clip names repeat
across subjects: the pair (subject, clip) is the key.
"""

from __future__ import annotations

import os
import pathlib
import re

from pipelines import frames, schema
from pipelines.databases.casme2_annotation import (
    EMOTIONS,
    ERRATA,
    MEGC2019,
    MEGC2019_LEFT_OUT,
    find_sheet,
    read_sheet,
)

HELP = """\
Apply for CASME II at http://casme.psych.ac.cn (licence agreement, academic use). Expected under
the root: CASME2_RAW_selected/sub01/EP02_01f/img46.jpg (or CASME2-RAW, or Cropped with
reg_img46.jpg) and the coding sheet CASME2-coding-20140508.xlsx (or -20190701; .xls and .csv are
read as well)."""

_TREES = ("raw_selected", "raw", "cropped", "")  # preferred first: less to read, nothing registered


def read(root, skipped=None, classes=None, left_out=None) -> list[schema.Clip]:
    """Reads a copy of CASME II.

    Args:
        root: its folder.
        skipped: receives a `Skipped` per clip that cannot be used; None raises at the first.
        classes: emotion word -> label; other emotions are left out. MEGC2019's three by default.
        left_out: (subject, clip) pairs that the protocol leaves out; MEGC2019's with its classes.
    Returns:
        Clips by subject and clip; the complete list has 145 by default.
    Raises:
        DataError: no such folder, no frames or no coding sheet in it; a bad clip if not `skipped`.
    """
    if left_out is None:
        left_out = MEGC2019_LEFT_OUT if classes is None else ()
    classes = MEGC2019 if classes is None else classes
    root = pathlib.Path(root).expanduser()
    folders = _find_clips(root)
    sheet = find_sheet(root)
    clips: dict[str, schema.Clip] = {}
    labelled = set()
    for row in read_sheet(sheet):
        pair = (row.subject, row.clip)
        labelled.add((row.subject, row.clip.lower()))
        if pair in left_out or (row.emotion in EMOTIONS and row.emotion not in classes):
            continue
        key = f"casme2/{row.subject}/{row.clip}"
        try:
            if key in clips:
                raise schema.DataError("a second row for the same clip: delete one")
            clips[key] = _clip(row, folders, classes)
        except schema.DataError as error:
            _skip(skipped, key, f"{sheet}: line {row.line}", str(error))
    labelled |= {(s, c.lower()) for (s, c), erratum in ERRATA.items() if erratum.no_row}
    for pair, folder in folders.items():
        if pair not in labelled:
            key = f"casme2/{pair[0]}/{folder.name}"
            _skip(skipped, key, str(folder), f"no row for it in {sheet.name}: add one")
    return sorted(clips.values(), key=lambda clip: clip.key)


def _clip(row, folders, classes):
    """The clip of one row; DataError without the row's place if it cannot be used."""
    if row.emotion not in classes:
        known = ", ".join(EMOTIONS)
        raise schema.DataError(f"unknown emotion {row.emotion!r}: expected one of {known}")
    folder = folders.get((row.subject, row.clip.lower()))
    if folder is None:
        raise schema.DataError(f"no folder {row.subject}/{row.clip} with frames: copy it again")
    paths, numbers = frames.list_frames(folder)
    first = numbers[0] if row.onset is None else row.onset
    last = numbers[-1] if row.offset is None else row.offset
    if last < first:
        raise schema.DataError(f"offset {last} before onset {first}: correct the sheet")
    if row.apex is not None and not first <= row.apex <= last:
        raise schema.DataError(f"apex {row.apex} outside {first}-{last}: correct the sheet")
    kept = [i for i, number in enumerate(numbers) if first <= number <= last]
    if len(kept) < 2:
        have = f"{len(kept)} of the frames {first}-{last}"
        raise schema.DataError(f"{folder} holds {have}: copy it again")
    numbers = tuple(numbers[i] for i in kept)
    apex = None
    if row.apex is not None:
        apex = min(range(len(numbers)), key=lambda i: abs(numbers[i] - row.apex))
    return schema.Clip(
        dataset="casme2",
        subject=row.subject,
        clip=row.clip,
        frames=tuple(paths[i] for i in kept),
        numbers=numbers,
        onset=0,
        apex=apex,
        offset=len(numbers) - 1,
        label=classes[row.emotion],
        emotion=row.emotion,
        action_units=row.units,
    )


def _find_clips(root):
    """Folder of each clip: (subject, clip name in lower case) -> path, from the preferred tree."""
    if not root.is_dir():
        raise schema.DataError(f"no such folder: {root}. {_advice()}")
    trees: dict[str, dict] = {}
    for subject in _subject_folders(root):
        tree = _tree(subject.parent)
        number = int(re.findall(r"\d+", subject.name)[-1])
        for clip in sorted(subject.iterdir()):
            if clip.is_dir() and re.match(r"EP\d", clip.name, re.IGNORECASE):
                key = (f"sub{number:02d}", clip.name.lower())
                trees.setdefault(tree, {}).setdefault(key, clip)
    if not trees:
        raise schema.DataError(f"no folder like sub01/EP02_01f under {root}. {_advice()}")
    return trees[min(trees, key=_TREES.index)]


def _tree(folder):
    """Which release a folder of subjects belongs to, by its own name or its parent's."""
    for part in reversed(folder.resolve().parts[-2:]):
        for name in _TREES[:-1]:
            if name in part.lower().replace("-", "_"):
                return name
    return ""


def _subject_folders(root, depth=5):
    """Folders named like sub01, at most `depth` levels below `root`; links are not followed."""
    if re.fullmatch(r"sub[_-]?\d+", root.name, re.IGNORECASE):
        yield root
    elif depth:
        with os.scandir(root) as entries:
            names = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
        for name in names:
            yield from _subject_folders(root / name, depth - 1)


def _skip(skipped, key, path, reason):
    if skipped is None:
        raise schema.DataError(f"{path}: {key}: {reason}")
    skipped.append(schema.Skipped(key, path, reason))


def _advice():
    return " ".join(HELP.split()) + " Without it, try --dataset synthetic."
