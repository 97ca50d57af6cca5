"""Every database as distributed: where a frame lies, and how the sheet looks, flaws and all.

The layouts of `pipelines.synthetic`, and what the loaders should survive: blank and superfluous
columns, lines above the header, files of other paddings, a sheet for each part, text that lacks a
word. SMIC's three releases are in `rendered.smic`.
"""

from __future__ import annotations

import dataclasses
import pathlib
import typing

import pandas as pd

from pipelines.synthetic import layouts

SPLIT_SHEETS = {"train": "training", "testA": "testA", "testB": "testB"}
_SAMM_FOUR_DIGITS = ("013_1_12", "013_1_8", "017_3_2", "026_1_1", "026_1_2", "035_7_2")
_FLAGS = ("Positive", "Negative", "Surprise", "Repression", "Others")
_DFME_WORDS = "anger contempt disgust fear happiness sadness surprise".split()


class Row(typing.NamedTuple):
    """A clip: its names as the loader gives them, and what the sheet says of it.

    `frames` are the numbers of the files; onset to offset when empty.
    """

    subject: str
    clip: str
    onset: int
    apex: int | str
    offset: int
    units: str
    emotion: str
    objective: str = ""
    split: str = ""
    frames: tuple[int, ...] = ()

    @property
    def numbers(self) -> tuple[int, ...]:
        return self.frames or tuple(range(self.onset, self.offset + 1))


class Table(typing.NamedTuple):
    """A sheet of a copy: path below the root, name of the sheet, rows."""

    path: str
    sheet: str
    rows: pd.DataFrame


# Columns that the embedded database goes without.
_MORE = {
    "samm": {"Objective Classes": "{objective}", "Duration": "=F15-D15+1", "Notes": None},
    "casme3": {"Objective class": "{objective}"},
    "casme": {"ApexF2": "0", "Unnamed: 7": None},
    "dfme": {"Fps": "500"},
}
LAYOUTS = {
    name: dataclasses.replace(layout, columns={**layout.columns, **_MORE.get(name, {})})
    for name, layout in layouts.LAYOUTS.items()
}


def frame(database: str, row: Row, number: int) -> pathlib.PurePath:
    """Where a frame of a clip lies below the root."""
    path = LAYOUTS[database].path(row, number)
    if database == "samm" and row.clip in _SAMM_FOUR_DIGITS:
        return path.with_name(f"{row.subject}_{number:04d}.jpg")
    if database == "casme" and row.subject >= "sub10":  # padded in some folders, in others not
        return path.with_name(f"{row.clip}-{number}.jpg")
    if database == "dfme" and row.split:
        return pathlib.PurePath("DFME", row.split, *path.parts[2:])
    return path


def tables(database: str, rows) -> list[Table]:
    """The sheets of a copy that holds `rows`."""
    layout = LAYOUTS[database]
    if not layout.sheet:
        return []
    if database == "dfme":
        parts = {s: [row for row in rows if (row.split or "train") == s] for s in SPLIT_SHEETS}
        made = [(f"DFME/{SPLIT_SHEETS[s]}_full_with_AU.xlsx", own) for s, own in parts.items()]
        return [Table(path, layout.tab, _frame(layout, own)) for path, own in made if own]
    table = _frame(layout, rows)
    more = []
    if database == "4dme":
        for flag in _FLAGS:
            table[flag] = [int(flag.lower() in row.emotion.split("+")) for row in rows]
        if len(rows) > 263:  # a known mistake of the sheet, whose flags are right
            table.loc[263, "Emotion"] = table.loc[263, "Emotion"].split("+")[0]
    elif database == "casme2" and any(row.objective for row in rows):
        classes = table[["Subject", "Filename"]].assign(
            **{"Objective Class": [row.objective for row in rows]}
        )
        more.append(Table("CASME2-ObjectiveClasses.xlsx", "Sheet1", classes))
    elif database == "samm":
        table.attrs["above"] = [f"Line {i} of an introduction" for i in range(1, 14)]
    return [Table(layout.sheet, layout.tab, table), *more]


def _frame(layout, rows):
    table = pd.DataFrame([layout.cells(row) for row in rows], columns=list(layout.columns))
    if "Fps" in table:
        table["EmotionId"] = [_DFME_WORDS.index(row.emotion) for row in rows]
    return table


def write_table(table: Table, root) -> pathlib.Path:
    """Writes a sheet below `root`, lines of text above its header; returns its path."""
    path = pathlib.Path(root, table.path)
    above = [[text] for text in table.rows.attrs.get("above", [])]
    headers = ["" if name.startswith("Unnamed") else name for name in table.rows.columns]
    cells = table.rows.astype(object).where(table.rows.notna(), None).to_numpy().tolist()
    first, *rest = [*above, headers, *cells]
    layouts.write_sheet(path, table.sheet, first, rest)
    return path
