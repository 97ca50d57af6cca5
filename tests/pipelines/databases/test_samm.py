"""SAMM: two paddings of names, frames beyond 9999, a sheet under thirteen lines, its errata."""

import disk
import pandas as pd
import pytest
from rendered import layouts, whole

from pipelines import schema
from pipelines.databases import samm


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    root = tmp_path_factory.mktemp("samm")
    disk.write_copy(root, "samm", [r for r in whole.rows("samm") if r.frames])
    assert (root / "SAMM/013/013_1_8/013_0841.jpg").is_file()
    assert (root / "SAMM/028/028_4_1/028_01071.jpg").is_file()
    return {clip.clip: clip for clip in samm.DATABASE.read(root)}


@pytest.mark.parametrize(
    ("name", "numbers", "apex"),
    [
        ("028_4_1", (1071, 1102, 1134), 1102),  # 1143 in the sheet; of 1105 the nearest
        ("032_3_1", (4896, 4933, 4970), 4933),  # 1930 in the sheet, for 4930
        ("013_1_9", (5658, 5680), 5680),
        ("013_1_8", (841, 867, 919), 867),
        ("016_7_8", (12256, 12324, 12349), 12324),
    ],
)
def test_frames_and_apex(clips, name, numbers, apex):
    clip = clips[name]
    assert clip.numbers == numbers and clip.numbers[clip.apex] == apex
    assert clip.subject == name[:3] and clip.notes


def test_choices_of_action_units_are_made(clips):
    assert clips["007_6_1"].action_units == ("R12", "R15")
    assert clips["035_7_2"].action_units == ("R14A",)
    assert clips["016_7_8"].action_units == ("12", "15")


def test_an_apex_mended_by_others_is_left_alone(tmp_path):
    row = layouts.Row("028", "028_4_1", 1071, 1088, 1134, "14", "contempt")  # BENCH's
    disk.write_copy(tmp_path, "samm", [row])
    (clip,) = samm.DATABASE.read(tmp_path)
    assert clip.numbers[clip.apex] == 1088 and clip.notes == ()


def test_edited_copy_and_cropped_faces(tmp_path):
    rows = [layouts.Row("006", "006_1_2", 5562, 5563, 5565, "4", "other", "VII")]
    disk.write_frames(tmp_path, "samm", rows)
    (tmp_path / "SAMM").rename(tmp_path / "SAMM_CROP")
    pd.DataFrame(
        {"Subject": [6], "Filename": ["6_1_2"], "Onset Frame": [5562], "Apex Frame": [5563.0],
         "Offset Frame": [5565], "Estimated Emotion": ["Others "], "Objective Classes": [7]}
    ).to_excel(tmp_path / "SAMM.xlsx", index=False)  # fmt: skip
    (clip,) = samm.DATABASE.read(tmp_path)
    assert (clip.key, clip.emotion, clip.objective, clip.label) == (
        "samm/006/006_1_2",
        "other",
        "VII",
        -1,
    )
    assert clip.action_units == () and clip.apex == 1
    disk.write_frames(tmp_path, "samm", rows)
    assert (
        "SAMM_CROP" not in samm.DATABASE.read(tmp_path)[0].frames[0]
    )  # whole frames are preferred


def test_no_sheet(tmp_path):
    disk.write_frames(tmp_path, "samm", [layouts.Row("006", "006_1_2", 1, 2, 3, "", "anger")])
    with pytest.raises(schema.DataError, match="no annotation sheet .SAMM_Micro_FACS_Codes_v2"):
        samm.DATABASE.read(tmp_path)
