"""Databases of an annotation sheet and folders of frames, which nearly all are.

A database's module says how its folders and columns are named, and what is known to be wrong; the
class here finds the frames, clamps what is missing, applies the errata and reports the rest.
"""

from __future__ import annotations

import collections.abc
import contextlib
import dataclasses
import os
import pathlib

from pipelines import schema
from pipelines.databases import clips, emotions, rows
from pipelines.databases import sheet as sheets
from pipelines.databases import tree as trees
from pipelines.databases.database import Database, Erratum


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A database's annotation sheet."""

    example: str  # its name, for a message
    row: collections.abc.Callable  # `sheet.Line` -> `rows.Row`
    is_one: collections.abc.Callable = lambda name: True  # of a file's name in lower case
    prefer: collections.abc.Callable = lambda name: (
        name
    )  # -> sort key; of several the least is read
    # As `sheet.read` takes them.
    columns: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=rows.COLUMNS.copy)
    optional: tuple[str, ...] = rows.OPTIONAL
    # (All rows, the copy's `Tree`) -> all rows, where a row alone does not tell.
    correct: collections.abc.Callable = lambda rows, tree: rows


@dataclasses.dataclass(frozen=True)
class AnnotatedDatabase(Database):
    """What is particular to a database of a sheet and folders of frames."""

    name: str
    help: str
    example: str  # of a clip's folder, for a message
    key_of: trees.KeyOf  # `tree.Folder` -> the clip it holds; see `tree.walk`
    # Words in the sheet, or word -> the database's word; synonyms are known to `emotions.word`.
    emotions: dict[str, str] | tuple[str, ...]
    sheet: Sheet | None = None  # None where `find_rows` reads several
    # Words in the path of a release, the preferred first; "" is a path without any.
    releases: tuple[str, ...] = ("",)
    errata: tuple[Erratum, ...] = ()
    row_errata: tuple[rows.RowErratum, ...] = ()  # they hold for a sheet of `num_rows` rows
    num_rows: int = 0
    unlabelled: tuple[trees.Key, ...] = ()  # known to have frames and no row: left out in silence
    leave: collections.abc.Callable = lambda name: False  # whether a folder is none of its own
    longest: int = 0  # frames; a longer clip gets a note: it can hardly be a micro-expression
    own_folders: bool = True  # whether a folder holds one clip; else a recording of several or none

    def find_clips(self, root, skipped):
        """See `Database`: the clips of all rows, in order of their keys."""
        tree = self.tree(root)
        found, sheet_names = self.find_rows(tree)
        made: dict[str, schema.Clip] = {}
        used = set(self.unlabelled)
        listed: dict[str, tuple] = {}  # folder -> `clips.list_frames`
        for index, row in enumerate(found):
            used.update(row.folders)
            key = f"{self.name}/{row.subject}/{row.clip}"
            try:
                if key in made:
                    raise schema.DataError("a second row for the same clip: delete one")
                made[key] = self._usable(tree, row, index, len(found), listed)
            except schema.DataError as error:
                facts = self._word(row), row.objective
                skipped.append(schema.Skipped(key, row.place, str(error), *facts))
        for held, places in tree.folders.items() if self.own_folders else ():
            if held not in used:
                path = pathlib.Path(places[0].path)
                name = f"{self.name}/{path.parent.name}/{path.name}"
                reason = f"no row for it in {sheet_names}: add one"
                skipped.append(schema.Skipped(name, str(path), reason))
        return [made[key] for key in sorted(made)]

    def tree(self, root) -> trees.Tree:
        """Walks a copy; of several releases only the preferred stays.

        Raises DataError, naming the archives, loops and other databases met, if no clip is there.
        """
        tree = trees.walk(self.folder(root), self.name, self.key_of, self.leave)
        if not tree.folders:
            found = "".join(f"; {line}" for line in tree.remarks()[:3])
            raise schema.DataError(
                f"no folder like {self.example} under {tree.root}{found}. {self.advice()}"
            )
        ranks = {f: self.rank(tree.root, f) for own in tree.folders.values() for f in own}
        best = min(ranks.values())
        kept = {key: [f for f in own if ranks[f] == best] for key, own in tree.folders.items()}
        tree.folders = {key: own for key, own in kept.items() if own}
        return tree

    def rank(self, root, folder: trees.Folder) -> int:
        """Place of a folder's release among the preferred ones, told by the deepest name."""
        below = pathlib.Path(folder.path).relative_to(root).parts[:-1]
        for name in reversed((root.resolve().name, *below)):
            for rank, word in enumerate(self.releases):
                if word and word in name.lower().replace("-", "_"):
                    return rank
        return self.releases.index("") if "" in self.releases else 0

    def find_rows(self, tree: trees.Tree) -> tuple[list[rows.Row], str]:
        """The rows of the copy's sheet, and its name. Raises DataError if there is none."""
        sheet = self.sheet
        assert sheet is not None
        path = trees.find_sheet(tree, sheet.is_one, sheet.prefer)
        if path is None:
            missing = f"no annotation sheet ({sheet.example}) under {tree.root}: put it there"
            raise schema.DataError(f"{missing}. {self.advice()}")
        lines = sheets.read(path, sheet.columns, sheet.optional)
        return sheet.correct([sheet.row(line) for line in lines], tree), os.path.basename(path)

    def _word(self, row):
        """The emotion of a row that cannot be used; "" if it is unknown."""
        try:
            return emotions.words(row.emotion, self.emotions)
        except schema.DataError:
            return ""

    def _usable(self, tree, row, index, num_rows, listed):
        """The clip of a row; with the row's erratum where it needs it."""
        row = rows.corrected(self.errata, row)
        erratum = next((e for e in self.row_errata if e.index == index), None)
        if erratum is not None and num_rows == self.num_rows:
            with contextlib.suppress(schema.DataError):
                clip = self._clip(tree, row, listed)
                if clip.apex is not None:
                    return clip
            said = f"row {index}: {erratum.values} taken, {erratum.reason}"
            other = dataclasses.replace(row, notes=(*row.notes, said), **erratum.values)
            with contextlib.suppress(schema.DataError):
                clip = self._clip(tree, other, listed)
                if set(erratum.values.values()) <= set(clip.numbers):
                    return clip
        return self._clip(tree, row, listed)  # none, or another row's: the sheet is sorted anew

    def _clip(self, tree, row, listed):
        if row.fault:
            raise schema.DataError(row.fault)
        word = emotions.words(row.emotion, self.emotions)
        key = next((key for key in row.folders if key in tree.folders), None)
        if key is None:
            packed = f", or is it packed in {tree.archives[0]}?" if tree.archives else ""
            place = f"{row.subject}/{row.clip}"
            raise schema.DataError(f"no folder {place} with frames: copy it again{packed}")
        first, *twins = (folder.path for folder in tree.folders[key])
        if first not in listed:
            listed[first] = clips.list_frames(first)
        paths, numbers, said = listed[first]
        notes = (*said, *(f"a second copy in {twin}: not read" for twin in twins))
        return clips.clip(self.name, row, word, paths, numbers, notes, self.longest)
