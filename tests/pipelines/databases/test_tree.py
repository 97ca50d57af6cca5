"""Walking a copy: whose folder it is, loops, archives, copies of copies, several databases."""

import os

import disk
import pytest
from rendered import layouts

from pipelines import schema
from pipelines.databases import casme2, samm, smic, tree

CASME2 = [layouts.Row("sub01", "EP02_01f", 98, 100, 102, "4", "disgust")]
SAMM = [layouts.Row("006", "006_1_2", 9998, 10000, 10002, "4", "anger")]
SMIC = [layouts.Row("s01", "s01_ne_01", 99999, "", 100001, "", "negative")]


@pytest.mark.parametrize(
    ("name", "database"),
    [
        ("CASME2_RAW_selected", "casme2"),
        ("CASME II", "casme2"),
        ("CASME2-coding-20140508.xlsx", "casme2"),
        ("cas(me)3_part_A_ME_label_JpgIndex_v2.xlsx", "casme3"),
        ("CAS(ME)^3", "casme3"),
        ("CAS(ME)^2", "casme-squared"),
        ("CASME_raw_selected", "casme"),
        ("SAMM_CROP", "samm"),
        ("SMIC_all_raw", "smic"),
        ("SMIC-HS-E", "smic"),
        ("MMEW_Final", "mmew"),
        ("4DME_Labelling_Micro_release v1.xlsx", "4dme"),
        ("DFME", "dfme"),
        ("Sammlung", None),
        ("SMIC_CASME2_SAMM", None),
        ("casme2 and casme2", "casme2"),
        ("sub01", None),
    ],
)
def test_names_that_tell(name, database):
    assert tree.identify(name) == database


def test_several_databases_under_one_root_are_told_apart(tmp_path):
    disk.write_copy(tmp_path, "casme2", CASME2)
    disk.write_copy(tmp_path, "samm", SAMM)
    disk.write_copy(tmp_path, "smic", SMIC)
    row = CASME2[0]._replace(clip="EP01_5", emotion="tense")
    disk.write_copy(tmp_path, "casme", [row])  # the same names of subjects, another database
    assert [c.key for c in casme2.DATABASE.read(tmp_path)] == ["casme2/sub01/EP02_01f"]
    assert [c.key for c in samm.DATABASE.read(tmp_path)] == ["samm/006/006_1_2"]
    assert [c.key for c in smic.DATABASE.read(tmp_path)] == ["smic/s01/s01_ne_01"]
    found = tree.walk(tmp_path, "casme2", casme2.DATABASE.key_of)
    assert set(found.others) == {"samm", "smic", "casme"}
    assert any("--dataset samm" in line for line in found.remarks())


def test_the_root_may_have_another_name_than_what_it_holds(tmp_path):
    root = tmp_path / "CASME"  # the user says it is CASME II
    disk.write_copy(root, "casme2", CASME2)
    assert len(casme2.DATABASE.read(root)) == 1
    assert len(casme2.DATABASE.read(tmp_path)) == 1  # CASME2_RAW_selected inside a folder CASME


@pytest.mark.parametrize("below", ["", "CASME2_RAW_selected", "CASME2_RAW_selected/sub01"])
def test_the_root_may_lie_deeper_and_the_sheet_above(tmp_path, below):
    disk.write_copy(tmp_path, "casme2", CASME2)
    assert len(casme2.DATABASE.read(tmp_path / below)) == 1


def test_loops_of_links_end_and_are_named(tmp_path):
    disk.write_copy(tmp_path, "samm", SAMM)
    os.symlink(tmp_path, tmp_path / "SAMM" / "again", target_is_directory=True)
    assert len(samm.DATABASE.read(tmp_path)) == 1
    found = tree.walk(tmp_path, "samm", samm.DATABASE.key_of)
    assert found.loops == [str(tmp_path / "SAMM" / "again")]
    assert "a link back" in found.remarks()[0]


def test_a_link_to_a_folder_above_the_root_is_not_followed(tmp_path):
    disk.write_copy(tmp_path / "root", "samm", SAMM)
    disk.write_copy(tmp_path / "elsewhere", "samm", [SAMM[0]._replace(clip="006_1_3")])
    link = tmp_path / "root" / "SAMM" / "up"
    os.symlink(tmp_path, link, target_is_directory=True)
    found = tree.walk(tmp_path / "root", "samm", samm.DATABASE.key_of)
    assert set(found.folders) == {"006_1_2"} and found.loops == [str(link)]


def test_links_to_copies_elsewhere_are_followed(tmp_path):
    disk.write_copy(tmp_path / "elsewhere", "samm", SAMM)
    (tmp_path / "root").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "root" / "SAMM", target_is_directory=True)
    assert len(samm.DATABASE.read(tmp_path / "root")) == 1


def test_archives_that_are_not_unpacked_are_named(tmp_path):
    (tmp_path / "SAMM.zip").write_bytes(b"PK")
    with pytest.raises(schema.DataError, match=r"SAMM\.zip: an archive; unpack it first"):
        samm.DATABASE.read(tmp_path)


def test_another_database_is_named_where_the_wanted_one_is_not(tmp_path):
    disk.write_copy(tmp_path, "samm", SAMM)
    with pytest.raises(schema.DataError, match="read it with --dataset samm"):
        casme2.DATABASE.read(tmp_path)


def test_nested_copy_of_the_same_folder(tmp_path):
    rows = [CASME2[0]]
    disk.write_sheets(tmp_path, "casme2", rows)
    inner = tmp_path / "CASME2_RAW_selected"
    disk.write_frames(inner, "casme2", rows)  # CASME2_RAW_selected/CASME2_RAW_selected
    (clip,) = casme2.DATABASE.read(tmp_path)
    assert clip.frames[0].count("CASME2_RAW_selected") == 2
    disk.write_frames(tmp_path, "casme2", rows)  # and once more, above
    (clip,) = casme2.DATABASE.read(tmp_path)
    assert len(clip.numbers) == 5
    assert len(clip.notes) == 1 and "a second copy in" in clip.notes[0]


def test_files_that_are_no_frames_are_ignored(tmp_path):
    disk.write_copy(tmp_path, "samm", SAMM)
    folder = tmp_path / "SAMM/006/006_1_2"
    for name in ("Thumbs.db", ".DS_Store", "readme1.txt", "._006_09999.jpg", "cover.jpg"):
        (folder / name).write_bytes(b"")
    assert samm.DATABASE.read(tmp_path)[0].numbers == (9998, 9999, 10000, 10001, 10002)
