"""Rows of a sheet: what is read, what is unreadable, what is corrected."""

import pytest

from pipelines.databases import rows, sheet
from pipelines.databases.database import ANY, Erratum


def line(**cells):
    known = {"subject": "1", "clip": "x", "onset": "91", "apex": "97", "offset": "104"}
    known |= {"emotion": "Disgust", "units": "L4+7", "objective": "iii"} | cells
    return sheet.Line("sheet: line 2", known, {name: f"{name}Frame" for name in known})


def test_a_row_has_the_cells_as_the_loaders_take_them():
    row = rows.row(line(), "sub01", "EP01", ("sub01", "ep01"), split="train")
    assert (row.onset, row.apex, row.offset) == (91, 97, 104)
    assert (row.emotion, row.units, row.objective) == ("disgust", ("L4", "7"), "III")
    assert (row.place, row.folders, row.split) == ("sheet: line 2", (("sub01", "ep01"),), "train")
    assert row.fault == ""


@pytest.mark.parametrize("field", ["onset", "apex", "offset", "flag"])
def test_a_number_that_cannot_be_read_is_the_rows_fault(field):
    row = rows.row(line(**{field: "1,091"}), "sub01", "EP01", also=("flag",))
    assert row.fault.startswith(f"column {field}Frame: '1,091' is no whole number")
    assert rows.row(line(**{field: "/"}), "sub01", "EP01", also=("flag",)).fault == ""
    two = rows.row(line(onset="91,0", apex="97,0"), "sub01", "EP01").fault
    assert two.startswith("column onsetFrame: '91,0', column apexFrame: '97,0' is no whole number")


def test_errata_apply_to_what_the_sheet_says():
    row = rows.row(line(), "sub01", "EP01")
    errata = (
        Erratum("sub01/EP*", "apex", 97, 98, "late"),
        Erratum("EP01", "onset", 90, 1, "another edition's"),
        Erratum("sub02/EP01", "offset", ANY, 1, "another person's"),
        Erratum("EP01", "units", ANY, ("4",), "unclear"),
    )
    found = rows.corrected(errata, row)
    assert (found.onset, found.apex, found.offset, found.units) == (91, 98, 104, ("4",))
    assert found.notes == ("apex 97 -> 98: late", "units ('L4', '7') -> ('4',): unclear")
    assert rows.corrected(errata, found) == found
