"""The layouts that a synthetic database can have: where a frame lies, and what the sheet says.

A layout is text with fields in braces: of a `Row` its own, and `s` its subject's number, `parts`
its clip's name at the underscores, `head` and `tail` that name before and after the last three.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
import typing


class Row(typing.NamedTuple):
    """A clip: its names as the loader gives them, and what the sheet says of it."""

    subject: str
    clip: str
    onset: int
    apex: int | str
    offset: int
    units: str
    emotion: str


@dataclasses.dataclass(frozen=True)
class Layout:
    """A database's layout."""

    frame: str  # path of a frame below the root; field `number` is the frame's
    # Of subject and clip; fields: subject `s`, `label` from 1, `i` within it, `n` within the
    # subject, all from 1; `first` frame number; `token` and `letter` of the label.
    names: tuple[str, str]
    words: tuple[tuple[str, ...], ...]  # emotions of the labels 0, 1, 2, as in the sheet
    sheet: str = ""  # its path below the root; "" for a database without
    # Header -> cell; None for a blank column.
    columns: dict[str, str | None] = dataclasses.field(default_factory=dict)
    tab: str = "Sheet1"  # name of the sheet
    eye_distance: float = 130 / 640  # of a rendered face, as a share of the frame's width

    def path(self, row, number: int) -> pathlib.PurePath:
        """Where a frame of a clip lies below the root."""
        return pathlib.PurePath(_filled(self.frame, row, number=number))

    def name(self, s: int, label: int, i: int, n: int, first: int) -> tuple[str, str]:
        """Names of a subject and of a clip, as `names` has them."""
        token, letter = ("ne", "po", "sur")[label], "abc"[label]
        fields = {"s": s, "label": label + 1, "i": i, "n": n, "first": first}
        subject, clip = (t.format(token=token, letter=letter, **fields) for t in self.names)
        return subject, clip

    def cells(self, row) -> list:
        """The cells of a clip in the sheet, numbers as such."""
        texts = [None if cell is None else _filled(cell, row) for cell in self.columns.values()]
        return [int(t) if t and re.fullmatch(r"0|[1-9]\d*", t) else t for t in texts]


def _filled(text, row, **more):
    parts = row.clip.split("_")
    return text.format(
        **row._asdict(),
        **more,
        s=int(re.findall(r"\d+", row.subject)[0]),
        parts=parts,
        rest=row.clip.partition("_")[2],
        head="_".join(parts[:-3]),
        tail="_".join(parts[-3:]),
    )


_SEVEN = ("disgust", "anger"), ("happiness",), ("surprise",)
_CASME = ("disgust", "repression"), ("happiness",), ("surprise",)
_THREE = ("negative",), ("positive",), ("surprise",)
_NAMES = {"Subject": "{subject}", "Filename": "{clip}"}
_FRAMES = {"OnsetFrame": "{onset}", "ApexFrame": "{apex}", "OffsetFrame": "{offset}"}
_WORDS = {"Action Units": "{units}", "Estimated Emotion": "{emotion}"}

LAYOUTS = {
    "smic": Layout(
        "SMIC_all_raw/HS/s{s}/micro/{emotion}/s{s}_{rest}/image{number:06d}.bmp",
        ("s{s:02d}", "s{s:02d}_{token}_{i:02d}"),
        _THREE,
        eye_distance=94 / 640,
    ),
    "casme2": Layout(
        "CASME2_RAW_selected/{subject}/{clip}/img{number}.jpg",
        ("sub{s:02d}", "EP{label:02d}_{i:02d}"),
        _CASME,
        "CASME2-coding-20140508.xlsx",
        {"Subject": "{s:02d}", "Filename": "{clip}", "Unnamed: 2": None, **_FRAMES,
         "Unnamed: 6": None, **_WORDS},
    ),
    "samm": Layout(
        "SAMM/{subject}/{clip}/{subject}_{number:05d}.jpg",
        ("{s:03d}", "{s:03d}_{label}_{i}"),
        (("anger", "contempt"), ("happiness",), ("surprise",)),
        "SAMM_Micro_FACS_Codes_v2.xlsx",
        {**_NAMES, "Onset Frame": "{onset}", "Apex Frame": "{apex}", "Offset Frame": "{offset}",
         **_WORDS},
        "MICRO ONLY",
    ),
    "casme3": Layout(
        "Part_A_ME_clip/frame/{clip}/{number}.jpg",
        ("spNO.{s}", "spNO.{s}_{letter}_{first}"),
        (("disgust", "sad"), ("happy",), ("surprise",)),
        "cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx",
        {"Subject": "{subject}", "Filename": "{parts[1]}", "Onset": "{onset}", "Apex": "{apex}",
         "Offset": "{offset}", "AU": "{units}", "emotion": "{emotion}"},
        "label",
    ),
    "mmew": Layout(
        "MMEW_Final/Micro_Expression/{emotion}/{clip}/{number}.jpg",
        ("S{s:02d}", "S{s:02d}-{label:02d}-{i:03d}"),
        _SEVEN,
        "MMEW_Final/MMEW_Micro_Exp.xlsx",
        {**_NAMES, **_FRAMES, **_WORDS, "remarks": None},
    ),
    "4dme": Layout(
        "gray_micro/{head}/{tail}/{number}.jpg",
        ("S{s:02d}", "S{s:02d}_{label:03d}_01_{i}"),
        _THREE,
        "4DME_Labelling_Micro_release v1.xlsx",
        {"sub_ID": "{head}", "fold_name": "{tail}", "Emotion": "{emotion}", "Onset": "{onset}",
         "Apex": "{apex}", "Offset": "{offset}", "AUs": "{units}"},
    ),
    "dfme": Layout(
        "DFME/train/{clip}/{number:05d}.png",
        ("sub{s:04d}", "sub{s:04d}_{n:02d}"),
        _SEVEN,
        "DFME/training_full_with_AU.xlsx",
        {"Subject": "{s}", "Filename": "{clip}", **_FRAMES, "Emotion": "{emotion}",
         "AU": "{units}"},
    ),
    "casme": Layout(
        "CASME/CASME_raw_selected/{subject}/{clip}/{clip}-{number:03d}.jpg",
        ("sub{s:02d}", "EP{label:02d}_{i}"),
        _CASME,
        "CASME/casme.xlsx",
        {"Subject": "{s}", "Filename": "{clip}", "OnsetF": "{onset}", "ApexF1": "{apex}",
         "OffsetF": "{offset}", "AUs": "{units}", "Emotion": "{emotion}"},
    ),
}  # fmt: skip


def write_sheet(path, tab: str, headers, rows) -> None:
    """Writes an .xlsx; a header that begins with "Unnamed" is left blank, as the databases' are."""
    import openpyxl

    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    book = openpyxl.Workbook()
    book.active.title = tab
    for row in ([None if str(h).startswith("Unnamed") else h for h in headers], *rows):
        book.active.append(row)
    book.save(path)
