"""DFME (Zhao et al., 2023): micro-expressions at 200, 300 and 500 frames per second.

Reads <anything>/sub0003_01/00000.png, frames numbered from 0, and the sheets of the fixed parts,
which are not leave-one-subject-out: training, testA, testB. Parts that are not there are left out.
With all of them: 2629 clips of 259 subjects.
"""

from __future__ import annotations

import dataclasses
import os
import re

from pipelines import protocols, schema
from pipelines.databases import rows
from pipelines.databases import sheet as sheets
from pipelines.databases.annotated import AnnotatedDatabase
from pipelines.databases.tree import Folder

# In the order of the sheets' EmotionId. No erratum is known: no apex lies outside its clip.
EMOTIONS = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")

_NAMES = rows.Names(r"sub0*(\d+)_0*(\d+)", "sub{:04d}_{:02d}")
_COLUMNS = {**rows.COLUMNS, "emotion_id": ("emotionid",)}
_SPLITS = {protocols.TRAIN: r"train", "testA": r"test[-_ ]?a", "testB": r"test[-_ ]?b"}


def _key_of(folder: Folder) -> str | None:
    """ "sub0003_01" of a folder of that name, however padded."""
    return _NAMES.clip(folder.names[-1]) if _NAMES.match(folder.names[-1]) else None


def split_of(name: str) -> str:
    """The part that a sheet lists, by its name: "train", "testA", "testB"; "" if none."""
    found = [split for split, word in _SPLITS.items() if re.search(word, name, re.IGNORECASE)]
    return found[0] if len(found) == 1 else ""


def _row(line, split) -> rows.Row:
    row = _NAMES.row(line, also=("emotion_id",), split=split)
    number = None if row.emotion or row.fault else line.number("emotion_id")
    if number is None or number >= len(EMOTIONS):
        return row
    return dataclasses.replace(row, emotion=EMOTIONS[number])


class _Dfme(AnnotatedDatabase):
    """The rows stand in one sheet for each part."""

    def find_rows(self, tree):
        parts: dict[str, str] = {}
        for path in sorted(tree.sheets, key=len):
            split = split_of(os.path.basename(path))
            if split:
                parts.setdefault(split, path)
        if not parts:
            raise schema.DataError(
                f"no sheet of a part (training_full_with_AU.xlsx) under {tree.root}: put it "
                f"there. {self.advice()}"
            )
        found = []
        for split, path in sorted(parts.items()):
            lines = sheets.read(path, _COLUMNS, (*rows.OPTIONAL, "emotion", "emotion_id"))
            found += [_row(line, split) for line in lines]
        if len(parts) < len(_SPLITS):  # clips of a part whose sheet is not there are no mistake
            listed = {key for row in found for key in row.folders}
            tree.folders = {key: own for key, own in tree.folders.items() if key in listed}
        return found, " and ".join(map(os.path.basename, parts.values()))


DATABASE = _Dfme(
    name="dfme",
    help="""\
Apply for DFME at https://mea-lab-421.github.io (licence agreement, academic use). Expected under
the root: sub0003_01/00000.png at any depth, and the sheets of the parts,
training_full_with_AU.xlsx, testA_full_with_AU.xlsx and testB_full_with_AU.xlsx (.xls and .csv are
read as well).""",
    example="sub0003_01",
    key_of=_key_of,
    emotions=EMOTIONS,
)
