"""Which clips a search may see: decided here, once, before any trial."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from me_keras.evaluation.folds import Fold
from me_keras.tuning.options import SearchOptions
from pipelines.schema import DataError

DRAWS = 500  # random choices of development subjects, the one most like the whole is taken


@dataclasses.dataclass(frozen=True)
class Search:
    """One search: the clips its trials see and are scored on, and what is judged with its result.

    Attributes:
        name: "search", or the held-out group in nested scope.
        inner: its folds, grouped by subject; rows of the prepared database.
        subjects: keys of the subjects in it.
        reported: the folds that its best options are evaluated on.
    """

    name: str
    inner: tuple[Fold, ...]
    subjects: tuple[str, ...]
    reported: tuple[Fold, ...]


def plan(options: SearchOptions, labels, subject_keys, datasets, folds) -> list[Search]:
    """The searches of a scope.

    Args:
        labels: `(n,)` int. subject_keys, datasets: `(n,)` str.
        folds: list of `Fold`, the protocol's.
    Raises:
        DataError: too few subjects for the inner folds, or none left to report.
    """
    scope = options.search.scope
    labels, subject_keys = np.asarray(labels), np.asarray(subject_keys)

    def search(name, rows, reported):
        inner = inner_folds(options, labels, subject_keys, rows, name)
        return Search(name, tuple(inner), _subjects(subject_keys, rows), tuple(reported))

    if scope == "nested":
        found = []
        for fold in folds:  # the other clips of a subject that is held out stay out as well
            apart = np.isin(subject_keys[fold.train], subject_keys[fold.test])
            found.append(search(fold.group, fold.train[~apart], [fold]))
        return found
    if scope == "all":
        return [search("search", np.arange(len(labels)), folds)]
    cells = np.char.add(np.asarray(datasets).astype(str), labels.astype(str))
    chosen = development_subjects(options, cells, subject_keys, folds)
    mine = np.isin(subject_keys, chosen)
    reported = [
        Fold(fold.group, fold.train[~mine[fold.train]], fold.test[~mine[fold.test]])
        for fold in folds
        if not mine[fold.test].all()
    ]
    if not reported or not all(len(fold.train) for fold in reported):
        raise DataError(
            f"with {len(chosen)} subjects set apart for the search too few are left to report: "
            "lower --development-share, or name fewer --development-subjects"
        )
    return [search("search", np.flatnonzero(mine), reported)]


def development_subjects(options: SearchOptions, cells, subject_keys, folds) -> tuple[str, ...]:
    """The subjects set apart: those named, or a share drawn to be like the whole.

    Args:
        cells: `(n,)` str, database and class of each clip: what the share keeps in proportion.
    Raises:
        DataError: a subject is named that is not there.
    """
    trained = np.unique(np.concatenate([fold.train for fold in folds]))
    known = sorted(set(subject_keys[trained]))
    if options.run.subjects:  # those asked for are to be reported
        held = {key for fold in folds for key in subject_keys[fold.test]}
        known = [key for key in known if key not in held]
    named = set(options.search.development_subjects)
    if named:
        chosen = [key for key in known if key in named or key.split("/")[-1] in named]
        missing = sorted(named - {n for key in chosen for n in (key, key.split("/")[-1])})
        if missing:
            raise DataError(
                f"--development-subjects: no subject {', '.join(missing)}; there are "
                f"{', '.join(known)}"
            )
        return tuple(chosen)
    count = max(1, round(options.search.development_share * len(known)))
    kinds, of_clip = np.unique(cells, return_inverse=True)
    counts = np.zeros((len(known), len(kinds)))
    for row, key in enumerate(known):
        counts[row] = np.bincount(of_clip[subject_keys == key], minlength=len(kinds))
    rng = np.random.default_rng(options.run.seed)
    draws = [rng.permutation(len(known))[:count] for _ in range(DRAWS)]
    wanted = counts.sum(axis=0) * count / len(known)
    best = min(draws, key=lambda draw: np.abs(counts[draw].sum(axis=0) - wanted).sum())
    return tuple(known[index] for index in sorted(best))


def inner_folds(options: SearchOptions, labels, subject_keys, rows, name) -> list[Fold]:
    """Folds of the clips `rows`: no subject on both sides, classes in proportion.

    Raises:
        DataError: fewer subjects than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    rows, count = np.asarray(rows), options.search.inner_folds
    subjects = _subjects(subject_keys, rows)
    if len(subjects) < count:
        raise DataError(
            f"{name}: {len(subjects)} subjects to tune on, fewer than {count} inner folds: lower "
            "--inner-folds, or raise --development-share"
        )
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=options.run.seed)
    # a class with fewer clips than folds is no reason to warn: the scores show it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            parts = list(splitter.split(rows, labels[rows], subject_keys[rows]))
        except ValueError as error:  # every class is rarer than there are folds
            raise DataError(f"{name}: {error}: lower --inner-folds") from None
    return [
        Fold(f"inner-{number}", rows[train], rows[test])
        for number, (train, test) in enumerate(parts, start=1)
        if len(test)
    ]


def _subjects(subject_keys, rows):
    return tuple(sorted(set(map(str, subject_keys[rows]))))
