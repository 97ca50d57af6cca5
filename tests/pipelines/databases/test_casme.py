"""CASME: file names padded and not, two apex columns, rows known to be wrong."""

import disk
from rendered import layouts, whole

from pipelines.databases import casme


def test_padding_and_prefixes(tmp_path):
    row = layouts.Row("sub01", "EP01_5", 98, 99, 101, "4", "tense")
    folder = disk.write_frames(tmp_path, "casme", [row])
    disk.write_sheets(tmp_path, "casme", [row])
    (folder / "EP01_5-098.jpg").rename(folder / "reg_EP01_5-98.jpg")  # as in Cropped
    (clip,) = casme.DATABASE.read(tmp_path)
    assert clip.numbers == (98, 99, 100, 101) and clip.label == 3


def test_second_apex_where_the_first_is_blank(tmp_path):
    row = layouts.Row("sub01", "EP01_5", 98, 99, 101, "4", "disgust")
    disk.write_frames(tmp_path, "casme", [row])
    (table,) = layouts.tables("casme", [row])
    table.rows.assign(ApexF1="/", ApexF2=100).to_excel(tmp_path / table.path, index=False)
    assert casme.DATABASE.read(tmp_path)[0].apex == 2


def test_known_rows_are_mended(tmp_path):
    rows = whole.rows("casme")
    disk.write_copy(tmp_path, "casme", rows)
    clips = {(clip.subject, clip.clip): clip for clip in casme.DATABASE.read(tmp_path)}
    clip = clips[rows[40][:2]]
    assert clip.numbers == (100, 120, 149) and clip.apex == 1 and "row 40" in clip.notes[0]
    assert clips[rows[54][:2]].numbers == (30, 35, 40)  # clamped to what is there
