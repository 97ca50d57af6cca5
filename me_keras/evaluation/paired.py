"""Whether one system is better than another: both on the same clips and subjects.

Systems are given as confusion matrices of each seed and subject, `scores.subject_matrices`. What is
compared is UF1 of all subjects' pool, mean over seeds. Subjects are the unit of chance, as in the
intervals of `scores`: clips of one person are alike.
"""

import numpy as np
from scipy import stats

from me_keras import metrics
from me_keras.evaluation.scores import NUM_BOOTSTRAP

CHUNK = 1000  # draws of a permutation test that are in memory at once
DIGITS = 12  # of a difference of UF1: those that agree so far are equal but for rounding


def difference(ours, theirs, seed=0):
    """How far our UF1 is above theirs, with its 95 % bootstrap interval over subjects.

    Args:
        ours, theirs: `(seeds, subjects, k, k)` confusion matrices, subjects in the same order; the
            numbers of seeds may differ.
        seed: int, of the draws.
    Returns:
        tuple of floats: lower end, difference, upper end.
    Raises:
        ValueError: other subjects or classes.
    """
    _check(ours, theirs)
    count = ours.shape[1]
    drawn = np.random.default_rng(seed).multinomial(
        count, np.full(count, 1 / count), size=NUM_BOOTSTRAP
    )  # (draws, subjects) times each subject is in
    some, others = (np.einsum("ds,eskl->dekl", drawn, m) for m in (ours, theirs))
    low, high = np.percentile(_uf1(some) - _uf1(others), [2.5, 97.5])
    return float(low), float(_uf1(ours.sum(axis=1)) - _uf1(theirs.sum(axis=1))), float(high)


def permutation_test(ours, theirs, draws=10000, seed=0):
    """Two-sided paired permutation test over subjects that both systems have the same UF1.

    If they are alike, it does not matter whose answers are whose. In each draw the answers to a
    subject, of all seeds together, are swapped between the systems or not, with equal chance. Few
    subjects have no more than `draws` ways to swap: then each is taken once, and p is exact.

    Args:
        ours, theirs: as `difference`, of equally many seeds; a system of one seed, which draws
            nothing, stands beside each seed of the other.
        draws: int. seed: int, of the draws.
    Returns:
        float, p: the share of the draws, the observed one among them, whose difference is as large.
    Raises:
        ValueError: other subjects or classes, or numbers of seeds that cannot be paired.
    Reference: Fisher 1935; counting the observed one: Phipson and Smyth 2010.
    """
    _check(ours, theirs)
    seeds = {len(ours), len(theirs)}
    if len(seeds) > 1 and 1 not in seeds:
        raise ValueError(
            "both systems need equally many seeds, or one of them a single one. "
            f"Received {len(ours)} and {len(theirs)} seeds"
        )
    ours, theirs = np.broadcast_arrays(ours, theirs)
    count = ours.shape[1]
    if count < 2:  # for which SciPy has no test: swapped or not, the difference is as large
        return 1.0

    def distance(swapped, kept, axis):
        """How far the systems are apart where subjects `(…, count)` are swapped, 0 or 1: `(…,)`."""
        moved = np.tensordot(swapped, theirs - ours, (axis, 1))  # (…, seeds, k, k)
        apart = _uf1(ours.sum(axis=1) + moved) - _uf1(theirs.sum(axis=1) - moved)
        return np.round(np.abs(apart), DIGITS)

    found = stats.permutation_test(
        (np.zeros(count), np.ones(count)),
        distance,
        permutation_type="samples",
        vectorized=True,
        n_resamples=draws,
        batch=CHUNK,
        alternative="greater",  # of distances: two-sided
        random_state=np.random.default_rng(seed),
    )
    return float(found.pvalue)


def holm(p_values):
    """p-values corrected for their number, so that the chance of any false finding is bounded.

    Args:
        p_values: `(n,)` floats, one for each comparison.
    Returns:
        list of the adjusted p-values, in the order given: the i-th smallest times n - i + 1, but no
        less than the one before, and at most 1.
    Reference: Holm 1979.
    """
    p_values = np.asarray(p_values, float)
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(order), 0, -1)
    adjusted = np.empty_like(steps)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted.tolist()


def _check(ours, theirs):
    if ours.shape[1:] != theirs.shape[1:]:
        raise ValueError(
            "both systems need the same subjects and classes. "
            f"Received matrices of shapes {ours.shape} and {theirs.shape}"
        )


def _uf1(pooled):
    """(…) of `(…, seeds, k, k)`: mean over seeds."""
    return metrics.uf1(pooled).mean(axis=-1)
