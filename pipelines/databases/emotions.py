"""Emotion words of annotation sheets: each database has its own, and people spell them freely."""

from __future__ import annotations

import difflib
import re

from pipelines import schema

# The same emotion in other words.
SYNONYMS = (
    ("anger", "angry"), ("contempt", "contemptuous"), ("disgust", "disgusted"),
    ("fear", "fearful"), ("happiness", "happy", "joy"), ("others", "other"),
    ("repression", "repressed"), ("sadness", "sad"), ("surprise", "surprised"),
    ("tense", "tension"),
)  # fmt: skip


def words(cell: str, known) -> str:
    """As `word`, of a cell of one emotion or of several joined by "+"."""
    return "+".join(word(text, known) for text in cell.split("+"))


def word(cell: str, known: dict[str, str] | tuple[str, ...]) -> str:
    """The database's word for the emotion of a cell, whatever its case and blanks.

    A misspelt word is not guessed, for it decides the label.

    Args:
        cell: text of one emotion.
        known: the database's words; or word as it may stand in a sheet -> the database's word.
    Raises:
        DataError: no such emotion in the database; the nearest word is named.
    """
    known = known if isinstance(known, dict) else dict(zip(known, known))
    plain = re.sub(r"[^a-z]", "", cell.lower())
    same = next((words for words in SYNONYMS if plain in words), ())
    for candidate in (plain, *same):
        if candidate in known:
            return known[candidate]
    words = list(dict.fromkeys(known.values()))
    near = difflib.get_close_matches(plain, words, n=1)
    meant = f"is it {near[0]}? " if near else ""
    raise schema.DataError(f"unknown emotion {cell!r}: {meant}expected one of {', '.join(words)}")
