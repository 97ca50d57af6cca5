"""Looks a protocol up, and applies it to clips or to the entries of a manifest."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import typing

from pipelines import schema
from pipelines.protocols import table
from pipelines.protocols.types import HOLDOUT, LOSO, SPLITS, Protocol

if typing.TYPE_CHECKING:
    import numpy as np


def choose(dataset: str, name: str | None = None) -> Protocol:
    """The protocol `name`, or the field's usual one, checked against the dataset.

    Raises DataError for an unknown name, or a protocol that the dataset lacks the databases for.

    Examples:
        >>> choose("casme2").name
        'casme2-3'
        >>> choose("casme2", "casme2-5").classes
        ('disgust', 'happiness', 'others', 'repression', 'surprise')
    """
    fitting = names(dataset)
    if not fitting:
        missing = f"--dataset {dataset} has no protocol"
        raise schema.DataError(f"{missing}: add one to protocols/table.py")
    name = name or fitting[0]
    if name in fitting:
        return table.PROTOCOLS[name]
    known = f"--dataset {dataset} has {', '.join(fitting)}"
    if name not in table.PROTOCOLS:
        raise schema.DataError(f"unknown protocol {name!r}: {known}")
    needed = " and ".join(table.PROTOCOLS[name].databases)
    raise schema.DataError(f"protocol {name} needs {needed}: {known}")


def names(dataset: str | None = None) -> tuple[str, ...]:
    """Names of the protocols that `dataset` can serve, its default first; of all when None.

    Examples:
        >>> names("samm")
        ('samm-3', 'samm-5')
    """
    if dataset is None:
        return tuple(table.PROTOCOLS)
    held = set(table.MEMBERS.get(dataset, (dataset,)))
    return tuple(name for name, p in table.PROTOCOLS.items() if set(p.databases) <= held)


def _databases() -> dict[str, None]:
    """Names of the databases that have a protocol, in order of the table."""
    return dict.fromkeys(name for p in table.PROTOCOLS.values() for name in p.databases)


def listing() -> str:
    """Which protocols each dataset has, the default first, a line each: for `--help`."""
    datasets = (*_databases(), *table.MEMBERS)
    return "\n".join(f"  {dataset:14}{', '.join(names(dataset))}" for dataset in datasets)


def labels(clips, protocol: Protocol) -> np.ndarray:
    """The label of each clip, -1 where the protocol leaves it out: (n,) int32.

    Args:
        clips: `schema.Clip`s, or the entries of a manifest's "clips".
    """
    import numpy as np  # here, for `--help` lists protocols without it

    return np.array([_label(_fact(clip), protocol) for clip in clips], np.int32)


def apply(clips, protocol: Protocol) -> list[schema.Clip]:
    """The clips that the protocol takes, with its labels, in their order."""
    pairs = zip(clips, labels(clips, protocol))
    return [dataclasses.replace(clip, label=int(label)) for clip, label in pairs if label >= 0]


def groups(clips, protocol: Protocol) -> list[str]:
    """What is held out together, for each clip: its subject, its database, or its split.

    For fixed splits the group `TRAIN` is trained on, always, and every other one is tested.
    """
    field = {LOSO: "subject_key", HOLDOUT: "dataset", SPLITS: "split"}[protocol.evaluation]
    return [_fact(clip)[field] for clip in clips]


def left_out(clips, protocol: Protocol) -> dict[str, str]:
    """Why each clip without a label has none: key -> reason."""
    reasons = {}
    for fact in map(_fact, clips):
        if _label(fact, protocol) < 0:
            word = _word(fact, protocol)
            reason = protocol.left_out.get(fact["key"].lower())
            if reason is None and "+" in word:
                reason = protocol.multi_label or f"{word}: several emotions"
            what = "objective class" if protocol.objective else "emotion"
            reasons[fact["key"]] = reason or f"{what} {word or 'unknown'}: not in the protocol"
    return reasons


def lost(skipped, protocol: Protocol) -> list:
    """Those of the clips that cannot be used which the protocol would take.

    A clip counts where neither its database nor its emotion says otherwise.

    Args:
        skipped: `schema.Skipped`s, or the entries of a manifest's "skipped".
    """
    found = []
    for item in skipped:
        fact = item if isinstance(item, collections.abc.Mapping) else dataclasses.asdict(item)
        fact = {"emotion": "", "objective": "", **fact, "dataset": fact["key"].split("/")[0]}
        is_other = fact["dataset"] in _databases() and fact["dataset"] not in protocol.databases
        is_known = fact["key"].lower() in protocol.left_out or _word(fact, protocol)
        if not is_other and (not is_known or _label(fact, protocol) >= 0):
            found.append(item)
    return found


def differences(clips, protocol: Protocol) -> list[str]:
    """How the clips on disk differ from what the protocol expects, a line each; [] if not at all.

    Args:
        clips: as `labels`; all of a copy, or those that `apply` returned.
    """
    facts = [fact for fact in map(_fact, clips) if _label(fact, protocol) >= 0]
    lines: list[str] = []
    for dataset, expected in protocol.expected.items():
        own = [fact for fact in facts if fact["dataset"] == dataset]
        doubt = " (recalled, not from a sheet)" * expected.recalled
        if not own:
            total = "some" if expected.counts is None else f"{sum(expected.counts)}{doubt}"
            lines.append(f"{dataset}: no clip, expected {total}")
            continue
        lines += [f"{dataset}: {said}{doubt}" for said in _counts(own, expected.counts, protocol)]
        subjects = len({fact["subject_key"] for fact in own})
        if expected.subjects not in (None, subjects):
            lines.append(f"{dataset}: {subjects} subjects, expected {expected.subjects}")
        for name, wanted in (expected.splits or {}).items():
            part = [fact for fact in own if fact["split"] == name]
            lines += [f"{dataset}: split {name}: {s}" for s in _counts(part, wanted, protocol)]
    return lines


def _counts(facts, wanted, protocol):
    """How clips differ in number from a total, or in each class from its count."""
    if isinstance(wanted, int):
        return [f"{len(facts)} clips, expected {wanted}"] * (len(facts) != wanted)
    found = collections.Counter(_label(fact, protocol) for fact in facts)
    return [
        f"{found[label]} clips of {protocol.classes[label]}, expected {count}"
        for label, count in enumerate(wanted or ())
        if found[label] != count
    ]


def summary(clips, protocol: Protocol) -> str:
    """A line for each database: its clips of each class, and its subjects."""
    lines = []
    for dataset in protocol.databases:
        own = [f for f in map(_fact, clips) if f["dataset"] == dataset]
        own = [fact for fact in own if _label(fact, protocol) >= 0]
        if own:
            found = collections.Counter(_label(fact, protocol) for fact in own)
            counts = ", ".join(f"{name} {found[k]}" for k, name in enumerate(protocol.classes))
            people = len({fact["subject_key"] for fact in own})
            lines.append(f"{dataset}: {len(own)} clips of {people} subjects ({counts})")
    return "\n".join(lines)


def _fact(clip) -> collections.abc.Mapping:
    """What a protocol looks at: from a clip, or an entry of a manifest."""
    if isinstance(clip, collections.abc.Mapping):
        return {"objective": "", "split": "", **clip}
    names = ("key", "dataset", "subject_key", "emotion", "objective", "split")
    return {name: getattr(clip, name) for name in names}


def _word(fact, protocol) -> str:
    return fact["objective" if protocol.objective else "emotion"]


def _label(fact, protocol) -> int:
    if fact["key"].lower() in protocol.left_out:
        return -1
    return protocol.words.get(fact["dataset"], {}).get(_word(fact, protocol), -1)
