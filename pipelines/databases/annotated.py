"""From an annotation sheet and folders of frames to clips: what most databases have in common.

A database's module says how its folders and columns are named, and what is known to be wrong; the
functions here find the frames, clamp what is missing, apply the errata and report the rest.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import fnmatch
import os
import pathlib

from pipelines import protocols, schema
from pipelines.databases import emotions
from pipelines.databases import sheet as sheets
from pipelines.databases import tree as trees
from pipelines.faces import frames

ANY = object()  # as `Erratum.was`: whatever the sheet says


@dataclasses.dataclass(frozen=True)
class Erratum:
    """A known mistake of a sheet, or in a release.

    Attributes:
        clip: its name, or "subject/name" where names repeat; `*` for any characters.
        field: of `Row`: "onset", "apex", "offset", "emotion", "units"; "" where nothing is
            replaced: the reason says what follows.
        was: what the sheet says; another value is left alone: that copy was mended already.
        use: what is taken instead; None: unknown.
        reason: why, and whose the new value is.
    """

    clip: str
    field: str
    was: object
    use: object
    reason: str


@dataclasses.dataclass(frozen=True)
class RowErratum:
    """A mistake known by its row alone.

    Mended only where the row cannot be used as it stands and the folder has the frames named here,
    for a sheet may be sorted anew.

    Attributes:
        index: of the row below the header of the original sheet, from 0.
        values: field -> frame number to take.
        reason: why, and whose the values are.
    """

    index: int
    values: dict[str, int]
    reason: str


@dataclasses.dataclass(frozen=True)
class Row:
    """One row of a sheet, cleaned; frame numbers are those in the names of the files.

    `folders` are the keys under which the frames may be found, the first that is there wins;
    `sheet` is the path of the row's own sheet, where a database has several.
    """

    line: int
    subject: str
    clip: str
    folders: tuple[trees.Key, ...]
    onset: int | None
    apex: int | None
    offset: int | None
    emotion: str
    units: tuple[str, ...] = ()
    objective: str = ""
    split: str = ""
    sheet: str = ""
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A database's annotation sheet.

    Attributes:
        example: its name, for a message.
        is_one: lower-case file name -> whether it is one.
        prefer: lower-case file name -> sort key; of several the least is read.
        columns, optional: as `sheet.read` takes them.
        row: values as `sheet.read` gives them -> `Row`.
        mend: (all rows, the copy's `Tree`) -> all rows, where a row alone does not tell.
    """

    example: str
    is_one: collections.abc.Callable
    prefer: collections.abc.Callable
    columns: dict[str, tuple[str, ...]]
    row: collections.abc.Callable
    optional: tuple[str, ...] = ("apex", "units", "objective")
    mend: collections.abc.Callable = lambda rows, tree: rows


@dataclasses.dataclass(frozen=True)
class Database:
    """What is particular to a database.

    Attributes:
        name: as in `databases.DATABASES`.
        help: where to apply for it and the layout expected.
        example: of a clip's folder, for a message.
        key_of: names of a folder -> the clip it holds; see `tree.walk`.
        sheet: its annotation sheet; None where the module reads several.
        releases: words in the path of a release, the preferred first; "" is a path without any.
        emotions: word in the sheet -> the database's word; synonyms are known to `emotions.word`.
        errata, row_errata: its known mistakes; the latter hold for a sheet of `num_rows` rows.
        unlabelled: clips known to have frames and no row: left out without a word.
        longest: frames; a longer clip gets a note, for it can hardly be a micro-expression.
        own_folders: whether a folder holds one clip; else it is a recording of several or none.
    """

    name: str
    help: str
    example: str
    key_of: collections.abc.Callable
    releases: tuple[str, ...]
    emotions: dict[str, str]
    sheet: Sheet | None = None
    errata: tuple[Erratum, ...] = ()
    row_errata: tuple[RowErratum, ...] = ()
    num_rows: int = 0
    unlabelled: tuple[trees.Key, ...] = ()
    longest: int = 0
    own_folders: bool = True

    def advice(self) -> str:
        """The help in one line, for the end of a message."""
        return " ".join(self.help.split()) + " Without it, try --dataset synthetic."


def read(database: Database, root, skipped=None) -> list[schema.Clip]:
    """Reads a copy of a database that has one sheet; what every loader's `read` promises.

    Args:
        root: its folder.
        skipped: receives a `Skipped` per clip that cannot be used; None raises at the first.
    Returns:
        Clips in order of their keys, labelled by the database's default protocol.
    Raises:
        DataError: no such folder, no frames or no sheet in it; a bad clip if not `skipped`.
    """
    kind = database.sheet
    assert kind is not None
    tree = find(database, root)
    path = pick_sheet(database, tree, kind)
    rows = [kind.row(value) for value in sheets.read(path, kind.columns, kind.optional)]
    return clips_of(database, tree, kind.mend(rows, tree), path, skipped)


def row(value: dict, subject: str, clip: str, *folders: trees.Key, **other) -> Row:
    """The row of a sheet's values: its names as given, the rest as nearly all sheets have it."""
    fields: dict = {
        "line": value["line"],
        "onset": sheets.number(value["onset"]),
        "apex": sheets.number(value["apex"]),
        "offset": sheets.number(value["offset"]),
        "emotion": value["emotion"].lower(),
        "units": sheets.action_units(value["units"]),
        "objective": sheets.objective(value.get("objective", "")),
    }
    return Row(subject=subject, clip=clip, folders=folders, **{**fields, **other})


def find(database: Database, root) -> trees.Tree:
    """Walks a copy; of several releases only the preferred stays.

    Raises DataError, naming the archives, loops and other databases met, if no clip is there.
    """
    try:
        tree = trees.walk(root, database.name, database.key_of)
    except schema.DataError as error:
        raise schema.DataError(f"{error}. {database.advice()}") from None
    if not tree.folders:
        found = "".join(f"; {line}" for line in tree.remarks()[:3])
        raise schema.DataError(
            f"no folder like {database.example} under {tree.root}{found}. {database.advice()}"
        )
    ranks = {f.path: _rank(database, f) for places in tree.folders.values() for f in places}
    best = min(ranks.values())
    for key, places in list(tree.folders.items()):
        tree.folders[key] = [folder for folder in places if ranks[folder.path] == best]
        if not tree.folders[key]:
            del tree.folders[key]
    return tree


def _rank(database, folder):
    """Place of a folder's release among the preferred ones; of the deepest folder that tells."""
    for name in reversed(folder.names[:-1]):
        for rank, word in enumerate(database.releases):
            if word and word in name.lower().replace("-", "_"):
                return rank
    return database.releases.index("") if "" in database.releases else 0


def pick_sheet(database: Database, tree: trees.Tree, kind: Sheet) -> pathlib.Path:
    """The annotation sheet of a copy; looked for above the root if there is none below."""
    for paths in (tree.sheets, trees.sheets_above(tree.root)):
        named = [(os.path.basename(path).lower(), path) for path in paths]
        found = [(kind.prefer(name), len(path), path) for name, path in named if kind.is_one(name)]
        if found:
            return pathlib.Path(min(found)[2])
    raise schema.DataError(
        f"no annotation sheet ({kind.example}) under {tree.root}: put it there. {database.advice()}"
    )


def clips_of(database: Database, tree: trees.Tree, rows, sheet, skipped) -> list[schema.Clip]:
    """The clips of all rows, labelled by the database's default protocol, in order of their keys.

    Args:
        rows: list of `Row`, in the order of the sheet.
        sheet: path of the sheet, to be named in reports.
        skipped: receives a `Skipped` per clip that cannot be used; None raises at the first.
    """
    clips: dict[str, schema.Clip] = {}
    used: set = set(database.unlabelled)
    listed: dict[str, tuple] = {}
    for index, row in enumerate(rows):
        used.update(row.folders)
        key = f"{database.name}/{row.subject}/{row.clip}"
        try:
            if key in clips:
                raise schema.DataError("a second row for the same clip: delete one")
            clips[key] = _usable(database, tree, row, index, len(rows), listed)
        except schema.DataError as error:
            _skip(skipped, key, f"{row.sheet or sheet}: line {row.line}", str(error))
    for held, places in tree.folders.items() if database.own_folders else ():
        if held not in used:
            path = pathlib.Path(places[0].path)
            name = f"{database.name}/{path.parent.name}/{path.name}"
            _skip(skipped, name, str(path), f"no row for it in {os.path.basename(sheet)}: add one")
    labels = protocols.labels(clips.values(), protocols.default(database.name))
    labelled = [dataclasses.replace(c, label=int(k)) for c, k in zip(clips.values(), labels)]
    return sorted(labelled, key=lambda clip: clip.key)


def _usable(database, tree, row, index, num_rows, listed):
    """The clip of a row; with the row's erratum where it needs it."""
    row = _mend(database.errata, row)
    erratum = next((e for e in database.row_errata if e.index == index), None)
    if erratum is None or num_rows != database.num_rows:
        return _clip(database, tree, row, listed)
    try:
        clip = _clip(database, tree, row, listed)
        if clip.apex is not None:
            return clip
    except schema.DataError:
        pass
    said = f"row {index}: {erratum.values} taken, {erratum.reason}"
    mended = dataclasses.replace(row, notes=(*row.notes, said), **erratum.values)
    try:
        clip = _clip(database, tree, mended, listed)
        if set(erratum.values.values()) <= set(clip.numbers):
            return clip
    except schema.DataError:
        pass
    return _clip(database, tree, row, listed)  # another row's erratum: the sheet is sorted anew


def _mend(errata, row):
    """The row with every erratum that applies, noted."""
    for erratum in errata:
        names = (row.clip, f"{row.subject}/{row.clip}")
        if not erratum.field or not any(fnmatch.fnmatchcase(n, erratum.clip) for n in names):
            continue
        found = getattr(row, erratum.field)
        if found != erratum.use and erratum.was in (ANY, found):
            said = f"{erratum.field} {found} -> {erratum.use}: {erratum.reason}"
            values: dict = {erratum.field: erratum.use, "notes": (*row.notes, said)}
            row = dataclasses.replace(row, **values)
    return row


def _clip(database, tree, row, listed):
    """The clip of one row; DataError without the row's place if it cannot be used."""
    words = [emotions.word(text, database.emotions) for text in row.emotion.split("+")]
    key = next((key for key in row.folders if key in tree.folders), None)
    if key is None:
        packed = f", or is it packed in {tree.archives[0]}?" if tree.archives else ""
        place = f"{row.subject}/{row.clip}"
        raise schema.DataError(f"no folder {place} with frames: copy it again{packed}")
    folder = tree.folders[key][0].path
    paths, numbers = _frames(folder, listed)
    first = numbers[0] if row.onset is None else row.onset
    last = numbers[-1] if row.offset is None else row.offset
    if last < first:
        raise schema.DataError(f"offset {last} before onset {first}: correct the sheet")
    if row.apex is not None and not first <= row.apex <= last:
        raise schema.DataError(f"apex {row.apex} outside {first}-{last}: correct the sheet")
    kept = [i for i, number in enumerate(numbers) if first <= number <= last]
    if len(kept) < 2:
        have = f"{len(kept)} of the frames {first}-{last}"
        raise schema.DataError(f"{folder} holds {have}: copy it again")
    numbers = tuple(numbers[i] for i in kept)
    apex, notes = _apex(row, first, numbers)
    notes += missing(first, last, numbers)
    notes += tuple(f"a second copy in {twin.path}: not read" for twin in tree.folders[key][1:])
    if 0 < database.longest < last - first + 1:
        notes += (f"{last - first + 1} frames, over {database.longest}: a micro-expression?",)
    return schema.Clip(
        dataset=database.name,
        subject=row.subject,
        clip=row.clip,
        frames=tuple(paths[i] for i in kept),
        numbers=numbers,
        onset=0,
        apex=apex,
        offset=len(numbers) - 1,
        label=-1,  # until the protocol says
        emotion="+".join(words),
        action_units=row.units,
        objective=row.objective,
        split=row.split,
        notes=(*row.notes, *notes),
    )


def _frames(folder, listed):
    """Paths and numbers of a folder's frames; `listed` keeps those of recordings read before."""
    if folder not in listed:
        try:
            listed[folder] = frames.list_frames(folder)
        except OSError as error:
            raise schema.DataError(f"{folder}: cannot be read ({error.strerror})") from error
    if not listed[folder][1]:
        raise schema.DataError(f"{folder} holds no numbered image: copy it again")
    return listed[folder]


def _apex(row, first, numbers):
    """Index of the frame nearest to the apex, and what is to be said of it."""
    if row.apex is None:
        return None, ()
    if row.apex == first:
        return None, (f"apex {row.apex} is the onset, where nothing has moved: taken as unknown",)
    index = min(range(len(numbers)), key=lambda i: abs(numbers[i] - row.apex))
    if numbers[index] == row.apex:
        return index, ()
    return index, (f"apex {row.apex} is missing: {numbers[index]} taken, the nearest",)


def missing(first: int, last: int, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """A note of the frames `first`..`last` that are not among `numbers`; none if all are."""
    lost = last - first + 1 - len(numbers)
    if not lost:
        return ()
    where = f"{lost} of the frames {first}-{last} are missing"
    if (first, last) != (numbers[0], numbers[-1]):
        where += f": clamped to {numbers[0]}-{numbers[-1]}"
    return (where,)


def _skip(skipped, key, path, reason):
    if skipped is None:
        raise schema.DataError(f"{path}: {key}: {reason}")
    skipped.append(schema.Skipped(key, path, reason))
