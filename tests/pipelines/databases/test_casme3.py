"""CAS(ME)^3 part A: clips and whole recordings, several clips in one, its errata."""

import shutil

import disk
import pytest
from rendered import layouts, whole

from pipelines.databases import casme3

ERRATA = [row for row in whole.rows("casme3") if row.frames]
EXPECTED = {  # clip: (first frame, apex, last frame)
    "spNO.216_d_3647": (2647, 2652, 2660),
    "spNO.216_e_0": (1, 17, 25),
    "spNO.149_d_112": (112, 160, 170),
    "spNO.40_e_1812": (1812, 1830, 1845),
    "spNO.40_e_2327": (2327, 2350, 2403),
    "spNO.214_c_20": (20, 27, 34),
}


@pytest.mark.parametrize("recordings", [False, True])
def test_errata_in_both_layouts(tmp_path, recordings):
    disk.write_copy(tmp_path, "casme3", ERRATA)
    if recordings:
        for row in ERRATA:
            old = tmp_path / layouts.frame("casme3", row, row.numbers[0]).parent
            letter = row.clip.split("_")[1]
            new = tmp_path / "part_A/data" / row.subject.upper() / letter / "color"
            shutil.copytree(old, new, dirs_exist_ok=True)
            shutil.copytree(old, new.with_name("depth"), dirs_exist_ok=True)
        shutil.rmtree(tmp_path / "Part_A_ME_clip")
    clips = {clip.clip: clip for clip in casme3.DATABASE.read(tmp_path)}
    found = {
        name: (clip.numbers[0], clip.numbers[clip.apex], clip.numbers[-1])
        for name, clip in clips.items()
        if clip.apex is not None
    }
    assert found == EXPECTED
    assert clips["spNO.3_J_50"].apex is None  # on the onset in the sheet
    assert all("depth" not in path for clip in clips.values() for path in clip.frames)


def test_a_folder_may_be_named_by_the_mended_onset(tmp_path):
    row = ERRATA[0]._replace(clip="spNO.216_d_2647", onset=2647)
    disk.write_frames(tmp_path, "casme3", [row])
    disk.write_sheets(tmp_path, "casme3", ERRATA[:1])
    assert casme3.DATABASE.read(tmp_path)[0].numbers == (2647, 2652, 2660)


def test_clips_are_preferred_to_recordings_and_depth_is_not_read(tmp_path):
    row = layouts.Row("spNO.1", "spNO.1_b_166", 166, 167, 169, "4", "disgust")
    disk.write_copy(tmp_path, "casme3", [row])
    clip = tmp_path / "Part_A_ME_clip/frame/spNO.1_b_166"
    shutil.copytree(clip, tmp_path / "Part_A_ME_clip/depth/spNO.1_b_166")
    shutil.copytree(clip, tmp_path / "part_A/data/spNO.1/b/color")
    assert "Part_A_ME_clip/frame" in casme3.DATABASE.read(tmp_path)[0].frames[0]


def test_the_second_edition_is_preferred_and_other_parts_are_not_read(tmp_path):
    row = layouts.Row("spNO.1", "spNO.1_b_166", 166, 167, 169, "4", "disgust")
    disk.write_copy(tmp_path, "casme3", [row])
    (sheet,) = disk.write_sheets(tmp_path, "casme3", [row])
    for name in ("cas(me)3_part_A_MaE_label_JpgIndex_v2.xlsx", "CAS(ME)3_part_C_ME.xlsx"):
        (tmp_path / name).write_bytes(b"never opened")
    (first,) = disk.write_sheets(tmp_path / "old", "casme3", [row._replace(emotion="fear")])
    first.rename(tmp_path / "cas(me)3_part_A_ME_label_JpgIndex_v1.xlsx")
    assert casme3.DATABASE.read(tmp_path)[0].emotion == "disgust"
    sheet.unlink()
    assert casme3.DATABASE.read(tmp_path)[0].emotion == "fear"
