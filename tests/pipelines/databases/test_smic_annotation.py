"""SMIC-HS's names, errata and annotation sheet."""

import pandas as pd
import pytest

from pipelines import schema
from pipelines.databases import smic_annotation
from pipelines.databases.tree import Tree

Name = smic_annotation.Name


@pytest.mark.parametrize(
    "text, name",
    [
        ("s1_ne_01", Name(1, "ne", 1)),
        ("s01_ne_1", Name(1, "ne", 1)),
        ("S20_SUR_12", Name(20, "sur", 12)),
        ("s01_s1_ne_01.jpg", Name(1, "ne", 1)),
        ("s1_su_01", Name(1, "su", 1)),
        ("s1_non_micro_01", None),
        ("micro", None),
    ],
)
def test_names_in_all_spellings(text, name):
    assert smic_annotation.parse(text) == name


def test_the_canonical_name_is_padded():
    assert str(Name(3, "sur", 1)) == "s03_sur_01"
    assert Name(3, "sur", 1).key == "smic/s03/s03_sur_01"


@pytest.mark.parametrize(
    "name, expected",
    [
        ("SMIC-HS-E_annotation.xlsx", True),
        ("smic-hs-e_annotation_2019.XLSX", True),
        ("SMIC-VIS-E_annotation.xlsx", False),
        ("SMIC-HS-E_annotation.docx", False),
    ],
)
def test_sheets_by_name(name, expected):
    assert smic_annotation.is_sheet(name) == expected


def test_the_later_edition_is_preferred(tmp_path):
    sheets = ["/a/SMIC-HS-E_annotation_2019.xlsx", "/b/SMIC-HS-E_annotation.xlsx"]
    assert smic_annotation.find_sheet(Tree(tmp_path, sheets=sheets)) == sheets[0]
    assert smic_annotation.find_sheet(Tree(tmp_path)) is None


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_the_sheet_and_its_errata(tmp_path, suffix):
    table = pd.DataFrame(
        {
            "Subject": ["s1", "s3", "s9", None],
            "Unnamed: 1": None,
            " Filename ": ["s1_ne_01", "s3_po_08", "s9_sur_03", None],
            "Onset F": [559740, 402194, "/", None],
            "OffsetF": [559775, 402223, 91137, None],
            "Onset2F": None,
        }
    )
    path = tmp_path / f"SMIC-HS-E_annotation.{suffix}"
    if suffix == "csv":
        table.to_csv(path, index=False)
    else:
        with pd.ExcelWriter(path) as writer:
            other = pd.DataFrame({"Filename": ["s1_ne_01"], "OnsetF": [1], "OffsetF": [9]})
            other.to_excel(writer, sheet_name="VIS", index=False)
            table.to_excel(writer, sheet_name="HS", index=False, startrow=3)
    rows = smic_annotation.read_sheet(path)
    spans = {name: (row.onset, row.offset) for name, row in rows.items()}
    assert spans.pop(Name(1, "ne", 1)) == (559740, 559775)
    assert spans.pop(Name(3, "po", 8)) == (402194, 402225)  # two frames short in the sheet
    assert spans.pop(Name(4, "ne", 6)) == (219413, 219435)  # without a row of its own
    # What is left are the other clips without a row; s9_sur_03 has no onset.
    assert set(spans) == {name for name, e in smic_annotation.ERRATA.items() if e.onset} - {
        Name(4, "ne", 6)
    }


def test_every_erratum_has_a_reason():
    assert all(erratum.reason for erratum in smic_annotation.ERRATA.values())


def test_a_sheet_that_is_none(tmp_path):
    sheet = tmp_path / "SMIC-HS-E_annotation.xlsx"
    sheet.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(schema.DataError, match="annotation.xlsx: cannot be read as a spreadsheet"):
        smic_annotation.read_sheet(sheet)
    pd.DataFrame({"Filename": ["s5_ne_01"], "Onset": [1]}).to_excel(sheet, sheet_name="HS")
    with pytest.raises(schema.DataError, match="no column for onset .onsetf."):
        smic_annotation.read_sheet(sheet)
