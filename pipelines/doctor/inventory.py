"""What lies in a copy of a database beside its clips: archives, links, strangers, litter."""

from __future__ import annotations

import collections
import dataclasses
import os
import pathlib
import re

from pipelines.databases import tree as trees
from pipelines.faces.frames import SUFFIXES, frame_number


@dataclasses.dataclass
class Inventory:
    """What a walk of a copy meets; paths as texts, sorted."""

    archives: list[str] = dataclasses.field(default_factory=list)  # hardly unpacked: no such folder
    loops: list[str] = dataclasses.field(default_factory=list)  # links back to a folder above them
    broken: list[str] = dataclasses.field(default_factory=list)  # links that lead nowhere
    # Other databases, name -> the topmost folder of each.
    others: dict[str, str] = dataclasses.field(default_factory=dict)
    # File among frames that is no image -> how many such files its folder has.
    litter: dict[str, int] = dataclasses.field(default_factory=dict)
    unnumbered: list[str] = dataclasses.field(default_factory=list)  # images among frames


def take(root, own: set[str]) -> Inventory:
    """Walks a copy, debris left out; links to folders are followed, each folder read once.

    Args:
        root: its folder.
        own: names of the databases that belong there, as `tree.identify` gives them.
    """
    inventory = Inventory()
    again: list[str] = []
    owners: dict[str, str] = {}
    for folder, inside, files in trees.visit(root, again):
        owned = {os.path.join(folder, name): trees.identify(name) for name in inside}
        owners.update({path: owner for path, owner in owned.items() if owner})
        _sort(inventory, folder, files)
    inventory.loops = [path for path in again if _leads_up(path)]
    inventory.others = _strangers(owners, own)
    return inventory


def _leads_up(link):
    real = os.path.realpath(link)
    return os.path.commonpath([os.path.realpath(os.path.dirname(link)), real]) == real


def _sort(inventory, folder, files):
    """Sorts the files of one folder into the inventory."""
    images = [name for name in files if name.lower().endswith(SUFFIXES)]
    strange = []
    for name in files:
        path, lower = os.path.join(folder, name), name.lower()
        if os.path.islink(path) and not os.path.exists(path):
            inventory.broken.append(path)
        elif lower.endswith(trees.ARCHIVES):
            if not os.path.isdir(os.path.join(folder, name.split(".")[0])):
                inventory.archives.append(path)
        elif name not in images and not lower.endswith(trees.SHEETS):
            strange.append(path)
        elif name in images and frame_number(name) is None:
            inventory.unnumbered.append(path)
    if images and strange:
        inventory.litter[strange[0]] = len(strange)


def _strangers(owners, own):
    """Folders of other databases; not a folder CASME that holds CASME2 for the database it is."""
    known = [path for path, owner in owners.items() if owner in own]
    others: dict[str, str] = {}
    for path, owner in sorted(owners.items()):
        around = any(place.startswith(path + os.sep) for place in known)
        within = any(path.startswith(place + os.sep) for place in known)
        if owner not in own and not around and not within:
            others.setdefault(owner, path)
    return others


def layouts(root, clips) -> list[str]:
    """How the clips' paths are made: "SMIC_all_raw/HS/*/micro/*/*/image######.bmp (164 clips)".

    What all clips share is spelled out; frame numbers are shown as digits of the first clip's.
    """
    groups = collections.defaultdict(list)
    for clip in clips:
        path = pathlib.Path(os.path.relpath(clip.frames[0], root))
        groups[clip.dataset, len(path.parts), path.suffix].append(path)
    lines = []
    for paths in groups.values():
        columns = [set(column) for column in zip(*(path.parts[:-1] for path in paths))]
        parts = [column.pop() if len(column) == 1 else "*" for column in columns]
        name = re.sub(r"\d+(?=\D*$)", lambda m: "#" * len(m[0]), paths[0].name)
        own = [path.parts[-2] for path in paths if len(path.parts) > 1]
        if own and all(path.name.startswith(folder) for path, folder in zip(paths, own)):
            name = "*" + name[len(own[0]) :]
        count = f"{len(paths)} clip" + "s" * (len(paths) > 1)
        lines.append(f"{'/'.join([*parts, name])} ({count})")
    return lines
