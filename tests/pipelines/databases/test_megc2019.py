"""The composite: three copies under one root or by name, exactly 442 clips of 68 people."""

import collections
import pathlib
import shutil

import disk
import pytest

from pipelines import protocols, schema
from pipelines.databases import megc2019

PROTOCOL = protocols.choose("megc2019")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("databases")
    for name in megc2019.PARTS:
        disk.write_copy(folder, name)
    disk.write_copy(folder, "casme")  # in nobody's way
    return folder


@pytest.fixture(scope="module")
def clips(root):
    return megc2019.DATABASE.read(root)


def test_442_clips_of_68_people(clips):
    taken = protocols.apply(clips, PROTOCOL)
    assert len(taken) == 442 and len({clip.subject_key for clip in taken}) == 68
    counts = collections.Counter((clip.dataset, clip.label) for clip in taken)
    assert [[counts[name, k] for k in range(3)] for name in megc2019.PARTS] == [
        [70, 51, 43],
        [88, 32, 25],
        [92, 26, 15],
    ]
    assert protocols.differences(clips, PROTOCOL) == []
    assert len({clip.subject.lstrip("sub0") for clip in taken}) < 68  # numbers repeat


def test_labels_are_those_of_the_composite(clips):
    assert [clip.label for clip in clips] == protocols.labels(clips, PROTOCOL).tolist()
    assert len(clips) == 164 + 255 + 159  # all, for the other protocols


def test_other_protocols_of_the_same_pool(clips):
    counts = {name: len(protocols.apply(clips, protocols.choose("megc2019", name)))
              for name in protocols.names("megc2019")}  # fmt: skip
    assert counts == {
        "megc2019": 442,
        "holdout-database": 442,
        "megc2018": 253,
        "megc2018-holdout": 253,
        "smic-3": 164,
        "casme2-3": 145,
        "casme2-5": 246,
        "samm-3": 133,
        "samm-5": 136,
    }
    for name in counts:
        assert protocols.differences(clips, protocols.choose("megc2019", name)) == []


def test_databases_by_name(root, clips):
    expected = [clip.key for clip in clips]
    named = {"samm": root / "SAMM", "smic": root, "casme2": str(root / "CASME2_RAW_selected")}
    assert [clip.key for clip in megc2019.DATABASE.read(named)] == expected
    texts = tuple(f"{name}={folder}" for name, folder in named.items())
    assert [clip.key for clip in megc2019.DATABASE.read(texts)] == expected
    assert [clip.key for clip in megc2019.DATABASE.read([str(root)])] == expected


def test_one_or_two_by_name_will_do_and_the_protocol_says_what_lacks(root):
    clips = megc2019.DATABASE.read([f"samm={root}"])
    assert {clip.dataset for clip in clips} == {"samm"}
    lines = protocols.differences(clips, PROTOCOL)
    assert lines == ["smic: no clip, expected 164", "casme2: no clip, expected 145"]


def test_a_database_that_is_not_under_the_root_is_named(tmp_path):
    with pytest.raises(schema.DataError, match="megc2019 needs smic: no folder like HS/s1/micro"):
        megc2019.DATABASE.read(tmp_path)
    disk.write_copy(tmp_path, "smic")
    with pytest.raises(schema.DataError, match="megc2019 needs casme2: no folder like sub01"):
        megc2019.DATABASE.read(tmp_path)


def test_bad_clips_of_each_are_reported(root, tmp_path):
    shutil.copytree(root, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy/SAMM/028/028_4_1")
    skipped = []
    assert len(megc2019.DATABASE.read(tmp_path / "copy", skipped)) == 577
    assert [item.key for item in skipped] == ["samm/028/028_4_1"]
    assert "samm: 91 clips of negative, expected 92" in protocols.differences(
        megc2019.DATABASE.read(tmp_path / "copy", []), PROTOCOL
    )


def test_a_copy_of_the_442_clips_alone_lacks_nothing_of_the_composite(root, clips, tmp_path):
    """What other protocols would take is missing, and named for them."""
    shutil.copytree(root, tmp_path / "copy")
    taken = {clip.key for clip in protocols.apply(clips, PROTOCOL)}
    for clip in clips:
        if clip.key not in taken:
            folder = pathlib.Path(clip.frames[0]).parent.relative_to(root)
            shutil.rmtree(tmp_path / "copy" / folder)
    skipped = []
    found = megc2019.DATABASE.read(tmp_path / "copy", skipped)
    assert len(found) == 442 and len(skipped) == 136
    assert protocols.differences(found, PROTOCOL) == []
    assert protocols.lost(skipped, PROTOCOL) == []
    five = protocols.choose("megc2019", "casme2-5")
    assert len(protocols.lost(skipped, five)) == len(protocols.apply(clips, five)) - 145


@pytest.mark.parametrize(
    ("root", "message"),
    [
        (["smik=/a"], "unknown database 'smik': megc2019 holds smic, casme2, samm"),
        (["smic=/a", "/b"], "'/b': expected a folder for each database"),
        (["smic="], "'smic=': expected a folder"),
        (["smic=/a", "smic=/b"], "smic is given two folders, /a and /b"),
        ({}, "no database is given"),
        ("/no/such/folder", "no such folder"),
        (["smic=/no/such/folder"], "megc2019 needs smic: no such folder"),
    ],
)
def test_misuse(root, message):
    with pytest.raises(schema.DataError, match=message):
        megc2019.DATABASE.read(root)
