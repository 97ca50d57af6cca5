"""Where the databases keep a frame, and how their sheets look."""

import openpyxl
import pytest

from pipelines import databases
from pipelines.synthetic import layouts

PATHS = {
    "smic": (("s01", "s01_ne_01"), "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image000098.bmp"),
    "casme2": (("sub01", "EP02_01f"), "CASME2_RAW_selected/sub01/EP02_01f/img98.jpg"),
    "samm": (("006", "006_1_2"), "SAMM/006/006_1_2/006_00098.jpg"),
    "casme3": (("spNO.1", "spNO.1_b_98"), "Part_A_ME_clip/frame/spNO.1_b_98/98.jpg"),
    "mmew": (("S03", "S03-01-002"), "MMEW_Final/Micro_Expression/negative/S03-01-002/98.jpg"),
    "4dme": (("S13", "S13_1st_001_01_1"), "gray_micro/S13_1st/001_01_1/98.jpg"),
    "dfme": (("sub0003", "sub0003_01"), "DFME/train/sub0003_01/00098.png"),
    "casme": (("sub01", "EP01_5"), "CASME/CASME_raw_selected/sub01/EP01_5/EP01_5-098.jpg"),
}


@pytest.mark.parametrize("database", PATHS)
def test_paths(database):
    names, path = PATHS[database]
    row = layouts.Row(*names, 98, 99, 101, "4", "negative")
    assert str(layouts.LAYOUTS[database].path(row, 98)) == path


@pytest.mark.parametrize("database", layouts.LAYOUTS)
def test_names_are_those_that_the_loader_gives(tmp_path, database):
    layout = layouts.LAYOUTS[database]
    names = layout.name(3, 1, 2, 5, 98)
    row = layouts.Row(*names, 98, 99, 100, "4", layout.words[1][0])
    for number in (98, 99, 100):
        path = tmp_path / layout.path(row, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    if layout.sheet:
        cells = layout.cells(row)
        layouts.write_sheet(tmp_path / layout.sheet, layout.tab, layout.columns, [cells])
    (clip,) = databases.load(database).read(tmp_path)
    assert (clip.subject, clip.clip) == names and clip.numbers == (98, 99, 100)
    assert clip.action_units == (() if database == "smic" else ("4",))


def test_a_sheet_has_blank_headers_and_numbers_where_the_databases_have_them(tmp_path):
    layout = layouts.LAYOUTS["casme2"]
    row = layouts.Row("sub01", "EP02_01f", 98, "/", 101, "12", "happiness")
    path = tmp_path / "sheet.xlsx"
    layouts.write_sheet(path, layout.tab, layout.columns, [layout.cells(row)])
    header, cells = openpyxl.load_workbook(path).active.iter_rows(values_only=True)
    assert header[:4] == ("Subject", "Filename", None, "OnsetFrame")
    assert cells == ("01", "EP02_01f", None, 98, "/", 101, None, 12, "happiness")
