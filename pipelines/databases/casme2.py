"""CASME II (Yan et al., 2014): spontaneous micro-expressions at 200 frames per second.

Reads the three layouts in which the frames are distributed, once or doubly nested:
    CASME2_RAW_selected/sub01/EP02_01f/img46.jpg     onset to offset
    CASME2-RAW/sub01/EP02_01f/img1.jpg               the whole recording
    Cropped/sub01/EP02_01f/reg_img46.jpg             registered face, onset to offset
and the coding sheet of 2014 or 2019, original or edited, as .xlsx, .xls or .csv. Clip names repeat
across subjects: the pair (subject, clip) is the key.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re

from pipelines import frames, schema

HELP = """\
Apply for CASME II at http://casme.psych.ac.cn (licence agreement, academic use). Expected under
the root: CASME2_RAW_selected/sub01/EP02_01f/img46.jpg (or CASME2-RAW, or Cropped with
reg_img46.jpg) and the coding sheet CASME2-coding-20140508.xlsx (or -20190701; .xls and .csv are
read as well)."""

# Emotion word -> class of the MEGC2019 protocol (0 negative, 1 positive, 2 surprise). The protocol
# leaves out "others", "fear" and "sadness".
MEGC2019 = {"disgust": 0, "repression": 0, "happiness": 1, "surprise": 2}
EMOTIONS = (*MEGC2019, "others", "fear", "sadness")

# Clips of those emotions which the official list of 145 nevertheless does not hold.
MEGC2019_LEFT_OUT = {
    ("sub04", "EP12_01f"): "has no apex",
    ("sub05", "EP09_05f"): "its apex is its onset",
    ("sub24", "EP02_07"): "is in no official sheet, only in a privately completed one",
    ("sub24", "EP07_01"): "was sadness in 2014, surprise since 2019; the list follows 2014",
    ("sub24", "EP07_04f"): "was sadness in 2014, surprise since 2019; the list follows 2014",
    ("sub24", "EP10_03"): "was sadness in 2014, surprise since 2019; the list follows 2014",
}


@dataclasses.dataclass(frozen=True)
class Erratum:
    """What is known to be wrong about one clip, in words, and what follows from it."""

    reason: str
    no_apex: bool = False  # whatever the sheet says, the apex is unknown
    no_row: bool = False  # frames without a label: left out, not reported


# Not here: the twenty-odd onsets and apexes on which later authors differ from the coders, since no
# source says who is right. Frames that are lacking at a clip's ends need no entry: ends are clamped.
ERRATA = {
    ("sub04", "EP12_01f"): Erratum("apex '/'; edited copies put 300, a guess", no_apex=True),
    ("sub05", "EP09_05f"): Erratum("the apex given is the onset: nothing moved", no_apex=True),
    ("sub09", "EP02_02f"): Erratum("a folder that no sheet labels", no_row=True),
    ("sub24", "EP02_07"): Erratum("a folder that no official sheet labels", no_row=True),
    ("sub16", "EP01_08"): Erratum("Cropped ends at frame 96, not at the offset 110: clamped"),
}

_TREES = ("raw_selected", "raw", "cropped", "")  # preferred first: less to read, nothing registered
_NAMES = {
    "subject": "subject",
    "filename": "clip",
    "onsetframe": "onset",
    "apexframe": "apex",
    "offsetframe": "offset",
    "actionunits": "units",
    "estimatedemotion": "emotion",
}
_OPTIONAL = ("apex", "units")


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of the coding sheet, cleaned; frame numbers are those of the recording."""

    line: int
    subject: str
    clip: str
    onset: int | None
    apex: int | None
    offset: int | None
    units: tuple[str, ...]
    emotion: str


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
    sheet = _find_sheet(root)
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


def read_sheet(path) -> list[Row]:
    """Reads a coding sheet, whatever hands it went through.

    Columns are found by name, below whatever lines stand above the header; blank rows and columns
    are ignored; subjects may be numbers or text; `ERRATA` are applied.
    Raises DataError if the file cannot be read or a column is missing.
    """
    cells = _cells(pathlib.Path(path))
    start = next((i for i, line in enumerate(cells) if _plain(line[0]) == "subject"), None)
    if start is None:
        raise schema.DataError(
            f"{path}: no header that begins with Subject; is it CASME II's sheet?"
        )
    columns: dict[str, int] = {}
    for index, cell in enumerate(cells[start]):
        columns.setdefault(_NAMES.get(_plain(cell), ""), index)
    missing = [name for name in _NAMES.values() if name not in columns and name not in _OPTIONAL]
    if missing:
        raise schema.DataError(f"{path}: no column for {missing[0]}; the sheet has {cells[start]}")
    rows = []
    for line, cell in enumerate(cells[start + 1 :], start=start + 2):
        values = {n: cell[columns[n]] if n in columns else "" for n in _NAMES.values()}
        if values["subject"] and values["clip"]:
            rows.append(_row(line, values))
    if not rows:
        raise schema.DataError(f"{path}: holds no rows below its header")
    return rows


def _row(line, values):
    digits = re.findall(r"\d+", values["subject"])
    subject = f"sub{int(digits[-1]):02d}" if digits else values["subject"]
    row = Row(
        line=line,
        subject=subject,
        clip=values["clip"],
        onset=_number(values["onset"]),
        apex=_number(values["apex"]),
        offset=_number(values["offset"]),
        units=action_units(values["units"]),
        emotion=values["emotion"].lower(),
    )
    no_apex = (subject, row.clip) in ERRATA and ERRATA[subject, row.clip].no_apex
    return dataclasses.replace(row, apex=None) if no_apex else row


def action_units(text) -> tuple[str, ...]:
    """Splits a cell: "L4+7" -> ("L4", "7"); "?" and blanks -> ()."""
    tokens = (token.strip().upper() for token in re.split(r"[+,;]", str(text)))
    return tuple(token for token in tokens if re.fullmatch(r"[LR]?\d+[A-E]?", token))


def _plain(cell):
    return re.sub(r"[^a-z]", "", str(cell).lower())


def _number(cell):
    """A frame number as spelled by a person, a spreadsheet or pandas; None for '/' and blanks."""
    return int(float(cell)) if re.fullmatch(r"\d+(\.0*)?", cell) else None


def _cells(path):
    """The first sheet of a spreadsheet as text: rows of equal length, blank cells as ""."""
    import pandas as pd

    try:
        if path.suffix.lower() == ".csv":
            table = pd.read_csv(path, header=None, dtype=str, encoding_errors="replace")
        else:
            table = pd.read_excel(path, header=None, dtype=str)
    except Exception as error:  # whatever the readers of three formats raise on a damaged file
        raise schema.DataError(f"{path}: cannot be read as a spreadsheet ({error})") from None
    rows = [[str(cell).strip() for cell in row] for row in table.fillna("").to_numpy()]
    return [[re.sub(r"^(nan|None)$", "", cell) for cell in row] for row in rows if len(row)]


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
        raise schema.DataError(f"no such folder: {root}. {_one_line(HELP)}")
    trees: dict[str, dict] = {}
    for subject in _subject_folders(root):
        tree = _tree(subject.parent)
        number = int(re.findall(r"\d+", subject.name)[-1])
        for clip in sorted(subject.iterdir()):
            if clip.is_dir() and re.match(r"EP\d", clip.name, re.IGNORECASE):
                key = (f"sub{number:02d}", clip.name.lower())
                trees.setdefault(tree, {}).setdefault(key, clip)
    if not trees:
        raise schema.DataError(f"no folder like sub01/EP02_01f under {root}. {_one_line(HELP)}")
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


def _find_sheet(root):
    """The coding sheet in `root` or two levels below; the one of 2014 where there are several."""
    found = [
        path
        for pattern in ("*", "*/*", "*/*/*")
        for path in sorted(root.glob(pattern))
        if path.suffix.lower() in (".xlsx", ".xls", ".csv")
        and "coding" in path.name.lower()
        and not path.name.startswith((".", "~"))
    ]
    if not found:
        name = "CASME2-coding-20140508.xlsx"
        raise schema.DataError(f"no coding sheet ({name}) under {root}. {_one_line(HELP)}")
    return min(found, key=lambda path: ("2014" not in path.name, len(path.parts), path.name))


def _skip(skipped, key, path, reason):
    if skipped is None:
        raise schema.DataError(f"{path}: {key}: {reason}")
    skipped.append(schema.Skipped(key, path, reason))


def _one_line(text):
    return " ".join(text.split())
