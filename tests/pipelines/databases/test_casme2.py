"""CASME II as it circulates: three trees, many hands on the coding sheet, one list of 145."""

import cv2
import numpy as np
import pandas as pd
import pytest

from pipelines import schema
from pipelines.databases import casme2, casme2_annotation
from pipelines.synthetic import layouts

# subject, clip, onset, apex, offset, action units, emotion
ROWS = [
    ("sub01", "EP02_01f", 96, 99, 102, "L4+7", "disgust"),
    ("sub01", "EP03_02", 1, 3, 5, 12, "happiness"),
    ("sub02", "EP02_01f", 10, 12, 15, "1+2", "surprise"),
    ("sub02", "EP06_02f", 20, 22, 24, "?", "others"),
    ("sub04", "EP12_01f", 261, "/", 266, 4, "disgust"),
    ("sub05", "EP09_05f", 69, 69, 73, 4, "disgust"),
    ("sub05", "EP16_04f", 30, 35, 35, "15+17", "repression"),
]
PIXEL = cv2.imencode(".jpg", np.zeros((2, 2), np.uint8))[1].tobytes()


def build(root, rows=ROWS, tree="CASME2_RAW_selected", prefix="img", extra=0):
    """A tree of one-pixel frames, `extra` more before each onset and behind each offset."""
    for subject, clip, onset, _, offset, *_ in rows:
        folder = root / tree / subject / clip
        folder.mkdir(parents=True)
        for number in range(max(onset - extra, 1), offset + extra + 1):
            (folder / f"{prefix}{number}.jpg").write_bytes(PIXEL)
    return root


def write_sheet(root, rows=ROWS, name=layouts.CASME2_SHEET):
    layouts.write_sheet(layouts.casme2_annotation(rows), root / name, "Sheet1")
    return root / name


@pytest.fixture
def copy(tmp_path):
    build(tmp_path)
    write_sheet(tmp_path)
    return tmp_path


def test_clips_of_the_protocol_are_read(copy):
    clips = {f"{c.subject}/{c.clip}": c for c in casme2.read(copy)}
    assert set(clips) == {
        "sub01/EP02_01f",
        "sub01/EP03_02",
        "sub02/EP02_01f",  # a name that an earlier subject has too
        "sub05/EP16_04f",
    }
    first = clips["sub01/EP02_01f"]
    assert first.numbers == (96, 97, 98, 99, 100, 101, 102)  # not img100 before img96
    assert (first.onset, first.apex, first.offset) == (0, 3, 6)
    assert first.action_units == ("L4", "7") and first.emotion == "disgust" and first.label == 0
    assert clips["sub01/EP03_02"].action_units == ("12",) and clips["sub01/EP03_02"].label == 1
    assert clips["sub02/EP02_01f"].label == 2
    last = clips["sub05/EP16_04f"]
    assert last.apex == last.offset  # as coded


def test_another_protocol_takes_other_clips_and_mends_the_apex(copy):
    classes = {"disgust": 0, "others": 1}
    clips = {c.clip: c for c in casme2.read(copy, classes=classes)}
    assert set(clips) == {"EP02_01f", "EP06_02f", "EP12_01f", "EP09_05f"}
    assert clips["EP06_02f"].label == 1 and clips["EP06_02f"].action_units == ()
    assert clips["EP12_01f"].apex is None and clips["EP09_05f"].apex is None


@pytest.mark.parametrize(
    ("tree", "prefix", "extra"),
    [
        ("CASME2_RAW_selected/CASME2_RAW_selected", "img", 0),
        ("CASME2-RAW", "img", 4),
        ("Cropped", "reg_img", 0),
    ],
)
def test_trees_of_the_distribution(tmp_path, tree, prefix, extra):
    build(tmp_path, tree=tree, prefix=prefix, extra=extra)
    write_sheet(tmp_path)
    clips = casme2.read(tmp_path)
    assert len(clips) == 4
    assert clips[0].numbers == tuple(range(96, 103))
    assert tree in clips[0].frames[0]


def test_selected_frames_are_preferred(copy):
    build(copy, tree="Cropped", prefix="reg_img")
    build(copy, tree="CASME2-RAW", extra=2)
    assert all("RAW_selected" in path for clip in casme2.read(copy) for path in clip.frames)


def edited(rows):
    """The sheet as edited copies have it: no blank columns, '/' as 300, subjects as numbers."""
    table = pd.DataFrame(rows, columns=casme2_annotation_columns())
    table["Subject"] = table["Subject"].str[3:].astype(int)
    return table.assign(**{"ApexFrame ": [300 if a == "/" else a for a in table["ApexFrame "]]})


def casme2_annotation_columns():
    return [
        "Subject",
        "Filename",
        "OnsetFrame",
        "ApexFrame ",
        "OffsetFrame",
        "Action Units",
        "Estimated Emotion",
    ]


def test_edited_sheets_give_the_same_rows(tmp_path):
    original = casme2_annotation.read_sheet(write_sheet(tmp_path))
    table = edited(ROWS)
    table["Filename"] += " "
    table["Estimated Emotion"] = table["Estimated Emotion"].str.title()
    table.to_csv(tmp_path / "coding.csv", index=False)
    table.to_excel(tmp_path / "coding.xlsx", index=False, startrow=3)  # lines above the header
    for name in ("coding.csv", "coding.xlsx"):
        rows = casme2_annotation.read_sheet(tmp_path / name)
        assert [r.__dict__ | {"line": 0} for r in rows] == [
            r.__dict__ | {"line": 0} for r in original
        ]


def test_official_list_follows_the_sheet_of_2014(tmp_path):
    rows = [
        ("sub24", "EP07_01", 10, 12, 14, 1, "surprise"),  # sadness until 2019
        ("sub24", "EP02_07", 61, 63, 65, 4, "disgust"),  # added privately
        ("sub24", "EP01_08", 10, 12, 14, 12, "happiness"),
    ]
    build(tmp_path, rows)
    write_sheet(tmp_path, rows, "CASME2-coding-20190701.xlsx")
    assert [c.clip for c in casme2.read(tmp_path)] == ["EP01_08"]
    (tmp_path / "sheets").mkdir()
    write_sheet(tmp_path, rows[:1], "sheets/CASME2-coding-20140508.xlsx")
    skipped = []
    assert casme2.read(tmp_path, skipped) == []  # the sheet of 2014 wins
    assert [s.key for s in skipped] == ["casme2/sub24/EP01_08"]  # EP02_07 is known to have no row


def test_counts_of_the_official_list(tmp_path):
    words = ["disgust"] * 63 + ["repression"] * 27 + ["happiness"] * 32 + ["surprise"] * 25
    words += ["others"] * 99 + ["sadness"] * 7 + ["fear"] * 2  # the sheet of 2014
    names = [("sub04", "EP12_01f"), ("sub05", "EP09_05f")]  # two of disgust
    names += [(f"sub{i % 26 + 1:02d}", f"EP01_{i:03d}") for i in range(2, 255)]
    rows = [(s, c, 8, 9, 10, 4, word) for (s, c), word in zip(names, words)]
    build(tmp_path, rows)
    write_sheet(tmp_path, rows)
    labels = [clip.label for clip in casme2.read(tmp_path)]
    assert [labels.count(k) for k in range(3)] == [88, 32, 25]


def test_missing_ends_are_clamped(copy):
    folder = copy / "CASME2_RAW_selected/sub01/EP02_01f"
    for number in (96, 99, 102):
        (folder / f"img{number}.jpg").unlink()
    clip = casme2.read(copy)[0]
    assert clip.numbers == (97, 98, 100, 101)
    assert clip.numbers[clip.apex] in (98, 100)  # the nearest to 99
    assert clip.offset == 3


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("sub01", "EP02_01f", 96, 120, 102, 4, "disgust"), "apex 120 outside 96-102"),
        (("sub01", "EP02_01f", 102, 99, 96, 4, "disgust"), "offset 96 before onset 102"),
        (("sub01", "EP02_01f", 96, 99, 102, 4, "boredom"), "unknown emotion 'boredom'"),
        (("sub01", "EP99", 96, 99, 102, 4, "disgust"), "no folder sub01/EP99"),
        (("sub01", "EP02_01f", 500, 501, 502, 4, "disgust"), "0 of the frames 500-502"),
        (("sub01", "EP03_02", 1, 3, 5, 12, "happiness"), "second row"),
    ],
)
def test_bad_rows_are_skipped_and_named(copy, row, reason):
    sheet = write_sheet(copy, [row, *ROWS[1:]])
    skipped = []
    clips = casme2.read(copy, skipped)
    assert len(clips) == 3
    said = {s.key: s for s in skipped}[f"casme2/{row[0]}/{row[1]}"]
    assert reason in said.reason and str(sheet) in said.path
    with pytest.raises(schema.DataError, match=f"{row[1]}: .*{reason}"):
        casme2.read(copy)


def test_folder_without_a_row_is_named(copy):
    write_sheet(copy, ROWS[1:])
    skipped = []
    assert len(casme2.read(copy, skipped)) == 3
    assert skipped[0].key == "casme2/sub01/EP02_01f" and "no row" in skipped[0].reason


def test_misuse_names_the_layout(tmp_path):
    with pytest.raises(schema.DataError, match="no such folder.*CASME2_RAW_selected"):
        casme2.read(tmp_path / "absent")
    with pytest.raises(schema.DataError, match="no folder like sub01.*--dataset synthetic"):
        casme2.read(tmp_path)
    build(tmp_path)
    with pytest.raises(schema.DataError, match="no coding sheet"):
        casme2.read(tmp_path)
    (tmp_path / layouts.CASME2_SHEET).write_bytes(b"not a spreadsheet")
    with pytest.raises(schema.DataError, match="cannot be read as a spreadsheet"):
        casme2.read(tmp_path)
    pd.DataFrame({"Name": ["x"]}).to_excel(tmp_path / layouts.CASME2_SHEET, index=False)
    with pytest.raises(schema.DataError, match="no header that begins with Subject"):
        casme2.read(tmp_path)
    pd.DataFrame({"Subject": ["1"]}).to_excel(tmp_path / layouts.CASME2_SHEET, index=False)
    with pytest.raises(schema.DataError, match="no column for clip"):
        casme2.read(tmp_path)


@pytest.mark.parametrize(
    ("cell", "units"),
    [("L4+7", ("L4", "7")), ("12 ", ("12",)), ("?", ()), ("", ()), ("r14 + 6", ("R14", "6"))],
)
def test_action_units(cell, units):
    assert casme2_annotation.action_units(cell) == units
