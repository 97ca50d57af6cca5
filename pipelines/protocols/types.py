"""What a protocol is: classes, the words that stand for them, and what a whole copy gives."""

from __future__ import annotations

import dataclasses

LOSO, HOLDOUT, SPLITS = "loso", "holdout-database", "splits"
TRAIN = "train"  # the split that is never tested


@dataclasses.dataclass(frozen=True)
class Expected:
    """What a whole copy of one database gives; None where no source tells."""

    counts: tuple[int, ...] | None = None  # clips of each class
    subjects: int | None = None
    splits: dict[str, int | tuple[int, ...]] | None = None  # of each part, or of its classes
    # Whether the counts come from memory of the literature and not from a sheet: a copy that
    # differs from them may well be whole.
    recalled: bool = False


@dataclasses.dataclass(frozen=True)
class Protocol:
    """A protocol. Raises ValueError for a table that contradicts itself."""

    name: str  # as `--protocol` takes it
    title: str  # in words, for a list
    classes: tuple[str, ...]  # names of the labels 0, 1, …
    # Database -> word -> label; the database's words that are not here are left out.
    words: dict[str, dict[str, int]]
    expected: dict[str, Expected]  # database -> what a whole copy of it gives
    # LOSO: a subject is held out at a time; HOLDOUT: a database; SPLITS: the database's own parts,
    # trained on "train", tested on the others.
    evaluation: str = LOSO
    objective: bool = False  # whether the words are objective classes rather than emotions
    # Clip key, lower case -> why it is left out although its word is listed.
    left_out: dict[str, str] = dataclasses.field(default_factory=dict)
    multi_label: str = ""  # what becomes of clips with several emotions; "" where none has

    def __post_init__(self):
        if self.evaluation not in (LOSO, HOLDOUT, SPLITS):
            raise ValueError(f"{self.name}: unknown evaluation {self.evaluation!r}")
        if set(self.expected) != set(self.words):
            raise ValueError(f"{self.name}: words and expected are of different databases")
        labels = set(range(len(self.classes)))
        for database, words in self.words.items():
            if set(words.values()) != labels:
                raise ValueError(f"{self.name}: the words of {database} do not fill its classes")
        for database, expected in self.expected.items():
            if expected.counts is not None and len(expected.counts) != len(labels):
                raise ValueError(f"{self.name}: {database} needs a count for each class")

    @property
    def databases(self) -> tuple[str, ...]:
        return tuple(self.words)
