"""The table of protocols: complete, consistent, and with the field's totals."""

import pytest

from pipelines import databases, protocols
from pipelines.protocols import table as protocol_table

TOTALS = {  # clips and subjects of a whole copy, by the papers
    "megc2019": (442, 68),
    "holdout-database": (442, 68),
    "megc2018": (253, None),
    "casme2-5": (246, 26),
    "samm-5": (136, 27),
    "casme3-3": (699, 88),
    "casme3-4": (860, 94),
    "casme3-7": (860, 94),
    "mmew-7": (300, None),
    "casme-4": (171, None),
}


@pytest.mark.parametrize("name", TOTALS)
def test_totals(name):
    expected = protocol_table.PROTOCOLS[name].expected.values()
    clips, subjects = TOTALS[name]
    assert sum(sum(e.counts) for e in expected) == clips
    if subjects:
        assert sum(e.subjects for e in expected) == subjects


def test_dfme_has_its_published_parts():
    (expected,) = protocol_table.PROTOCOLS["dfme-7"].expected.values()
    assert sum(expected.splits["train"]) == 1856
    assert (expected.splits["testA"], expected.splits["testB"]) == (474, 299)


@pytest.mark.parametrize("protocol", protocol_table.PROTOCOLS.values(), ids=lambda p: p.name)
def test_clips_left_out_are_named_by_key(protocol):
    assert all(key == key.lower() and key.count("/") == 2 for key in protocol.left_out)
    assert {key.split("/")[0] for key in protocol.left_out} <= set(protocol.databases)


def test_counts_without_a_source_are_marked():
    marked = {
        database
        for protocol in protocol_table.PROTOCOLS.values()
        for database, expected in protocol.expected.items()
        if expected.recalled
    }
    assert marked == {"mmew", "4dme", "casme"}
    for name in ("mmew-3", "4dme-5", "casme-4"):
        (expected,) = protocol_table.PROTOCOLS[name].expected.values()
        assert expected.recalled


def test_the_first_protocol_that_a_dataset_can_serve_is_the_fields_usual_one():
    assert {name: protocols.choose(name).name for name in databases.DATABASES} == {
        "synthetic": "synthetic-3",
        "smic": "smic-3",
        "smic-flow": "smic-3",
        "casme2": "casme2-3",
        "samm": "samm-3",
        "casme3": "casme3-3",
        "mmew": "mmew-3",
        "4dme": "4dme-3",
        "dfme": "dfme-7",
        "casme": "casme-4",
        "megc2019": "megc2019",
        "megc2019-flow": "megc2019",
    }


def test_classes_are_the_words_of_the_row():
    """Three emotions need not be the composite's three classes."""
    row = protocol_table.of_one("ours-3", "ours", protocol_table.each("joy anger surprise"), None)
    assert row.classes == ("joy", "anger", "surprise") and row.databases == ("ours",)
    with pytest.raises(ValueError, match="words of ours do not fill its classes"):
        protocol_table.of_one("ours-3", "ours", {"joy": 0, "delight": 0, "anger": 1}, None)
