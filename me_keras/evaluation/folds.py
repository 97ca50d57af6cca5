"""Leave-one-subject-out: what is held out, a fold trained, and the records of all folds pooled."""

import dataclasses
import itertools
import time
import typing

import numpy as np

from me_keras.options import Options
from pipelines.schema import DataError

# Of what a trainer predicts, what the model looked at: kept beside the record.
SEEN = ("displacement", "attention")


@dataclasses.dataclass(frozen=True)
class Fold:
    """One held-out group, a subject as a rule. `train` and `test` are row indices."""

    group: str
    train: np.ndarray
    test: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class FoldTask:
    """One fold of one seed, and its place in the run's list of them.

    `options` are its own, where they are not those of the run.
    """

    index: int
    seed: int
    fold: Fold
    options: typing.Optional[Options] = None

    def __str__(self):
        return f"fold {self.fold.group}, seed {self.seed}"


def list_tasks(seeds, folds, own_options=None):
    """The list of `FoldTask` of a run: every fold of the first seed, then of the next, …"""
    own = own_options or {}
    pairs = itertools.product(seeds, folds)
    return [FoldTask(n, seed, fold, own.get(fold.group)) for n, (seed, fold) in enumerate(pairs)]


def leave_one_subject_out(subject_keys, subjects=()):
    """The folds of a database, in the order of the subject keys.

    Args:
        subject_keys: `(n,)` str, one per clip: "smic/s01"; to hold out databases, their names.
        subjects: hold out only these, named with or without the database; all if empty.
    Raises:
        DataError: fewer than two subjects, or one asked for that is not there.
    """
    subject_keys = np.asarray(subject_keys)
    known = sorted(set(subject_keys))
    if len(known) < 2:
        raise DataError(
            f"leaving one out needs at least two subjects, found {', '.join(known) or 'none'}"
        )
    chosen = known
    if subjects:
        chosen = named_subjects(known, subjects)
    rows = np.arange(len(subject_keys))
    held_out = [(key, subject_keys == key) for key in chosen]
    return [Fold(str(key), rows[~test], rows[test]) for key, test in held_out]


def share_out(subject_keys, num_folds):
    """The fold of each clip, where several subjects are held out at a time: `(n,)` str.

    Subjects are dealt out by their number of clips, so that folds are of like size.

    Raises:
        DataError: fewer subjects than folds.
    """
    subjects, counts = np.unique(np.asarray(subject_keys), return_counts=True)
    if len(subjects) < num_folds:
        raise DataError(f"--num-folds {num_folds}: there are {len(subjects)} subjects")
    dealt = subjects[np.argsort(-counts, kind="stable")]
    rounds = range(len(dealt))  # to and fro: 1 2 3 3 2 1 1 2 …
    places = [i % num_folds if i // num_folds % 2 == 0 else -1 - i % num_folds for i in rounds]
    fold = {key: f"fold{place % num_folds + 1}" for key, place in zip(dealt, places)}
    return np.array([fold[key] for key in subject_keys])


def named_subjects(known, names):
    """Those of the keys that are named, with or without the database: "smic/s01" or "s01".

    Raises:
        DataError: a name that is not among them.
    """
    found = {key: {key, key.split("/")[-1]} & set(names) for key in known}
    missing = sorted(set(names).difference(*found.values()))
    if missing:
        raise DataError(f"no subject {', '.join(missing)}; there are {', '.join(known)}")
    return [key for key in known if found[key]]


def fixed_splits(groups, train):
    """The folds of a database with parts of its own: trained on `train`, tested on each other.

    Args:
        groups: `(n,)` str, the part of each clip.
        train: name of the part that is never tested.
    Raises:
        DataError: there is nothing to train on, or nothing to test on.
    """
    groups = np.asarray(groups)
    tested = sorted(set(groups) - {train})
    rows = np.flatnonzero(groups == train)
    if not len(rows) or not tested:
        found = ", ".join(sorted(set(groups))) or "none"
        raise DataError(f"needs clips of {train} and of another part, found {found}")
    return [Fold(str(part), rows, np.flatnonzero(groups == part)) for part in tested]


def run_fold(trainer, fold, seed, datasets, callbacks=()):
    """Trains on the fold's training rows and predicts its test rows.

    Args:
        trainer: a `Trainer`.
        datasets: object with `pairs(rows, seed)`, `train(rows, seed)` and `test(rows)`, the
            last without labels.
        callbacks: `keras.callbacks.Callback`s of warm-up and training.
    Returns:
        tuple of a dict that JSON can hold, and one of arrays. The first: the fold's predictions by
        row, its training history, and its time: `seconds`, of which `seconds_setup` went into
        putting weights back and making datasets. The second: what the model looked at, as
        `Trainer.predict` tells it: `row`, and where there are such, `displacement`, `attention`.
    """
    start = time.perf_counter()
    trainer.reset(seed)
    warms_up = trainer.generator is not None and trainer.options.training.warmup_epochs
    pairs = datasets.pairs(fold.train, seed) if warms_up else None
    train = datasets.train(fold.train, seed)
    test = datasets.test(fold.test)
    ready = time.perf_counter()
    warmup = trainer.warm_up(pairs, callbacks) if warms_up else []
    history = trainer.fit(train, callbacks)
    predicted = trainer.predict(test)
    seen = {name: predicted.pop(name) for name in SEEN if name in predicted}
    record = {
        "group": fold.group,
        "seed": seed,
        "predictions": {name: values.tolist() for name, values in predicted.items()},
        "warmup": warmup,
        "history": history,
        "seconds": time.perf_counter() - start,
        "seconds_setup": ready - start,
    }
    return record, {"row": predicted["row"], **seen}


def pool(records, table, classes):
    """One table of the predictions of all folds and seeds, a row per seed and clip.

    Args:
        records: of `run_fold`.
        table: dict of columns, a row per clip of the database: `key`, `subject_key`, `dataset`,
            `label`, `group`.
    Raises:
        ValueError: a clip is predicted twice for a seed, or by another group's fold.
    """
    import pandas as pd

    clips = pd.DataFrame(table)
    parts = []
    for record in records:
        values = dict(record["predictions"])
        rows = values.pop("row")
        probabilities = np.asarray(values.pop("probabilities"))  # (n, k)
        part = clips.iloc[rows].assign(seed=record["seed"])
        if set(part["group"]) != {record["group"]}:
            raise ValueError(f"fold {record['group']} predicts clips of others")
        part["prediction"] = probabilities.argmax(axis=1)
        for index, name in enumerate(classes):
            part[f"p_{name}"] = probabilities[:, index]
        parts.append(part.assign(**values))
    pooled = pd.concat(parts, ignore_index=True)
    if pooled.duplicated(["seed", "key"]).any():
        raise ValueError("a clip is predicted twice for one seed")
    return pooled
