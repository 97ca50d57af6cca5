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

# Which databases a dataset of other names holds; every other one holds itself.
COMPOSITE = ("smic", "casme2", "samm")
MEMBERS = {"megc2019": COMPOSITE, "megc2019-flow": COMPOSITE, "smic-flow": ("smic",)}

# Flow images come with the class for a word, so the three classes' names are words everywhere.
_CLASS = {name: label for label, name in enumerate(CLASSES)}


def three(negative: str, positive: str) -> dict[str, int]:
    """Words -> label, of the three classes negative, positive, surprise."""
    words = {word: 0 for word in negative.split()} | {word: 1 for word in positive.split()}
    return {**_CLASS, **words}


def each(words: str) -> dict[str, int]:
    """One class per word, in that order."""
    return {word: label for label, word in enumerate(words.split())}


def of_one(name, title, words, counts, subjects=None, classes=None, splits=None, **other):
    """A protocol of one database, which its name begins with.

    Its classes are the words, unless several stand for one: then they are named.
    """
    database = name.rpartition("-")[0]
    expected = {database: Expected(counts, subjects, splits, database in RECALLED)}
    return Protocol(name, title, classes or tuple(words), {database: words}, expected, **other)


_SMIC = dict(_CLASS)
_CASME2 = three("disgust repression", "happiness")
_SAMM = three("anger contempt disgust fear sadness", "happiness")
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

_CASME3 = three("disgust fear anger sad", "happy")
_MIXED = "several emotions at once: no single class holds"

_ALL = (
    Protocol("megc2019", "MEGC2019 composite of SMIC-HS, CASME II and SAMM, leave one subject out",
             CLASSES, _THREE_WORDS, _THREE_EXPECTED, left_out=_NOT_145),
    Protocol("holdout-database", "train on two of SMIC-HS, CASME II and SAMM, test on the third",
             CLASSES, _THREE_WORDS, _THREE_EXPECTED, HOLDOUT, left_out=_NOT_145),
    Protocol("megc2018", "MEGC2018 composite of CASME II and SAMM, objective classes I-V, leave "
             "one subject out", tuple(_OBJECTIVE), _OBJECTIVE_WORDS, _OBJECTIVE_EXPECTED,
             objective=True, left_out=_PRIVATE),
    Protocol("megc2018-holdout", "MEGC2018: train on one of CASME II and SAMM, test on the other",
             tuple(_OBJECTIVE), _OBJECTIVE_WORDS, _OBJECTIVE_EXPECTED, HOLDOUT, objective=True,
             left_out=_PRIVATE),
    of_one("smic-3", "SMIC-HS alone", _SMIC, (70, 51, 43), 16),
    of_one("casme2-3", "the composite's clips of CASME II alone", _CASME2, (88, 32, 25), 24,
           CLASSES, left_out=_NOT_145),
    of_one("casme2-5", "CASME II, the usual five classes",
           each("disgust happiness others repression surprise"), (63, 32, 99, 27, 25), 26,
           left_out=_NOT_2014),
    of_one("samm-3", "the composite's clips of SAMM alone", _SAMM, (92, 26, 15), 28, CLASSES),
    of_one("samm-5", "SAMM, the usual five classes",
           each("anger contempt happiness other surprise"), (57, 12, 26, 26, 15), 27),
    of_one("casme3-3", "CAS(ME)^3 part A, second edition of the labels", _CASME3,
           (457, 55, 187), 88, CLASSES),
    of_one("casme3-4", "CAS(ME)^3 part A, with the others", {**_CASME3, "others": 3},
           (457, 55, 187, 161), 94, (*CLASSES, "others")),
    of_one("casme3-7", "CAS(ME)^3 part A, every emotion",
           each("disgust surprise others fear anger sad happy"),
           (250, 187, 161, 86, 64, 57, 55), 94),
    of_one("mmew-3", "MMEW without the others", three("anger disgust fear sadness", "happiness"),
           (109, 36, 89), classes=CLASSES),
    of_one("mmew-4", "MMEW, its four frequent emotions",
           each("disgust happiness others surprise"), (72, 36, 66, 89)),
    of_one("mmew-7", "MMEW, every emotion",
           each("anger disgust fear happiness others sadness surprise"),
           (8, 72, 16, 36, 66, 13, 89)),
    of_one("4dme-3", "4DME, clips of one emotion", _CLASS, (127, 34, 30), multi_label=_MIXED),
    of_one("4dme-5", "4DME, clips of one of its five emotions",
           each("negative positive surprise repression others"), (127, 34, 30, 6, 31),
           multi_label=_MIXED),
    of_one("dfme-7", "DFME, its fixed splits",
           each("anger contempt disgust fear happiness sadness surprise"), None, 259,
           splits={"train": (161, 100, 548, 265, 206, 278, 298), "testA": 474, "testB": 299},
           evaluation=SPLITS),
    of_one("casme-4", "CASME, its four frequent emotions",
           each("disgust repression surprise tense"), (44, 38, 20, 69)),
    of_one("casme-3", "CASME without the tense",
           three("contempt disgust fear repression sadness", "happiness"), (91, 9, 20),
           classes=CLASSES),
    of_one("synthetic-3", "the synthetic database, whichever layout it has",
           three("anger contempt disgust fear repression sad sadness", "happiness happy"), None,
           classes=CLASSES),
)  # fmt: skip
PROTOCOLS = {protocol.name: protocol for protocol in _ALL}  # the first that fits is the default
