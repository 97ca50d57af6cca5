"""Whole copies of every database, errata and all, give each protocol's exact counts."""

import collections

import disk
import pytest
from rendered import whole as wholes

from pipelines import databases, protocols, schema

# Every protocol of one database: clips of each class, subjects; None where no source tells.
COUNTS = {
    "smic-3": ((70, 51, 43), 16),
    "casme2-3": ((88, 32, 25), 24),
    "casme2-5": ((63, 32, 99, 27, 25), 26),
    "samm-3": ((92, 26, 15), 28),
    "samm-5": ((57, 12, 26, 26, 15), 27),
    "casme3-3": ((457, 55, 187), 88),
    "casme3-4": ((457, 55, 187, 161), 94),
    "casme3-7": ((250, 187, 161, 86, 64, 57, 55), 94),
    "mmew-3": ((109, 36, 89), None),
    "mmew-4": ((72, 36, 66, 89), None),
    "mmew-7": ((8, 72, 16, 36, 66, 13, 89), None),
    "4dme-3": ((127, 34, 30), None),
    "4dme-5": ((127, 34, 30, 6, 31), None),
    "casme-4": ((44, 38, 20, 69), None),
    "casme-3": ((91, 9, 20), None),
}
TOTALS = {"smic": 164, "casme2": 255, "samm": 159, "casme3": 860, "mmew": 300, "4dme": 267}
TOTALS |= {"dfme": 2629, "casme": 189}


@pytest.fixture(scope="module", params=TOTALS)
def whole(request, tmp_path_factory):
    """(database, rows of its sheets, clips) of a whole copy, nothing of it skipped."""
    root = tmp_path_factory.mktemp("copy")
    rows = disk.write_copy(root, request.param)
    skipped = []
    clips = databases.load(request.param).read(root, skipped)
    assert not skipped
    return request.param, rows, clips


def test_every_clip_is_read_with_its_names(whole):
    database, rows, clips = whole
    assert len(clips) == TOTALS[database]
    assert {(c.subject, c.clip) for c in clips} == {(r.subject, r.clip) for r in rows}
    assert len({clip.key for clip in clips}) == len(clips)
    assert {clip.dataset for clip in clips} == {database}


def test_every_protocol_has_its_counts(whole):
    database, _, clips = whole
    for name in protocols.names(database):
        protocol = protocols.choose(database, name)
        assert protocols.differences(clips, protocol) == []
        if name in COUNTS:
            counts, subjects = COUNTS[name]
            taken = protocols.apply(clips, protocol)
            found = collections.Counter(clip.label for clip in taken)
            assert tuple(found[k] for k in range(len(protocol.classes))) == counts
            assert subjects in (None, len({clip.subject_key for clip in taken}))


def test_labels_are_those_of_the_default_protocol(whole):
    database, _, clips = whole
    expected = protocols.labels(clips, protocols.choose(database))
    assert [clip.label for clip in clips] == expected.tolist()


def test_frames_follow_the_numbers_and_the_apex_lies_among_them(whole):
    _, rows, clips = whole
    by_name = {(r.subject, r.clip): r for r in rows}
    for clip in clips:
        row = by_name[clip.subject, clip.clip]
        assert clip.numbers == tuple(n for n in row.numbers if n <= clip.numbers[-1])
        assert list(clip.numbers) == sorted(clip.numbers)
        assert clip.offset == len(clip.frames) - 1 and clip.onset == 0
        assert clip.apex is None or 0 < clip.apex <= clip.offset


def test_what_was_amiss_is_noted_and_nothing_else(whole):
    database, rows, clips = whole
    notes = {clip.clip: clip.notes for clip in clips if clip.notes}
    gaps = {r.clip for r in rows if r.frames}
    errata = {"144", "145"} if database == "4dme" else set()
    indices = {row.clip for i, row in enumerate(rows) if str(i) in errata}
    assert set(notes) == gaps | indices


def test_dfme_has_its_fixed_parts(tmp_path):
    disk.write_copy(tmp_path, "dfme", [r for r in wholes.rows("dfme") if r.split != "testB"])
    clips = databases.load("dfme").read(tmp_path)
    protocol = protocols.choose("dfme")
    assert collections.Counter(protocols.groups(clips, protocol)) == {"train": 1856, "testA": 474}
    assert protocols.differences(clips, protocol) == [
        "dfme: 218 subjects, expected 259",
        "dfme: split testB: 0 clips, expected 299",
    ]


def test_unknown_database_is_named():
    with pytest.raises(schema.DataError, match="unknown dataset 'casme4'"):
        databases.load("casme4")


@pytest.mark.parametrize("name", [n for n in databases.DATABASES if n != "synthetic"])
def test_misuse_names_the_layout_expected(tmp_path, name):
    database = databases.load(name)
    with pytest.raises(schema.DataError, match="no such folder"):
        database.read(tmp_path / "absent")
    with pytest.raises(schema.DataError, match="Expected|labels.csv|u_test"):
        database.read(tmp_path)
    assert database.help.strip()
