import itertools

import numpy as np
import pytest

from me_keras import metrics
from me_keras.evaluation import paired


def confusions(right):
    """`(1, subjects, 2, 2)`: of two clips a class of each subject, so many are right."""
    return np.array([[[[n, 2 - n], [2 - n, n]] for n in right]])


def drawn(rng, seeds, subjects, skill, classes=3, clips=12):
    """`(seeds, subjects, k, k)` of a system that guesses, but for a share of the clips."""
    truth = np.random.default_rng(1)  # the same clips for every system
    labels = truth.integers(0, classes, (subjects, clips))
    guesses = rng.integers(0, classes, (seeds, subjects, clips))
    knows = rng.random(guesses.shape) < skill
    found = np.where(knows, labels, guesses)
    rows = [[metrics.confusion(*pair, classes) for pair in zip(labels, own)] for own in found]
    return np.array(rows)


def test_the_interval_is_of_differences_on_the_same_people():
    ours, theirs = confusions([2, 2, 1, 2, 0, 2]), confusions([1, 2, 1, 1, 0, 2])
    low, middle, high = paired.difference(ours, theirs)
    assert middle == pytest.approx(9 / 12 - 7 / 12)  # with as many of both classes, UF1 is accuracy
    assert 0 <= low < middle < high < 0.5  # no person is better with theirs
    assert paired.difference(ours, ours) == (0.0, 0.0, 0.0)


def test_the_permutation_test_is_the_share_of_all_swaps(rng):
    """Of five subjects and two seeds all 32 swaps, one after the other."""
    ours, theirs = drawn(rng, 2, 5, 0.8), drawn(rng, 2, 5, 0.4)

    def uf1(matrices):
        return np.mean([metrics.uf1(of_seed.sum(axis=0)) for of_seed in matrices])

    found = []
    for swapped in itertools.product([False, True], repeat=5):
        sides = np.array(swapped)[None, :, None, None]
        found.append(uf1(np.where(sides, theirs, ours)) - uf1(np.where(sides, ours, theirs)))
    exact = np.mean(np.abs(found) >= abs(found[0]) - 1e-12)
    assert 2 / 32 <= exact < 1  # the observed one, and all subjects swapped, at least
    assert paired.permutation_test(ours, theirs) == exact
    assert paired.permutation_test(theirs, ours) == exact


def test_of_many_swaps_some_are_drawn(rng):
    ours, theirs = drawn(rng, 2, 12, 0.55), drawn(rng, 2, 12, 0.5)
    exact = paired.permutation_test(ours, theirs, draws=2**12)
    assert 0.05 < exact < 0.95 and exact * 2**12 == round(exact * 2**12)
    p = paired.permutation_test(ours, theirs, draws=4000)
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 4000))
    assert round(p * 4001) == pytest.approx(p * 4001)  # the observed one counts, too
    assert paired.permutation_test(theirs, ours, draws=4000) == p
    assert paired.permutation_test(ours, theirs, draws=4000, seed=1) != p


def test_of_one_subject_nothing_can_be_told(rng):
    assert paired.permutation_test(drawn(rng, 2, 1, 0.9), drawn(rng, 2, 1, 0.1)) == 1.0


def test_what_is_alike_is_not_told_apart_and_what_differs_is(rng):
    ours = drawn(rng, 3, 20, 0.9)
    assert paired.permutation_test(ours, ours, draws=500) == 1.0
    worse = drawn(rng, 3, 20, 0.2)
    assert paired.permutation_test(ours, worse, draws=2500) == 1 / 2501  # three chunks
    low, middle, high = paired.difference(ours, worse)
    assert 0.2 < low < middle < high


def test_p_is_uniform_where_nothing_differs(rng):
    pairs = [(drawn(rng, 1, 12, 0.5), drawn(rng, 1, 12, 0.5)) for _ in range(200)]
    found = [paired.permutation_test(*pair, draws=200) for pair in pairs]
    assert np.mean(np.array(found) <= 0.1) == pytest.approx(0.1, abs=0.06)
    assert np.mean(found) == pytest.approx(0.5, abs=0.08)


def test_one_seed_stands_beside_each_of_the_others(rng):
    ours, theirs = drawn(rng, 3, 8, 0.7), drawn(rng, 1, 8, 0.5)
    p = paired.permutation_test(ours, theirs)
    assert p == paired.permutation_test(ours, np.repeat(theirs, 3, axis=0))
    assert p == paired.permutation_test(theirs, ours)


def test_what_cannot_be_paired_is_refused(rng):
    three, two = drawn(rng, 3, 4, 0.5), drawn(rng, 2, 4, 0.5)
    with pytest.raises(ValueError, match="3 and 2 seeds"):
        paired.permutation_test(three, two)
    for function in (paired.permutation_test, paired.difference):
        with pytest.raises(ValueError, match=r"\(3, 4, 3, 3\) and \(3, 3, 3, 3\)"):
            function(three, three[:, 1:])


@pytest.mark.parametrize(
    "given, expected",
    [
        # 4 * 0.005, 3 * 0.01, 2 * 0.03, and 1 * 0.04, which is less than the one before
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.04, 0.01, 0.03], [0.06, 0.03, 0.06]),
        ([0.6, 0.4], [0.8, 0.8]),
        ([0.9, 0.7, 0.8], [1.0, 1.0, 1.0]),
        ([0.2], [0.2]),
        ([], []),
    ],
)
def test_holm_by_hand(given, expected):
    assert paired.holm(given) == pytest.approx(expected)
