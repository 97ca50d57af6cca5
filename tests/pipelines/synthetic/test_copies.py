"""Where the databases keep a frame, and how their sheets look."""

import pandas as pd
import pytest

from pipelines.synthetic import copies, layouts

PATHS = {
    "smic": (("s01", "s01_ne_01"), "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image000098.bmp"),
    "casme2": (("sub01", "EP02_01f"), "CASME2_RAW_selected/sub01/EP02_01f/img98.jpg"),
    "samm": (("006", "006_1_2"), "SAMM/006/006_1_2/006_00098.jpg"),
    "casme3": (("spNO.1", "spNO.1_b_98"), "Part_A_ME_clip/frame/spNO.1_b_98/98.jpg"),
    "mmew": (("S03", "S03-01-002"), "MMEW_Final/Micro_Expression/disgust/S03-01-002/98.jpg"),
    "4dme": (("S13", "S13_1st_001_01_1"), "gray_micro/S13_1st/001_01_1/98.jpg"),
    "dfme": (("sub0003", "sub0003_01"), "DFME/train/sub0003_01/00098.png"),
    "casme": (("sub01", "EP01_5"), "CASME/CASME_raw_selected/sub01/EP01_5/EP01_5-098.jpg"),
}


@pytest.mark.parametrize("database", PATHS)
def test_paths(database):
    names, path = PATHS[database]
    row = copies.Row(*names, 98, 99, 101, "4", "disgust")
    assert str(copies.COPIES[database].frame(row, 98)) == path
    assert row.numbers == (98, 99, 100, 101)


def test_samm_has_folders_of_four_digits():
    row = copies.Row("013", "013_1_8", 841, 867, 919, "4", "anger")
    assert copies.COPIES["samm"].frame(row, 841).name == "013_0841.jpg"


def test_sheets_keep_their_flaws(tmp_path):
    row = copies.Row("006", "006_1_2", 98, 99, 101, "4", "other", "VII")
    (table,) = copies.COPIES["samm"].tables([row])
    layouts.write_sheet(table.rows, tmp_path / "samm.xlsx", table.sheet)
    cells = pd.read_excel(tmp_path / "samm.xlsx", header=None, dtype=str)
    assert cells.iloc[13, 0] == "Subject" and cells.iloc[14, 0] == "006"
    row = copies.Row("sub01", "EP01_5", 98, 99, 101, "4", "tense")
    (table,) = copies.COPIES["casme"].tables([row])
    layouts.write_sheet(table.rows, tmp_path / "casme.xlsx", table.sheet)
    cells = pd.read_excel(tmp_path / "casme.xlsx", header=None)
    assert cells.iloc[0].isna().tolist() == [False, False, True] + [False] * 4 + [True] + [
        False,
        False,
    ]
    assert cells.iloc[1, 0] == 1  # a number, where folders have sub01


def test_names_of_a_synthetic_database_are_the_loaders():
    for database, copy in copies.COPIES.items():
        subject, clip = copy.name(3, 1, 2, 98)
        row = copies.Row(subject, clip, 98, 99, 101, "4", copy.words[1][0])
        assert str(copy.frame(row, 98)), database
