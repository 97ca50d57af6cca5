"""Emotion words: every spelling that means the same, and none that does not."""

import pytest

from pipelines import databases, schema
from pipelines.databases import emotions

KNOWN = {"happiness": "happiness", "others": "others", "surprise": "surprise", "sad": "sad"}


@pytest.mark.parametrize(
    ("cell", "word"),
    [
        ("happiness", "happiness"),
        ("Happy ", "happiness"),
        ("OTHER", "others"),
        ("Sadness", "sad"),
        ("'surprised'", "surprise"),
    ],
)
def test_spellings(cell, word):
    assert emotions.word(cell, KNOWN) == word


def test_what_is_misspelt_is_not_guessed_but_suggested():
    with pytest.raises(schema.DataError, match="unknown emotion 'suprise': is it surprise. exp"):
        emotions.word("suprise", KNOWN)
    with pytest.raises(schema.DataError, match="unknown emotion 'x': expected one of happiness, "):
        emotions.word("x", KNOWN)
    with pytest.raises(schema.DataError, match="unknown emotion ''"):
        emotions.word("", KNOWN)


@pytest.mark.parametrize("name", ["casme2", "samm", "casme3", "mmew", "4dme", "dfme", "casme"])
def test_no_synonym_hides_another_word_of_a_database(name):
    known = databases.load(name).emotions
    for cell in known:
        word = known[cell] if isinstance(known, dict) else cell
        assert emotions.word(cell.title(), known) == word
