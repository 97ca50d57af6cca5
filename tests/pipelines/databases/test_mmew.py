"""MMEW: two layouts, macro-expressions beside, rows known to be wrong."""

import shutil

import disk
import pytest
from rendered import layouts

from pipelines.databases import mmew

ROW = layouts.Row("S03", "S03-01-002", 1, 4, 9, "12", "happiness")


@pytest.mark.parametrize("folder", ["Micro_Expression/happiness", "S03/happiness", "S03"])
def test_layouts(tmp_path, folder):
    disk.write_sheets(tmp_path, "mmew", [ROW])
    made = disk.write_frames(tmp_path / "new", "mmew", [ROW])
    shutil.copytree(made, tmp_path / "MMEW_Final" / folder / "S03-01-002")
    shutil.rmtree(tmp_path / "new")
    shutil.copytree(
        tmp_path / "MMEW_Final" / folder, tmp_path / "MMEW_Final/Macro_Expression/S03/happiness"
    )
    (clip,) = mmew.DATABASE.read(tmp_path)
    assert (clip.key, clip.apex, clip.numbers[-1]) == ("mmew/S03/S03-01-002", 3, 9)
    assert "Macro" not in clip.frames[0]


def test_known_rows_are_mended(tmp_path):
    from rendered import whole

    disk.write_copy(tmp_path, "mmew", whole.rows("mmew"))
    clips = {clip.clip: clip for clip in mmew.DATABASE.read(tmp_path)}
    rows = whole.rows("mmew")
    assert len(mmew.ROW_ERRATA) == 16
    for erratum in mmew.ROW_ERRATA:
        clip = clips[rows[erratum.index].clip]
        assert clip.numbers[clip.apex] == erratum.values["apex"]
        assert clip.numbers[-1] == erratum.values["offset"]


def test_a_shortened_sheet_is_not_mended_by_row(tmp_path):
    row = ROW._replace(apex="/")
    rows = [row._replace(clip=f"S03-01-{i:03d}") for i in range(40)]
    disk.write_copy(tmp_path, "mmew", rows)
    clips = mmew.DATABASE.read(tmp_path)
    assert {(clip.apex, clip.numbers[-1]) for clip in clips} == {(None, 9)}
