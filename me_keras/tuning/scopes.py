"""Which clips a search may see: decided here, once, before any trial."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np

from me_keras.evaluation.folds import Fold, named_subjects
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


def plan(options: SearchOptions, prepared, folds) -> list[Search]:
    """The searches of a scope.

    Args:
        prepared: the clips. folds: list of `Fold` of its rows, the protocol's.
    Raises:
        DataError: too few subjects for the inner folds, or none left to report.
    """
    scope, keys = options.search.scope, np.asarray(prepared.subject_keys)

    def search(name, rows, reported):
        inner = inner_folds(options, prepared.labels, keys, rows, name)
        subjects = tuple(sorted(set(map(str, keys[rows]))))
        return Search(name, tuple(inner), subjects, tuple(reported))

    if scope == "nested":
        found = []
        for fold in folds:  # the other clips of a subject that is held out stay out as well
            apart = np.isin(keys[fold.train], keys[fold.test])
            found.append(search(fold.group, fold.train[~apart], [fold]))
        return found
    if scope == "all":
        return [search("search", np.arange(len(keys)), folds)]
    chosen = development_subjects(options, prepared, folds)
    mine = np.isin(keys, chosen)
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


def development_subjects(options: SearchOptions, prepared, folds) -> tuple[str, ...]:
    """The subjects set apart: those named, or a share drawn to be like the whole.

    The share keeps databases and classes in proportion.

    Raises:
        DataError: a subject is named that is not there.
    """
    keys = np.asarray(prepared.subject_keys)
    free = set(keys[np.concatenate([fold.train for fold in folds])])
    if options.run.subjects:  # those asked for are to be reported
        free -= {key for fold in folds for key in keys[fold.test]}
    known = sorted(free)
    if options.search.development_subjects:
        try:
            return tuple(named_subjects(known, options.search.development_subjects))
        except DataError as error:
            raise DataError(f"--development-subjects: {error}") from None
    count = max(1, round(options.search.development_share * len(known)))
    cells = np.char.add(np.asarray(prepared.datasets).astype(str), prepared.labels.astype(str))
    kinds, of_clip = np.unique(cells, return_inverse=True)
    counts = np.stack([np.bincount(of_clip[keys == key], minlength=len(kinds)) for key in known])
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

    rows, count, seed = np.asarray(rows), options.search.inner_folds, options.run.seed
    subjects = len(set(subject_keys[rows]))
    if subjects < count:
        raise DataError(
            f"{name}: {subjects} subjects to tune on, fewer than {count} inner folds: lower "
            "--inner-folds, or raise --development-share"
        )
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():  # that a class has fewer clips than folds: the scores show it
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
