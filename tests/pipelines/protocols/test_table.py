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


def test_every_dataset_has_a_default_it_can_serve():
    assert set(protocol_table.DEFAULT) == set(databases.DATABASES)
    for dataset, name in protocol_table.DEFAULT.items():
        assert protocols.names(dataset)[0] == name
