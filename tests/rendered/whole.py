"""Whole databases: fabricated rows with the real totals of clips, emotions and people.

Names and frame numbers are made up but for the clips with a known erratum, which stand as the real
sheets have them. Clips are three frames long, so that a whole database is soon written.
"""

from __future__ import annotations

from rendered.layouts import Row

# SMIC-HS: clips of each class (negative, positive, surprise) of each subject, as they are.
SMIC = {
    1: (3, 2, 1), 2: (0, 1, 5), 3: (22, 11, 6), 4: (10, 4, 5), 5: (1, 0, 1), 6: (2, 0, 2),
    8: (9, 4, 0), 9: (0, 1, 3), 11: (3, 3, 1), 12: (0, 8, 1), 13: (0, 10, 0), 14: (3, 2, 5),
    15: (1, 1, 2), 18: (2, 0, 5), 19: (0, 1, 1), 20: (14, 3, 5),
}  # fmt: skip

# Emotion -> clips, as in the original sheets.
TOTALS = {
    "casme2": {"others": 99, "disgust": 63, "happiness": 32, "repression": 27, "surprise": 25,
               "sadness": 7, "fear": 2},
    "samm": {"anger": 57, "other": 26, "happiness": 26, "surprise": 15, "contempt": 12,
             "disgust": 9, "fear": 8, "sadness": 6},
    "casme3": {"disgust": 250, "surprise": 187, "others": 158, "Others": 3, "fear": 86,
               "anger": 64, "sad": 57, "happy": 55},
    "mmew": {"others": 66, "surprise": 89, "disgust": 72, "happiness": 36, "fear": 16,
             "sadness": 13, "anger": 8},
    "4dme": {"negative": 127, "positive": 34, "surprise": 30, "repression": 6, "others": 31,
             "positive+surprise": 13, "negative+surprise": 8, "repression+surprise": 3,
             "positive+repression": 8, "negative+repression": 7},
    "casme": {"tense": 69, "disgust": 44, "repression": 38, "surprise": 20, "happiness": 9,
              "sadness": 6, "fear": 2, "contempt": 1},
}  # fmt: skip
DFME = {
    "train": (range(1, 177), {"disgust": 548, "surprise": 298, "sadness": 278, "fear": 265,
                              "happiness": 206, "anger": 161, "contempt": 100}),
    "testA": (range(177, 219), {"disgust": 274, "surprise": 200}),
    "testB": (range(219, 260), {"disgust": 199, "surprise": 100}),
}  # fmt: skip
OBJECTIVE = {
    "casme2": {"I": 25, "II": 15, "III": 99, "IV": 26, "V": 20, "VI": 1, "VII": 69},
    "samm": {"I": 24, "II": 13, "III": 20, "IV": 8, "V": 3, "VI": 7, "VII": 84},
}

# subject, clip, onset, apex, offset, emotion; then action units, or the files where they differ.
_CASME2_KNOWN = (
    ("sub04", "EP12_01f", 261, "/", 321, "disgust"),
    ("sub05", "EP09_05f", 69, 69, 99, "disgust"),
    ("sub05", "EP16_04f", 150, 181, 181, "others"),
    ("sub12", "EP09_06", 90, 111, 111, "disgust"),
    ("sub20", "EP16_01", 90, 111, 111, "others"),
    ("sub25", "EP18_04f", 96, 116, 116, "disgust"),
    ("sub16", "EP01_08", 73, 94, 110, "repression"),
    ("sub24", "EP07_01", 10, 12, 14, "sadness"),
    ("sub24", "EP07_04f", 10, 12, 14, "sadness"),
    ("sub24", "EP10_03", 10, 12, 14, "sadness"),
)
_SAMM_KNOWN = (
    ("028", "028_4_1", 1071, 1143, 1134, "contempt"),
    ("032", "032_3_1", 4896, 1930, 4970, "anger"),
    ("032", "032_3_2", 5126, 5127, 5207, "anger"),
    ("013", "013_1_9", 5658, 5680, 5793, "anger"),
    ("013", "013_1_8", 841, 867, 919, "anger"),  # files of four digits
    ("017", "017_3_2", 83, 116, 165, "surprise"),
    ("035", "035_7_2", 823, 855, 918, "contempt", "R14A or L14A"),
    ("007", "007_6_1", 497, 511, 541, "happiness", "R12 or R15"),
    ("016", "016_7_8", 12256, 12324, 12349, "happiness", "12+15 "),
    ("018", "018_7_1", 10133, 10156, 10175, "surprise"),
)
_CASME3_KNOWN = (
    ("spNO.216", "spNO.216_d_3647", 3647, 2652, 2660, "disgust", "4", (2647, 2652, 2660)),
    ("spNO.216", "spNO.216_e_0", 0, 0, 25, "disgust", "4", (1, 17, 25)),
    ("spNO.149", "spNO.149_d_112", 112, 83, 170, "surprise", "1", (112, 160, 170)),
    ("spNO.40", "spNO.40_e_1812", 1812, 1830, 0, "fear", "4", (1812, 1830, 1845)),
    ("spNO.40", "spNO.40_e_2327", 2327, 2350, 0, "fear", "4", (2327, 2350, 2403)),
    ("spNO.214", "spNO.214_c_20", 20, 27, 3460, "others", "4", (20, 27, 34)),
    ("spNO.3", "spNO.3_J_50", 50, 50, 59, "anger", "4", (50, 55, 59)),
)


def rows(database: str) -> list[Row]:
    """The rows of a whole database's sheets, in the order of the sheets."""
    return _MAKERS[database]()


def _smic():
    made: list[Row] = []
    for subject, counts in SMIC.items():
        for label, count in enumerate(counts):
            token, word = (("ne", "negative"), ("po", "positive"), ("sur", "surprise"))[label]
            for i in range(1, count + 1):
                first = 99_998 + 10 * len(made)  # some five digits long, some six
                names = (f"s{subject:02d}", f"s{subject:02d}_{token}_{i:02d}")
                made.append(Row(*names, first, "", first + 2, "", word))
    return made


def _known(table):
    """The clips with errata: the first, the apex and the last frame of each are on disk."""
    made = []
    for subject, clip, onset, apex, offset, word, *rest in table:
        units = rest[0] if rest else "4"
        middle = apex if isinstance(apex, int) and onset < apex < offset else (onset + offset) // 2
        files = rest[1] if len(rest) > 1 else tuple(sorted({onset, middle, offset}))
        made.append(Row(subject, clip, onset, apex, offset, units, word, frames=files))
    return made


def _fill(database, known, subjects_of, name):
    """`known` and as many more rows as make up the totals.

    Args:
        subjects_of: emotion -> subjects among whom its clips are dealt in turn.
        name: (subject, serial number, first frame) -> name of the clip.
    """
    made = list(known)
    for word, total in TOTALS[database].items():
        subjects = subjects_of(word)
        lacking = total - sum(row.emotion == word for row in known)
        for i in range(lacking):
            subject, first = subjects[i % len(subjects)], 98 + len(made) % 5
            clip = name(subject, len(made), first)
            made.append(Row(subject, clip, first, first + 1, first + 2, "1+2", word))
    return made


def _with_objective(database, made):
    classes = [name for name, count in OBJECTIVE[database].items() for _ in range(count)]
    return [row._replace(objective=name) for row, name in zip(made, classes)]


def _casme2():
    everyone = [f"sub{i:02d}" for i in range(1, 27)]
    classed = [name for name in everyone if name not in ("sub10", "sub18")]

    def subjects_of(word):
        return everyone if word in ("others", "fear") else classed

    made = _fill("casme2", _known(_CASME2_KNOWN), subjects_of, lambda s, i, f: f"EP20_{i:03d}")
    cut = made.index(next(row for row in made if row.clip == "EP01_08"))
    made[cut] = made[cut]._replace(frames=(73, 94, 96))  # Cropped ends there
    return _with_objective("casme2", made)


def _samm():
    numbers = [6, 7, *range(9, 27), 28, *range(30, 38)]
    everyone = [f"{i:03d}" for i in numbers]

    def subjects_of(word):
        if word == "other":
            return ["025", *everyone[:4]]
        few = word in ("disgust", "fear", "sadness")  # all that 024 and 036 show
        hidden = ("025",) if few else ("024", "025", "036")
        kept = [name for name in everyone if name not in hidden]
        return ["024", "036", *kept] if few else kept

    known = _known(_SAMM_KNOWN)
    made = _fill("samm", known, subjects_of, lambda s, i, f: f"{s}_9_{i}")
    return _with_objective("samm", made)


def _casme3():
    numbers = [*range(1, 91), 149, 185, 214, 216]
    everyone = [f"spNO.{i}" for i in numbers]
    classed = everyone[:79] + everyone[85:]  # six people show none of the three classes

    def subjects_of(word):
        return everyone if word == "others" else classed

    made = _fill("casme3", _known(_CASME3_KNOWN), subjects_of, lambda s, i, f: f"{s}_b_{f}")
    seen: dict[tuple, int] = {}
    for index, row in enumerate(made):  # several clips in a recording: the onset tells them apart
        turn = seen[row.subject, row.onset] = seen.get((row.subject, row.onset), -1) + 1
        if turn and not row.frames:
            first = row.onset + 50 * turn
            clip = f"{row.subject}_b_{first}"
            made[index] = row._replace(clip=clip, onset=first, apex=first + 1, offset=first + 2)
    return made


def _mmew():
    from pipelines.databases.mmew import ROW_ERRATA

    everyone = [f"S{i:02d}" for i in range(1, 37)]
    made = _fill("mmew", [], lambda word: everyone, lambda s, i, f: f"{s}-{i % 20 + 1:02d}-{i:03d}")
    for erratum in ROW_ERRATA:
        apex, offset = erratum.values["apex"], erratum.values["offset"]
        row = made[erratum.index]._replace(onset=1, apex="/", offset=999, frames=(1, apex, offset))
        made[erratum.index] = row
    return made


def _fourdme():
    everyone = [f"S{i:02d}" for i in range(1, 42)]

    def name(subject, i, first):
        session = {"S13": f"_{'1st' if i % 2 else '2nd'}", "S30": "_1st"}.get(subject, "")
        return f"{subject}{session}_{i:03d}_01_1"

    made = _fill("4dme", [], lambda word: everyone, name)
    made[26] = made[26]._replace(apex=9999, onset=2480, offset=2500, frames=(2480, 2490, 2500))
    for index, units in ((77, "AU4(k)'+7"), (124, "AU4(k+L7"), (171, "AUR2+12k)+45")):
        made[index] = made[index]._replace(units=units)
    mixed = next(i for i, row in enumerate(made) if row.emotion == "positive+surprise")
    made[263], made[mixed] = made[mixed], made[263]  # in the sheet its text lacks a word
    return made


def _dfme():
    made = []
    for split, (people, totals) in DFME.items():
        words = [word for word, count in totals.items() for _ in range(count)]
        for i, word in enumerate(words):
            subject = people[i % len(people)]
            names = (f"sub{subject:04d}", f"sub{subject:04d}_{i // len(people) + 1:02d}")
            made.append(Row(*names, 0, 1, 2, "4+L7", word, split=split))
    return made


def _casme():
    everyone = [f"sub{i:02d}" for i in range(1, 20)]
    made = _fill("casme", [], lambda word: everyone, lambda s, i, f: f"EP01_{i}")
    made[40] = made[40]._replace(onset=1, apex=5, offset=9, frames=(100, 120, 149))
    made[54] = made[54]._replace(onset=30, apex=35, offset=60, frames=(30, 35, 40))
    return made


_MAKERS = {
    "smic": _smic,
    "casme2": _casme2,
    "samm": _samm,
    "casme3": _casme3,
    "mmew": _mmew,
    "4dme": _fourdme,
    "dfme": _dfme,
    "casme": _casme,
}
