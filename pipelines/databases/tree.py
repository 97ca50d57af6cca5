"""Walks a copy of a database: where its clips and sheets lie, and what else is in the way."""

from __future__ import annotations

import collections.abc
import dataclasses
import os
import pathlib
import re
import typing

from pipelines import schema
from pipelines.faces import frames

ARCHIVES = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")
SHEETS = (".xlsx", ".xls", ".csv")
DEPTH = 8  # folders below the root in which clips are looked for
_SEEN_BY_KEY = 5  # how many names, from a folder upwards, tell which clip it holds
# What archives and file systems leave behind, beside all that is hidden (".DS_Store", "._x.jpg").
_DEBRIS = ("__macosx", "thumbs.db", "@eadir", "desktop.ini")

Key = collections.abc.Hashable
KeyOf = collections.abc.Callable[["Folder"], typing.Optional[Key]]


@dataclasses.dataclass(frozen=True)
class Folder:
    """A folder of a copy."""

    path: str
    # Of the folders that lead to it, from four levels up to its own, also above the root.
    names: tuple[str, ...]

    @property
    def images(self) -> list[str]:
        """Names of the images in it, sorted; read from disk at each call."""
        names = (name for name in os.listdir(self.path) if not is_debris(name))
        return sorted(name for name in names if name.lower().endswith(frames.SUFFIXES))


def is_debris(name: str) -> bool:
    """Whether a file or folder of that name is never data: hidden, a lock, or left behind."""
    return name.startswith((".", "~")) or name.lower() in _DEBRIS


@dataclasses.dataclass
class Tree:
    """What lies under a root; paths as texts."""

    root: pathlib.Path  # as the user gave it
    # Clip -> the folders that hold it, one as a rule.
    folders: dict[Key, list[Folder]] = dataclasses.field(default_factory=dict)
    sheets: list[str] = dataclasses.field(default_factory=list)
    archives: list[str] = dataclasses.field(default_factory=list)
    loops: list[str] = dataclasses.field(default_factory=list)  # links back to a folder seen before
    # Other databases whose folders were met, name -> the first such folder.
    others: dict[str, str] = dataclasses.field(default_factory=dict)

    def remarks(self) -> list[str]:
        """Why clips may not be found, a line each."""
        lines = [f"{path}: an archive; unpack it first" for path in self.archives]
        lines += [f"{path}: a link back to a folder already read" for path in self.loops]
        for name, path in self.others.items():
            lines.append(f"{path}: belongs to another database; read it with --dataset {name}")
        return lines


def identify(name: str) -> str | None:
    """The database that a file's or folder's name speaks of: "CASME2_RAW" -> "casme2".

    None where it speaks of none, or of several ("SMIC_CASME2_SAMM").
    """
    found = {_casme(name)} if "casme" in re.sub(r"[^a-z0-9]", "", name.lower()) else set()
    for word in re.split(r"[^a-z0-9]+", name.lower()):
        found |= {database for start, database in _WORDS.items() if re.match(start, word)}
    return found.pop() if len(found) == 1 else None


_WORDS = {
    "samm$": "samm",
    "(4dme|4dmicro|fourd)$": "4dme",
    "smic": "smic",
    "mmew": "mmew",
    "dfme": "dfme",
}


def _casme(name):
    if re.search(r"cas\(me\)\W?2", name.lower()):
        return "casme-squared"  # CAS(ME)^2, of long videos: no loader here
    rest = re.sub(r"[^a-z0-9]", "", name.lower()).partition("casme")[2]
    if rest.startswith(("3", "iii")):
        return "casme3"
    return "casme2" if rest.startswith(("2", "ii")) else "casme"


def walk(root, dataset: str, key_of: KeyOf, leave=lambda name: False) -> Tree:
    """Looks for the clips of a database below `root`; links are followed, each folder read once.

    A folder whose path names another database belongs to that one: several copies may share a root.

    Args:
        root: folder.
        dataset: name of the database looked for.
        key_of: folder -> the clip it holds (or, where clips have no folder of their own, the
            recording), or None. Clips are not looked into.
        leave: name of a folder -> whether to leave it out.
    Raises:
        DataError: no such folder.
    """
    root = pathlib.Path(root).expanduser()
    if not root.is_dir():
        raise schema.DataError(f"no such folder: {root}")
    tree = Tree(root)
    above = tuple(root.resolve().parts)
    for path, inside, files in visit(root, tree.loops):
        own = pathlib.Path(path).relative_to(root).parts
        _note_files(tree, path, files, dataset, _owner(own))
        if len(own) == DEPTH:
            inside.clear()
        for name in list(inside):
            names = (*own, name)
            folder = Folder(os.path.join(path, name), (above + names)[-_SEEN_BY_KEY:])
            if leave(name) or not _enter(tree, folder, names, dataset, key_of):
                inside.remove(name)
    if not tree.folders:  # perhaps the root is a clip itself
        _enter(tree, Folder(str(root), above[-_SEEN_BY_KEY:]), (), dataset, key_of)
    return tree


def visit(root, again: list[str]) -> typing.Iterator[tuple[str, list[str], list[str]]]:
    """Walks the folders below `root` as `os.walk`, names sorted and debris left out.

    Links are followed, each folder is read once.

    Args:
        again: receives the links to folders that were read before, or lie above the root.
    """
    seen = set(map(str, pathlib.Path(root).resolve().parents))
    for path, inside, files in os.walk(root, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            again.append(path)
            inside.clear()
            continue
        seen.add(real)
        inside[:] = sorted(name for name in inside if not is_debris(name))
        yield path, inside, sorted(name for name in files if not is_debris(name))


def _enter(tree, folder, own, dataset, key_of) -> bool:
    """Notes a folder that holds a clip; says whether to look into it.

    Only its `own` names, below the root, say whose it is: of the root the user has said so.
    """
    owner = _owner(own)
    if owner is not None and owner != dataset:
        tree.others.setdefault(owner, folder.path)
        return "casme" in owner and "casme" in dataset  # CASME2 may lie in a folder called CASME
    key = key_of(folder)
    if key is None:
        return True
    tree.folders.setdefault(key, []).append(folder)
    return False


def _owner(names) -> str | None:
    """The database that the last telling name of a path speaks of."""
    return next(filter(None, (identify(name) for name in reversed(names))), None)


def _note_files(tree, path, files, dataset, owner):
    for name in files:
        lower = name.lower()
        if lower.endswith(SHEETS) and (identify(name) or owner) in (None, dataset):
            tree.sheets.append(os.path.join(path, name))
        elif lower.endswith(ARCHIVES):
            tree.archives.append(os.path.join(path, name))


def packed(root: pathlib.Path) -> str:
    """A remark on the first archive below `root`, to end a message with; "" if there is none."""
    for path, _, files in visit(root, []):
        for name in files:
            if name.lower().endswith(ARCHIVES):
                return f"; {os.path.join(path, name)}: an archive; unpack it first"
    return ""


def find_sheet(tree: Tree, is_one, prefer) -> str | None:
    """The sheet of a copy, or near the parents of its root, where that was given too deep.

    Args:
        is_one, prefer: of a file's name in lower case: whether it is one, and its sort key.
    """
    parents = list(tree.root.resolve().parents)[:3]
    near = [str(p) for above in parents for p in above.glob("*.*") if p.suffix.lower() in SHEETS]
    for paths in (tree.sheets, near):
        named = [(os.path.basename(path).lower(), path) for path in paths]
        found = [(prefer(name), len(path), path) for name, path in named if is_one(name)]
        if found:
            return min(found)[2]
    return None
