import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from me_keras import metrics


def test_equals_scikit_learn(rng):
    for _ in range(20):
        labels, guesses = rng.integers(0, 4, 60), rng.integers(0, 4, 60)
        matrix = metrics.confusion(labels, guesses, 4)
        np.testing.assert_array_equal(matrix, confusion_matrix(labels, guesses, labels=range(4)))
        each = f1_score(labels, guesses, labels=range(4), average=None, zero_division=0)
        np.testing.assert_allclose(metrics.per_class_f1(matrix), each)
        np.testing.assert_allclose(metrics.uf1(matrix), each.mean())
        np.testing.assert_allclose(
            metrics.uar(matrix), recall_score(labels, guesses, average="macro")
        )
        np.testing.assert_allclose(metrics.accuracy(matrix), accuracy_score(labels, guesses))


def test_always_negative_on_the_composite():
    labels = np.repeat([0, 1, 2], (250, 109, 83))
    matrix = metrics.confusion(labels, np.zeros_like(labels))
    assert round(float(metrics.uf1(matrix)), 4) == 0.2408
    assert round(float(metrics.uar(matrix)), 4) == 0.3333
    assert round(float(metrics.accuracy(matrix)), 4) == 0.5656


def test_by_hand_and_a_class_never_predicted_counts_zero():
    matrix = metrics.confusion([0, 0, 1, 2], [0, 1, 1, 1])
    np.testing.assert_allclose(metrics.per_class_f1(matrix), [2 / 3, 0.5, 0.0])
    assert metrics.uar(matrix) == 0.5


def test_stacks_of_matrices(rng):
    stack = rng.integers(0, 9, (5, 2, 3, 3))
    for name, function in metrics.SCORES.items():
        assert function(stack).shape == (5, 2), name
        np.testing.assert_allclose(function(stack)[3, 1], function(stack[3, 1]))


@pytest.mark.parametrize(
    "labels, guesses, message",
    [
        ([0, 1], [0], r"Received shapes \(2,\) and \(1,\)"),
        ([], [], "non-empty"),
        ([0, 3], [0, 1], "label 3 is not a class id"),
        ([0, 1], [0, -1], "prediction -1 is not a class id"),
    ],
)
def test_refuses_what_cannot_be_scored(labels, guesses, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion(labels, guesses)
