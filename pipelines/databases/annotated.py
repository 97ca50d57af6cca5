"""Databases of an annotation sheet and folders of frames, which nearly all are.

A database's module says how its folders and columns are named, and what is known to be wrong; the
class here finds the frames, clamps what is missing, applies the errata and reports the rest.
"""

from __future__ import annotations

import collections.abc
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
    """A database's annotation sheet.

    Attributes:
        example: its name, for a message.
        row: `sheet.Line` -> `rows.Row`.
        is_one: lower-case file name -> whether it is one.
        prefer: lower-case file name -> sort key; of several the least is read.
        columns, optional: as `sheet.read` takes them.
        correct: (all rows, the copy's `Tree`) -> all rows, where a row alone does not tell.
    """

    example: str
    row: collections.abc.Callable
    is_one: collections.abc.Callable = lambda name: True
    prefer: collections.abc.Callable = lambda name: name
    columns: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=rows.COLUMNS.copy)
    optional: tuple[str, ...] = rows.OPTIONAL
    correct: collections.abc.Callable = lambda rows, tree: rows


@dataclasses.dataclass(frozen=True)
class AnnotatedDatabase(Database):
    """What is particular to a database of a sheet and folders of frames.

    Attributes:
        name, help, errata: see `Database`.
        example: of a clip's folder, for a message.
        key_of: `tree.Folder` -> the clip it holds; see `tree.walk`.
        emotions: words in the sheet, or word -> the database's word; synonyms are known to
            `emotions.word`.
        sheet: its annotation sheet; None where `find_rows` reads several.
        releases: words in the path of a release, the preferred first; "" is a path without any.
        row_errata: known by their row; they hold for a sheet of `num_rows` rows.
        unlabelled: clips known to have frames and no row: left out without a word.
        leave: name of a folder -> whether it is none of the database's.
        longest: frames; a longer clip gets a note, for it can hardly be a micro-expression.
        own_folders: whether a folder holds one clip; else it is a recording of several or none.
    """

    name: str
    help: str
    example: str
    key_of: trees.KeyOf
    emotions: dict[str, str] | tuple[str, ...]
    sheet: Sheet | None = None
    releases: tuple[str, ...] = ("",)
    errata: tuple[Erratum, ...] = ()
    row_errata: tuple[rows.RowErratum, ...] = ()
    num_rows: int = 0
    unlabelled: tuple[trees.Key, ...] = ()
    leave: collections.abc.Callable = lambda name: False
    longest: int = 0
    own_folders: bool = True

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
        for key, places in list(tree.folders.items()):
            tree.folders[key] = [folder for folder in places if ranks[folder] == best]
            if not tree.folders[key]:
                del tree.folders[key]
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
        path = self._pick(tree, sheet)
        lines = sheets.read(path, sheet.columns, sheet.optional)
        return sheet.correct([sheet.row(line) for line in lines], tree), path.name

    def _pick(self, tree, sheet):
        """The annotation sheet; looked for above the root if there is none below."""
        for paths in (tree.sheets, trees.sheets_above(tree.root)):
            named = [(os.path.basename(path).lower(), path) for path in paths]
            found = [(sheet.prefer(n), len(path), path) for n, path in named if sheet.is_one(n)]
            if found:
                return pathlib.Path(min(found)[2])
        raise schema.DataError(
            f"no annotation sheet ({sheet.example}) under {tree.root}: put it there. "
            f"{self.advice()}"
        )

    def second_copies(self, root) -> list[tuple[str, str]]:
        """See `Database`."""
        places = self.tree(root).folders.values()
        return [(twin.path, first.path) for first, *twins in places for twin in twins]

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
        if erratum is None or num_rows != self.num_rows:
            return self._clip(tree, row, listed)
        try:
            clip = self._clip(tree, row, listed)
            if clip.apex is not None:
                return clip
        except schema.DataError:
            pass
        said = f"row {index}: {erratum.values} taken, {erratum.reason}"
        other = dataclasses.replace(row, notes=(*row.notes, said), **erratum.values)
        try:
            clip = self._clip(tree, other, listed)
            if set(erratum.values.values()) <= set(clip.numbers):
                return clip
        except schema.DataError:
            pass
        return self._clip(tree, row, listed)  # another row's erratum: the sheet is sorted anew

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
