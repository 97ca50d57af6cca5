"""CASME II as it circulates: three trees, many hands on the coding sheet, two editions of it."""

import cv2
import numpy as np
import pandas as pd
import pytest
from rendered import layouts

from pipelines import protocols, schema
from pipelines.databases import casme2

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


SHEET = "CASME2-coding-20140508.xlsx"


def write_sheet(root, rows=ROWS, name=SHEET):
    (table,) = layouts.tables("casme2", [layouts.Row(*row) for row in rows])
    return layouts.write_table(table._replace(path=name), root)


@pytest.fixture
def copy(tmp_path):
    build(tmp_path)
    write_sheet(tmp_path)
    return tmp_path


def test_every_clip_is_read_with_the_label_of_the_protocol(copy):
    clips = {f"{c.subject}/{c.clip}": c for c in casme2.DATABASE.read(copy)}
    assert set(clips) == {f"{row[0]}/{row[1]}" for row in ROWS}
    assert {key: clip.label for key, clip in clips.items()} == {
        "sub01/EP02_01f": 0,
        "sub01/EP03_02": 1,
        "sub02/EP02_01f": 2,  # a name that an earlier subject has too
        "sub02/EP06_02f": -1,  # others
        "sub04/EP12_01f": -1,  # not in the official list
        "sub05/EP09_05f": -1,
        "sub05/EP16_04f": 0,
    }
    first = clips["sub01/EP02_01f"]
    assert first.numbers == (96, 97, 98, 99, 100, 101, 102)  # not img100 before img96
    assert (first.onset, first.apex, first.offset) == (0, 3, 6)
    assert first.action_units == ("L4", "7") and first.emotion == "disgust"
    assert clips["sub01/EP03_02"].action_units == ("12",)
    assert clips["sub02/EP06_02f"].emotion == "others"
    last = clips["sub05/EP16_04f"]
    assert last.apex == last.offset  # as coded


def test_errata_mend_the_apex_and_say_so(copy):
    clips = {c.clip: c for c in casme2.DATABASE.read(copy)}
    assert clips["EP12_01f"].apex is None and clips["EP09_05f"].apex is None
    assert "is the onset" in clips["EP09_05f"].notes[0]
    table = pd.read_excel(copy / SHEET, dtype=str)
    table["ApexFrame"] = table["ApexFrame"].str.replace("/", "300")  # edited copies guess
    table.to_excel(copy / SHEET, index=False)
    clip = {c.clip: c for c in casme2.DATABASE.read(copy)}["EP12_01f"]
    assert clip.apex is None and "apex 300 -> None" in clip.notes[0]


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
    clips = casme2.DATABASE.read(tmp_path)
    assert len(clips) == 7
    assert clips[0].numbers == tuple(range(96, 103))
    assert tree in clips[0].frames[0]


def test_selected_frames_are_preferred(copy):
    build(copy, tree="Cropped", prefix="reg_img")
    build(copy, tree="CASME2-RAW", extra=2)
    assert all(
        "RAW_selected" in path for clip in casme2.DATABASE.read(copy) for path in clip.frames
    )


def edited(rows):
    """The sheet as edited copies have it: no blank columns, subjects as numbers."""
    table = pd.DataFrame(rows, columns=annotation_columns())
    table["Subject"] = table["Subject"].str[3:].astype(int)
    return table


def annotation_columns():
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
    build(tmp_path)
    path = write_sheet(tmp_path)
    original = casme2.DATABASE.read(tmp_path)
    path.unlink()
    table = edited(ROWS)
    table["Filename"] += " "
    table["Estimated Emotion"] = table["Estimated Emotion"].str.title()
    table.to_csv(tmp_path / "coding.csv", index=False)
    table.to_excel(tmp_path / "coding.xlsx", index=False, startrow=3)  # lines above the header
    for name in ("coding.csv", "coding.xlsx"):
        assert casme2.DATABASE.read(tmp_path) == original
        (tmp_path / name).unlink()


def test_official_lists_follow_the_sheet_of_2014(tmp_path):
    rows = [
        ("sub24", "EP07_01", 10, 12, 14, 1, "surprise"),  # sadness until 2019
        ("sub24", "EP02_07", 61, 63, 65, 4, "disgust"),  # added privately
        ("sub24", "EP01_08", 10, 12, 14, 12, "happiness"),
    ]
    build(tmp_path, rows)
    write_sheet(tmp_path, rows, "CASME2-coding-20190701.xlsx")
    clips = casme2.DATABASE.read(tmp_path)
    assert len(clips) == 3
    for name in ("casme2-3", "casme2-5"):
        taken = protocols.apply(clips, protocols.choose("casme2", name))
        assert [c.clip for c in taken] == ["EP01_08"]
    (tmp_path / "sheets").mkdir()
    write_sheet(tmp_path, rows[:1], "sheets/CASME2-coding-20140508.xlsx")
    skipped = []
    assert [c.clip for c in casme2.DATABASE.read(tmp_path, skipped)] == [
        "EP07_01"
    ]  # that of 2014 wins
    assert [s.key for s in skipped] == ["casme2/sub24/EP01_08"]  # EP02_07 is known to have no row


def test_objective_classes_come_from_whichever_sheet_has_them(copy):
    assert {clip.objective for clip in casme2.DATABASE.read(copy)} == {""}
    classes = pd.DataFrame(
        {"Subject": [1, 1], "Filename": ["EP02_01f", "EP03_02"], "Objective Class": ["III", 2]}
    )
    classes.to_excel(copy / "CASME2-ObjectiveClasses.xlsx", index=False)
    clips = {f"{c.subject}/{c.clip}": c.objective for c in casme2.DATABASE.read(copy)}
    assert clips["sub01/EP02_01f"] == "III" and clips["sub01/EP03_02"] == "II"
    assert clips["sub02/EP02_01f"] == ""  # another subject's clip of the same name
    table = pd.read_excel(copy / SHEET, dtype={"Subject": str})
    table["Objective Classes"] = "V"
    table.to_excel(copy / "CASME2-coding-20190701.xlsx", index=False)
    (copy / "CASME2-ObjectiveClasses.xlsx").unlink()
    assert {clip.objective for clip in casme2.DATABASE.read(copy)} == {"V"}


def test_missing_ends_are_clamped(copy):
    folder = copy / "CASME2_RAW_selected/sub01/EP02_01f"
    for number in (96, 99, 102):
        (folder / f"img{number}.jpg").unlink()
    clip = casme2.DATABASE.read(copy)[0]
    assert clip.numbers == (97, 98, 100, 101)
    assert clip.numbers[clip.apex] in (98, 100)  # the nearest to 99
    assert clip.offset == 3
    assert clip.notes == (
        "apex 99 is missing: 98 taken, the nearest",
        "3 of the frames 96-102 are missing: clamped to 97-101",
    )


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
    clips = casme2.DATABASE.read(copy, skipped)
    assert len(clips) == 6
    said = {s.key: s for s in skipped}[f"casme2/{row[0]}/{row[1]}"]
    assert reason in said.reason and str(sheet) in said.path
    with pytest.raises(schema.DataError, match=f"{row[1]}: .*{reason}"):
        casme2.DATABASE.read(copy)


def test_folder_without_a_row_is_named(copy):
    write_sheet(copy, ROWS[1:])
    skipped = []
    assert len(casme2.DATABASE.read(copy, skipped)) == 6
    assert skipped[0].key == "casme2/sub01/EP02_01f" and "no row" in skipped[0].reason


def test_misuse_names_the_layout(tmp_path):
    with pytest.raises(schema.DataError, match="no such folder.*CASME2_RAW_selected"):
        casme2.DATABASE.read(tmp_path / "absent")
    with pytest.raises(schema.DataError, match="no folder like sub01.*--dataset synthetic"):
        casme2.DATABASE.read(tmp_path)
    build(tmp_path)
    with pytest.raises(schema.DataError, match="no annotation sheet .CASME2-coding-20140508.xlsx"):
        casme2.DATABASE.read(tmp_path)


def test_empty_folder_of_a_clip_is_named(copy):
    for path in (copy / "CASME2_RAW_selected/sub01/EP02_01f").iterdir():
        path.unlink()
    with pytest.raises(schema.DataError, match="EP02_01f holds no numbered image: copy it again"):
        casme2.DATABASE.read(copy)
