"""Annotation sheets: cells, headers, formats, and what is none."""

import pathlib

import openpyxl
import pandas as pd
import pytest

from pipelines import schema
from pipelines.databases import sheet

COLUMNS = {"subject": ("subject", "subid"), "clip": ("filename",), "apex": ("apexframe", "apexf1")}


@pytest.mark.parametrize(
    ("cell", "units"),
    [
        ("L4+7", ("L4", "7")),
        ("12 ", ("12",)),
        ("12+15 ", ("12", "15")),
        ("?", ()),
        ("", ()),
        ("r14 + 6", ("R14", "6")),
        ("AU4(k)+L7", ("L7",)),
        ("AU4(k+L7", ("L7",)),
        ("AUR2+12k)+45", ("R2", "45")),
        ("4(k)'", ()),
        ("AUL4+AU12", ("L4", "12")),
        ("R12 or R15", ("R12",)),
        ("4 or 7+10", ("4", "10")),
        ("12B+6A", ("12B", "6A")),
        ("7+ref(43)", ("7",)),
    ],
)
def test_action_units(cell, units):
    assert sheet.action_units(cell) == units


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize(
    ("cell", "number"),
    [("46", 46), ("0", 0), ("91.0", 91), (" 91.0 ", 91), ("\uff19\uff11", 91), ("91.00", 91)]
    + [(cell, None) for cell in ("", " ", "/", "\\", "-", "nan", "NaN", "\uff0f")],
)
def test_numbers(tmp_path, suffix, cell, number):
    table = pd.DataFrame({"Subject": ["1"], "Filename": ["x"], "ApexF1": [cell]})
    (line,) = sheet.read(write(tmp_path / f"a{suffix}", table), COLUMNS)
    assert line.number("apex") == number


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize(
    "cell", ["1,091", "91,0", "img91.jpg", "46.5", "-1", "?", "N/A", "#REF!", "9 1", "91*"]
)
def test_a_number_that_cannot_be_read_is_an_error(tmp_path, suffix, cell):
    table = pd.DataFrame({"Subject": ["1"], "Filename": ["x"], "Apex Frame": [cell]})
    (line,) = sheet.read(write(tmp_path / f"a{suffix}", table, above=2), COLUMNS)
    assert line.place == f"{tmp_path}/a{suffix}: line 4"
    with pytest.raises(schema.DataError) as error:
        line.number("apex")
    assert f"column Apex Frame: {cell!r} is no whole number: correct the cell" in str(error.value)


@pytest.mark.parametrize(
    ("cell", "name"), [("I", "I"), ("vii", "VII"), ("3", "III"), ("8", ""), ("", ""), ("0", "")]
)
def test_objective_classes(cell, name):
    assert sheet.objective(cell) == name


def write(path, table, above=0):
    if path.suffix == ".csv":
        lines = "\n".join(f"note {i}" for i in range(above))
        path.write_text((lines + "\n" if above else "") + table.to_csv(index=False))
    else:
        table.to_excel(path, index=False, startrow=above)
    return path


@pytest.mark.parametrize("suffix", [".xlsx", ".csv"])
@pytest.mark.parametrize("above", [0, 13])
def test_columns_by_name_below_whatever_stands_above(tmp_path, suffix, above):
    table = pd.DataFrame(
        {" SUBJECT": [6, None, 7], "Apex\nFrame": ["/", None, 9], "Unnamed: 2": None,
         "File name ": ["a ", None, "b"]}
    )  # fmt: skip
    rows = sheet.read(write(tmp_path / f"sheet{suffix}", table, above), COLUMNS)
    assert [row["clip"] for row in rows] == ["a", "b"]
    assert [row.number("subject") for row in rows] == [6, 7]
    assert [row.number("apex") for row in rows] == [None, 9]
    ends = [row.place.rpartition(": ")[2] for row in rows]
    assert ends == [f"line {above + 2}", f"line {above + 4}"]


def test_semicolons_index_columns_and_marks(tmp_path):
    path = tmp_path / "edited.csv"
    path.write_bytes("\ufeff;sub_ID';FileName';ApexF1'\n0;006;x;4\n".encode())
    (line,) = sheet.read(path, COLUMNS)
    assert line.cells == {"subject": "006", "clip": "x", "apex": "4"}


@pytest.mark.parametrize("coding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
@pytest.mark.parametrize("mark", ["\t", ";", ","])
def test_encodings_and_separators(tmp_path, coding, mark):
    text = "Subject,Filename,ApexF1,Notes\n01,x,97,\u7b11\n".replace(",", mark)
    (tmp_path / "a.csv").write_bytes(text.encode(coding))
    (line,) = sheet.read(tmp_path / "a.csv", COLUMNS)
    assert line.cells == {"subject": "01", "clip": "x", "apex": "97"}


def test_sheet_among_several(tmp_path):
    with pd.ExcelWriter(tmp_path / "a.xlsx") as writer:
        pd.DataFrame({"Notes": ["x"]}).to_excel(writer, sheet_name="read me", index=False)
        table = pd.DataFrame({"Subject": ["1"], "Filename": ["x"], "ApexF1": [3]})
        table.to_excel(writer, sheet_name="label", index=False)
    assert sheet.read(tmp_path / "a.xlsx", COLUMNS)[0]["clip"] == "x"


def test_what_is_no_sheet_is_named(tmp_path):
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"not a spreadsheet")
    with pytest.raises(schema.DataError, match="a.xlsx: cannot be read as a spreadsheet"):
        sheet.read(path, COLUMNS)
    pd.DataFrame({"Name": ["x"]}).to_excel(path, index=False)
    with pytest.raises(schema.DataError, match="no header with the column Subject"):
        sheet.read(path, COLUMNS)
    pd.DataFrame({"Subject": ["1"], "Filename": ["x"]}).to_excel(path, index=False)
    with pytest.raises(schema.DataError, match=r"no column for apex \(apexframe or apexf1\)"):
        sheet.read(path, COLUMNS)
    assert sheet.read(path, COLUMNS, optional=("apex",))[0]["apex"] == ""
    pd.DataFrame({"Subject": [], "Filename": [], "ApexF1": []}).to_excel(path, index=False)
    with pytest.raises(schema.DataError, match="holds no rows"):
        sheet.read(path, COLUMNS)


def test_a_header_whose_columns_stand_in_any_order(tmp_path):
    table = pd.DataFrame({"Apex Frame": [3], "Filename": ["x"], "Notes": ["Subject"], "Subject": 6})
    (row,) = sheet.read(write(tmp_path / "a.xlsx", table, above=2), COLUMNS)
    assert row.cells == {"subject": "6", "clip": "x", "apex": "3"}
    assert row.place.endswith(": line 4")


def test_full_width_characters_and_blanks_of_all_kinds(tmp_path):
    table = pd.DataFrame(
        {"Ｓｕｂｊｅｃｔ": ["００６"], "Filename": ["\xa0x\u3000"], "ApexFrame": ["／"]}
    )
    (row,) = sheet.read(write(tmp_path / "a.csv", table), COLUMNS)
    assert (row["subject"], row["clip"], row["apex"]) == ("006", "x", "/")
    assert row.number("apex") is None and row.number("subject") == 6


def test_cells_merged_over_several_rows(tmp_path):
    path = tmp_path / "a.xlsx"
    table = pd.DataFrame({"Subject": ["01", "", "", "", "02"], "Filename": ["a", "b", "", "n", "c"],
                          "ApexFrame": [1, 2, "", "", 3]})  # fmt: skip
    table.to_excel(path, index=False)
    book = openpyxl.load_workbook(path)
    book.active.merge_cells("A2:A3")
    book.save(path)
    rows = sheet.read(path, COLUMNS)
    # A line with a name alone is a remark.
    assert [(row["subject"], row["clip"]) for row in rows] == [
        ("01", "a"),
        ("01", "b"),
        ("02", "c"),
    ]


def test_xls(tmp_path):
    """A sheet as old spreadsheets write it; coding.xls holds three rows, made with xlwt."""
    columns = {**COLUMNS, "onset": ("onsetframe",)}
    rows = sheet.read(pathlib.Path(__file__).parent / "coding.xls", columns)
    found = [(r.place[-1], r["subject"], r["clip"], r["onset"], r["apex"]) for r in rows]
    assert found == [
        ("3", "01", "EP02_01f", "46", "59"),
        ("4", "2", "EP09_01", "1", "/"),
        ("6", "2", "EP10_02", "10", "12"),
    ]
    (tmp_path / "cut.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with pytest.raises(schema.DataError, match="cut.xls: cannot be read as a spreadsheet"):
        sheet.read(tmp_path / "cut.xls", COLUMNS)
