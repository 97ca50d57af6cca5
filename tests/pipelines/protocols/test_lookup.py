"""Protocols: which clips, which labels, who is held out, what differs from a whole copy."""

import dataclasses

import numpy as np
import pytest

from pipelines import protocols, schema


def clip(key, emotion, objective="", split=""):
    dataset, subject, name = key.split("/")
    return schema.Clip(dataset, subject, name, ("x",), (1,), 0, None, 0, -1, emotion, (),
                       objective, split)  # fmt: skip


CLIPS = [
    clip("casme2/sub01/EP02_01f", "disgust", "III"),
    clip("casme2/sub01/EP03_02", "others", "VII"),
    clip("casme2/sub04/EP12_01f", "disgust", "I"),  # not in the official list of 145
    clip("samm/006/006_1_2", "anger", "II"),
    clip("samm/006/006_1_3", "other", "VI"),
    clip("smic/s01/s01_sur_01", "surprise"),
]


@pytest.mark.parametrize(
    ("dataset", "name", "labels"),
    [
        ("megc2019", "megc2019", [0, -1, -1, 0, -1, 2]),
        ("megc2019", "holdout-database", [0, -1, -1, 0, -1, 2]),
        ("megc2019", "megc2018", [2, -1, 0, 1, -1, -1]),
        ("casme2", "casme2-5", [0, 2, 0, -1, -1, -1]),
        ("samm", "samm-5", [-1, -1, -1, 0, 3, -1]),
        ("smic", "smic-3", [-1, -1, -1, -1, -1, 2]),
    ],
)
def test_labels_from_clips_and_from_a_manifest(dataset, name, labels):
    protocol = protocols.choose(dataset, name)
    found = protocols.labels(CLIPS, protocol)
    assert found.tolist() == labels and found.dtype == np.int32
    entries = [dataclasses.asdict(c) | {"key": c.key, "subject_key": c.subject_key} for c in CLIPS]
    assert protocols.labels(entries, protocol).tolist() == labels
    taken = protocols.apply(CLIPS, protocol)
    assert [c.label for c in taken] == [k for k in labels if k >= 0]


def test_reasons_for_what_is_left_out():
    reasons = protocols.left_out(CLIPS, protocols.choose("megc2019"))
    assert reasons == {
        "casme2/sub01/EP03_02": "emotion others: not in the protocol",
        "casme2/sub04/EP12_01f": "has no apex, and is not in the official list",
        "samm/006/006_1_3": "emotion other: not in the protocol",
    }
    reasons = protocols.left_out(CLIPS, protocols.choose("megc2019", "megc2018"))
    assert reasons["samm/006/006_1_3"] == "objective class VI: not in the protocol"


def test_clips_that_cannot_be_used_are_lost_to_the_protocols_that_take_them():
    def skipped(clip):
        return schema.Skipped(clip.key, "sheet: line 2", "no folder", clip.emotion, clip.objective)

    items = [skipped(one) for one in CLIPS]
    unknown = schema.Skipped("casme2/sub01/EP09_01", "sheet: line 9", "unknown emotion 'x'")
    for dataset, name in (("megc2019", "megc2019"), ("megc2019", "megc2018"), ("samm", "samm-5")):
        protocol = protocols.choose(dataset, name)
        taken = {clip.key for clip in protocols.apply(CLIPS, protocol)}
        found = protocols.lost([*items, unknown], protocol)
        assert {item.key for item in found} - {unknown.key} == taken
        assert (unknown in found) == ("casme2" in protocol.databases)
        entries = [dataclasses.asdict(item) for item in items]
        assert [entry["key"] for entry in protocols.lost(entries, protocol)] == sorted(taken)
    older = [{"key": one.key, "path": "", "reason": ""} for one in CLIPS[:2]]  # of older manifests
    assert protocols.lost(older, protocols.choose("megc2019")) == older


def test_what_is_held_out():
    assert protocols.groups(CLIPS, protocols.choose("megc2019"))[:2] == ["casme2/sub01"] * 2
    held = protocols.groups(CLIPS, protocols.choose("megc2019", "holdout-database"))
    assert held == ["casme2"] * 3 + ["samm"] * 2 + ["smic"]
    parts = [clip("dfme/sub0001/sub0001_01", "fear", split="train"),
             clip("dfme/sub0200/sub0200_01", "fear", split="testA")]  # fmt: skip
    assert protocols.groups(parts, protocols.choose("dfme")) == [protocols.TRAIN, "testA"]


def test_differences_name_database_class_and_both_counts():
    lines = protocols.differences(CLIPS, protocols.choose("megc2019"))
    assert lines == [
        "smic: 0 clips of negative, expected 70",
        "smic: 0 clips of positive, expected 51",
        "smic: 1 clips of surprise, expected 43",
        "smic: 1 subjects, expected 16",
        "casme2: 1 clips of negative, expected 88",
        "casme2: 0 clips of positive, expected 32",
        "casme2: 0 clips of surprise, expected 25",
        "casme2: 1 subjects, expected 24",
        "samm: 1 clips of negative, expected 92",
        "samm: 0 clips of positive, expected 26",
        "samm: 0 clips of surprise, expected 15",
        "samm: 1 subjects, expected 28",
    ]
    lines = protocols.differences(CLIPS[3:], protocols.choose("casme2"))
    assert lines == ["casme2: no clip, expected 145"]
    assert protocols.differences([], protocols.choose("dfme")) == ["dfme: no clip, expected some"]
    synthetic = [clip("synthetic/s01/a", "sad")]
    assert protocols.differences(synthetic, protocols.choose("synthetic")) == []


def test_differences_from_counts_without_a_source_say_so():
    lines = protocols.differences([clip("casme/sub01/EP01_5", "tense")], protocols.choose("casme"))
    assert "casme: 1 clips of tense, expected 69 (recalled, not from a sheet)" in lines
    lines = protocols.differences([], protocols.choose("4dme"))
    assert lines == ["4dme: no clip, expected 191 (recalled, not from a sheet)"]


def test_differences_of_fixed_parts():
    parts = [clip("dfme/sub0001/sub0001_01", "anger", split="train")]
    lines = protocols.differences(parts, protocols.choose("dfme"))
    assert "dfme: split train: 1 clips of anger, expected 161" in lines
    assert "dfme: split testB: 0 clips, expected 299" in lines


def test_summary():
    text = protocols.summary(CLIPS, protocols.choose("megc2019"))
    assert text.splitlines() == [
        "smic: 1 clips of 1 subjects (negative 0, positive 0, surprise 1)",
        "casme2: 1 clips of 1 subjects (negative 1, positive 0, surprise 0)",
        "samm: 1 clips of 1 subjects (negative 1, positive 0, surprise 0)",
    ]


def test_choosing():
    assert protocols.choose("casme2").name == "casme2-3"
    assert protocols.choose("casme2", "casme2-5").classes[2] == "others"
    with pytest.raises(schema.DataError, match="unknown protocol 'x': --dataset smic has smic-3"):
        protocols.choose("smic", "x")
    with pytest.raises(
        schema.DataError, match="megc2019 needs smic and casme2 and samm: --dataset"
    ):
        protocols.choose("samm", "megc2019")
    assert protocols.names("casme")[0] == "casme-4"  # the default first
    assert "samm-5" in protocols.names("megc2019") and "samm-5" in protocols.names()


def test_the_list_for_help_has_a_line_per_dataset():
    lines = protocols.listing().splitlines()
    assert "  casme3        casme3-3, casme3-4, casme3-7" in lines
