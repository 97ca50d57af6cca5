"""DFME: frames from 0, emotions by number, fixed parts of which some may lack."""

import disk
import pytest
from rendered import layouts

from pipelines import schema
from pipelines.databases import dfme

ROWS = [
    layouts.Row("sub0003", "sub0003_01", 0, 9, 11, "4", "disgust", split="train"),
    layouts.Row("sub0200", "sub0200_02", 0, 2, 3, "12", "happiness", split="testA"),
]


def test_frames_are_numbered_from_zero(tmp_path):
    disk.write_copy(tmp_path, "dfme", ROWS)
    clips = dfme.DATABASE.read(tmp_path)
    assert [(c.key, c.split, c.apex, c.numbers[0]) for c in clips] == [
        ("dfme/sub0003/sub0003_01", "train", 9, 0),
        ("dfme/sub0200/sub0200_02", "testA", 2, 0),
    ]


def test_emotion_by_its_number(tmp_path):
    disk.write_frames(tmp_path, "dfme", ROWS[:1])
    (table,) = layouts.tables("dfme", ROWS[:1])
    table.rows.drop(columns="Emotion").to_excel(tmp_path / table.path, index=False)
    assert dfme.DATABASE.read(tmp_path)[0].emotion == "disgust"


def test_a_part_without_its_sheet_is_left_out(tmp_path):
    disk.write_copy(tmp_path, "dfme", ROWS)
    (tmp_path / "DFME/testA_full_with_AU.xlsx").unlink()
    assert [clip.split for clip in dfme.DATABASE.read(tmp_path)] == ["train"]
    (tmp_path / "DFME/training_full_with_AU.xlsx").unlink()
    with pytest.raises(schema.DataError, match="no sheet of a part .training_full_with_AU"):
        dfme.DATABASE.read(tmp_path)


def test_a_report_names_the_sheet_of_its_part(tmp_path):
    disk.write_copy(tmp_path, "dfme", [ROWS[0], ROWS[1]._replace(onset=7)])
    skipped = []
    dfme.DATABASE.read(tmp_path, skipped)
    assert skipped[0].path.endswith("testA_full_with_AU.xlsx: line 2")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("training_full_with_AU.xlsx", "train"),
        ("DFME_Test_A.csv", "testA"),
        ("testb.xlsx", "testB"),
        ("labels.xlsx", ""),
    ],
)
def test_parts_by_the_names_of_sheets(name, split):
    assert dfme.split_of(name) == split
