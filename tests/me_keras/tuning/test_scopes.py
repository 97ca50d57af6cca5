import sys
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from me_keras.evaluation import folds
from me_keras.tuning import scopes
from me_keras.tuning.options import SearchOptions
from pipelines import cli
from pipelines.schema import DataError


def options(**values):
    return cli.replace(SearchOptions(), **{"inner_folds": 2, **values})


def database(num_subjects, per_class=2):
    keys = np.repeat([f"d/s{n:02d}" for n in range(num_subjects)], 3 * per_class)
    labels = np.tile([0, 1, 2], num_subjects * per_class)
    return types.SimpleNamespace(labels=labels, subject_keys=keys, datasets=["d"] * len(keys))


def searches(options, num_subjects=10):
    prepared = database(num_subjects)
    splits = folds.leave_one_subject_out(prepared.subject_keys, options.run.subjects)
    return prepared.subject_keys, splits, scopes.plan(options, prepared, splits)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 2)), min_size=12), st.integers(2, 4))
def test_inner_folds_part_subjects_and_test_each_clip_once(clips, count):
    keys = np.array([f"s{subject}" for subject, _ in clips])
    labels = np.array([label for _, label in clips])
    rows = np.arange(len(keys))[::2]  # a search sees some clips only
    if len(set(keys[rows])) < count:
        with pytest.raises(DataError, match="fewer than"):
            scopes.inner_folds(options(inner_folds=count), labels, keys, rows, "search")
        return
    try:
        found = scopes.inner_folds(options(inner_folds=count), labels, keys, rows, "search")
    except DataError as error:  # all classes rarer than folds
        assert "--inner-folds" in str(error)
        return
    tested = np.concatenate([fold.test for fold in found])
    assert sorted(tested) == list(rows)
    for fold in found:
        assert len(fold.train) and not set(keys[fold.train]) & set(keys[fold.test])
        assert set(fold.train) | set(fold.test) == set(rows)


def test_inner_folds_keep_classes_in_proportion():
    # each subject shows one class: 6 of each in 3 folds are 2 of each in every fold
    keys = np.array([f"s{n}" for n in range(18)])
    labels = np.repeat([0, 1, 2], 6)
    off = 0 if sys.version_info >= (3, 10) else 1  # by the last scikit-learn for Python 3.9
    for fold in scopes.inner_folds(options(inner_folds=3), labels, keys, np.arange(18), "search"):
        assert np.abs(np.bincount(labels[fold.test], minlength=3) - 2).max() <= off


@pytest.mark.parametrize("seed", [0, 1])
def test_development_parts_the_subjects(seed):
    keys, _, (search,) = searches(options(seed=seed))
    reported = {split.group for split in search.reported}
    assert len(search.subjects) == 4 and reported == set(keys) - set(search.subjects)
    for split in search.reported:
        assert not set(keys[split.train]) & set(search.subjects)
        assert set(keys[split.test]) == {split.group}
    inner = {row for fold in search.inner for row in (*fold.train, *fold.test)}
    assert set(keys[list(inner)]) == set(search.subjects)


@pytest.mark.parametrize("databases", [("a", "a"), ("a", "b")])
def test_development_subjects_are_like_the_whole(databases):
    # half of the subjects are of one kind, class and database, the other half of another
    keys = np.repeat([f"s{n}" for n in range(8)], 4)
    labels, datasets = np.repeat([0, 1] * 4, 4), np.repeat([*databases] * 4, 4)
    prepared = types.SimpleNamespace(labels=labels, subject_keys=keys, datasets=datasets)
    splits = folds.leave_one_subject_out(keys)
    for seed in range(3):
        chosen = options(development_share=0.5, seed=seed)
        drawn = scopes.development_subjects(chosen, prepared, splits)
        assert sorted(int(key[1]) % 2 for key in drawn) == [0, 0, 1, 1]


def test_development_is_drawn_by_seed_and_can_be_named():
    a, b, c = (searches(options(seed=seed))[2][0].subjects for seed in (0, 0, 5))
    assert a == b and a != c
    named = options(development_subjects=("s03", "d/s01", "s05"))
    assert searches(named)[2][0].subjects == ("d/s01", "d/s03", "d/s05")
    with pytest.raises(DataError, match="no subject s77; there are d/s00"):
        searches(options(development_subjects=("s77", "s01")))


def test_subjects_asked_for_are_reported_not_tuned_on():
    _, _, (search,) = searches(options(subjects=("s02",)))
    assert [split.group for split in search.reported] == ["d/s02"]
    assert "d/s02" not in search.subjects


def test_nested_has_a_search_for_each_held_out_subject_without_it():
    keys, splits, found = searches(options(scope="nested"))
    assert [search.name for search in found] == [split.group for split in splits]
    for search in found:
        rows = {row for fold in search.inner for row in (*fold.train, *fold.test)}
        assert set(keys[list(rows)]) == set(keys) - {search.name} == set(search.subjects)


def test_nested_keeps_other_clips_of_tested_subjects_out():
    # parts fixed by the database may share a subject
    prepared = database(6)
    keys = prepared.subject_keys
    train = np.arange(0, len(keys) - 2)
    splits = [folds.Fold("test", train, np.arange(len(keys) - 2, len(keys)))]
    (search,) = scopes.plan(options(scope="nested"), prepared, splits)
    assert keys[-1] not in search.subjects and len(search.subjects) == 5


def test_all_sees_and_reports_everyone():
    keys, splits, (search,) = searches(options(scope="all"))
    assert set(search.subjects) == set(keys) and search.reported == tuple(splits)


@pytest.mark.parametrize(
    "chosen, message",
    [
        (options(inner_folds=5), "4 subjects to tune on, fewer than 5 inner folds"),
        (options(scope="nested", inner_folds=12), "fewer than 12 inner folds"),
        (options(development_share=0.99), "too few are left to report"),
    ],
)
def test_too_few_subjects_are_named(chosen, message):
    with pytest.raises(DataError, match=message):
        searches(chosen)
