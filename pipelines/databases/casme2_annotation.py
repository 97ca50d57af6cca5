"""What is known of CASME II beside its frames: emotions, errata, and the coding sheet."""

from __future__ import annotations

import dataclasses
import pathlib
import re

from pipelines import schema

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


# Not here: the twenty-odd onsets and apexes on which later authors differ from the coders, for
# no source says who is right. Frames lacking at a clip's ends need no entry.
ERRATA = {
    ("sub04", "EP12_01f"): Erratum("apex '/'; edited copies put 300, a guess", no_apex=True),
    ("sub05", "EP09_05f"): Erratum("the apex given is the onset: nothing moved", no_apex=True),
    ("sub09", "EP02_02f"): Erratum("a folder that no sheet labels", no_row=True),
    ("sub24", "EP02_07"): Erratum("a folder that no official sheet labels", no_row=True),
    ("sub16", "EP01_08"): Erratum("Cropped ends at frame 96, not at the offset 110: clamped"),
}

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


def find_sheet(root):
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
        raise schema.DataError(f"no coding sheet ({name}) under {root}: put it there")
    return min(found, key=lambda path: ("2014" not in path.name, len(path.parts), path.name))


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
