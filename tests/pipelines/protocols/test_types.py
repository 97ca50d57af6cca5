"""A protocol is data; a table that contradicts itself is refused."""

import pytest

from pipelines import protocols
from pipelines.protocols.types import HOLDOUT, Expected, Protocol

GOOD = {
    "name": "casme2-2",
    "title": "two classes",
    "classes": ("negative", "positive"),
    "words": {"casme2": {"disgust": 0, "repression": 0, "happiness": 1}},
    "expected": {"casme2": Expected((90, 32), 26)},
}


def test_a_protocol_is_its_table():
    protocol = Protocol(**GOOD)
    assert protocol.databases == ("casme2",) and protocol.evaluation == protocols.LOSO
    assert Protocol(**GOOD, evaluation=HOLDOUT) != protocol == Protocol(**GOOD)
    assert protocols.Protocol is Protocol and protocols.Expected is Expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"evaluation": "random"}, "casme2-2: unknown evaluation 'random'"),
        ({"expected": {"samm": Expected()}}, "of different databases"),
        ({"words": {"casme2": {"disgust": 0}}}, "words of casme2 do not fill its classes"),
        ({"words": {"casme2": {"disgust": 0, "happiness": 2}}}, "do not fill its classes"),
        ({"expected": {"casme2": Expected((1, 2, 3))}}, "casme2 needs a count for each class"),
    ],
)
def test_what_contradicts_itself_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Protocol(**{**GOOD, **change})
