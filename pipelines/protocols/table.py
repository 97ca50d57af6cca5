"""The protocols of the field, and which dataset has which.

Counts are those of the original annotation files (Li 2013; Yan 2013, 2014; Davison 2018; Li 2022;
Zhao 2023), recomputed from their tables, but for those of `RECALLED`: no sheet was at hand, and
their totals per emotion are recalled. They add up to the number of clips; treat them as a hint, as
the differences printed of them say.
"""

from __future__ import annotations

from pipelines.protocols.types import HOLDOUT, SPLITS, Expected, Protocol
from pipelines.schema import CLASSES

RECALLED = ("casme", "mmew", "4dme")

# Which databases the datasets of several hold; every other one holds itself.
COMPOSITE = ("smic", "casme2", "samm")
CONTENTS = {"megc2019": COMPOSITE, "megc2019-flow": COMPOSITE, "smic-flow": ("smic",)}

# Flow images come with the class for a word, so the three classes' names are words everywhere.
_CLASS = {name: label for label, name in enumerate(CLASSES)}


def _three(negative: str, positive: str) -> dict[str, int]:
    """Words -> label, of the three classes negative, positive, surprise."""
    words = {word: 0 for word in negative.split()} | {word: 1 for word in positive.split()}
    return {**_CLASS, **words}


def _each(words: str) -> dict[str, int]:
    """One class per word, in that order."""
    return {word: label for label, word in enumerate(words.split())}


def _single(dataset, title, words, counts, subjects=None, **other) -> Protocol:
    """A protocol of one database; its name is the database's and the number of classes."""
    classes = CLASSES if set(words.values()) == {0, 1, 2} else tuple(words)
    name = f"{dataset}-{len(classes)}"
    splits, recalled = other.pop("splits", None), dataset in RECALLED
    expected = {dataset: Expected(counts, subjects, splits, recalled)}
    return Protocol(name, title, classes, {dataset: words}, expected, **other)


_SMIC = dict(_CLASS)
_CASME2 = _three("disgust repression", "happiness")
_SAMM = _three("anger contempt disgust fear sadness", "happiness")
_THREE_WORDS = {"smic": _SMIC, "casme2": _CASME2, "samm": _SAMM}

# CASME II's list of 145 follows the sheet of 2014, less two clips; that of 246 the same sheet.
_RELABELLED = "was sadness in 2014, surprise since 2019: the list follows 2014"
_NOT_2014 = {
    "casme2/sub24/ep02_07": "is in no official sheet, only in a privately completed one",
    "casme2/sub24/ep07_01": _RELABELLED,
    "casme2/sub24/ep07_04f": _RELABELLED,
    "casme2/sub24/ep10_03": _RELABELLED,
}
_NOT_145 = {
    **_NOT_2014,
    "casme2/sub04/ep12_01f": "has no apex, and is not in the official list",
    "casme2/sub05/ep09_05f": "has its apex on its onset, and is not in the official list",
}
_THREE_EXPECTED = {
    "smic": Expected((70, 51, 43), 16),
    "casme2": Expected((88, 32, 25), 24),
    "samm": Expected((92, 26, 15), 28),
}

# MEGC2018 counts objective classes, by action units alone; the sheet of 2019 has them all.
_OBJECTIVE = {"I": 0, "II": 1, "III": 2, "IV": 3, "V": 4}
_OBJECTIVE_EXPECTED = {
    "casme2": Expected((25, 15, 99, 26, 20)),
    "samm": Expected((24, 13, 20, 8, 3)),
}
_OBJECTIVE_WORDS = {"casme2": _OBJECTIVE, "samm": _OBJECTIVE}
_PRIVATE = {key: reason for key, reason in _NOT_2014.items() if reason != _RELABELLED}

_CASME3 = _three("disgust fear anger sad", "happy")
_MIXED = "several emotions at once: no single class holds"

_ALL = (
    Protocol(
        "megc2019",
        "MEGC2019 composite of SMIC-HS, CASME II and SAMM, leave one subject out",
        CLASSES,
        _THREE_WORDS,
        _THREE_EXPECTED,
        left_out=_NOT_145,
    ),
    Protocol(
        "holdout-database",
        "train on two of SMIC-HS, CASME II and SAMM, test on the third",
        CLASSES,
        _THREE_WORDS,
        _THREE_EXPECTED,
        HOLDOUT,
        left_out=_NOT_145,
    ),
    Protocol(
        "megc2018",
        "MEGC2018 composite of CASME II and SAMM, objective classes I-V, leave one subject out",
        tuple(_OBJECTIVE),
        _OBJECTIVE_WORDS,
        _OBJECTIVE_EXPECTED,
        objective=True,
        left_out=_PRIVATE,
    ),
    Protocol(
        "megc2018-holdout",
        "MEGC2018: train on one of CASME II and SAMM, test on the other",
        tuple(_OBJECTIVE),
        _OBJECTIVE_WORDS,
        _OBJECTIVE_EXPECTED,
        HOLDOUT,
        objective=True,
        left_out=_PRIVATE,
    ),
    _single("smic", "SMIC-HS alone", _SMIC, (70, 51, 43), 16),
    _single("casme2", "the composite's clips of CASME II alone", _CASME2, (88, 32, 25), 24,
            left_out=_NOT_145),
    _single("casme2", "CASME II, the usual five classes",
            _each("disgust happiness others repression surprise"), (63, 32, 99, 27, 25), 26,
            left_out=_NOT_2014),
    _single("samm", "the composite's clips of SAMM alone", _SAMM, (92, 26, 15), 28),
    _single("samm", "SAMM, the usual five classes",
            _each("anger contempt happiness other surprise"), (57, 12, 26, 26, 15), 27),
    _single("casme3", "CAS(ME)^3 part A, second edition of the labels", _CASME3,
            (457, 55, 187), 88),
    Protocol(
        "casme3-4",
        "CAS(ME)^3 part A, with the others",
        (*CLASSES, "others"),
        {"casme3": {**_CASME3, "others": 3}},
        {"casme3": Expected((457, 55, 187, 161), 94)},
    ),
    _single("casme3", "CAS(ME)^3 part A, every emotion",
            _each("disgust surprise others fear anger sad happy"),
            (250, 187, 161, 86, 64, 57, 55), 94),
    _single("mmew", "MMEW without the others", _three("anger disgust fear sadness", "happiness"),
            (109, 36, 89)),
    _single("mmew", "MMEW, its four frequent emotions",
            _each("disgust happiness others surprise"), (72, 36, 66, 89)),
    _single("mmew", "MMEW, every emotion",
            _each("anger disgust fear happiness others sadness surprise"),
            (8, 72, 16, 36, 66, 13, 89)),
    _single("4dme", "4DME, clips of one emotion", _CLASS, (127, 34, 30), multi_label=_MIXED),
    _single("4dme", "4DME, clips of one of its five emotions",
            _each("Negative Positive Surprise Repression Others".lower()),
            (127, 34, 30, 6, 31), multi_label=_MIXED),
    _single("dfme", "DFME, its fixed splits",
            _each("anger contempt disgust fear happiness sadness surprise"), None, 259,
            splits={"train": (161, 100, 548, 265, 206, 278, 298), "testA": 474, "testB": 299},
            evaluation=SPLITS),
    _single("casme", "CASME without the tense",
            _three("contempt disgust fear repression sadness", "happiness"), (91, 9, 20)),
    _single("casme", "CASME, its four frequent emotions",
            _each("disgust repression surprise tense"), (44, 38, 20, 69)),
    _single("synthetic", "the synthetic database, whichever layout it has",
            _three("anger contempt disgust fear repression sad sadness", "happiness happy"), None),
)  # fmt: skip
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}

# The field's usual one of each dataset, as `--dataset` names it.
DEFAULT = {
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
