import numpy as np
import pytest
from sklearn.metrics import log_loss

from me_keras.evaluation.pages import calibration


def test_bins_and_their_error_by_hand():
    confidence = [0.45, 0.5, 0.55, 0.95, 1.0]  # 0.5 is in (0.4, 0.5]
    correct = [True, False, True, True, False]
    first, second, third = calibration.reliability(confidence, correct)
    assert (first.count, second.count, third.count) == (2, 1, 2)
    assert (first.low, first.high) == pytest.approx((0.4, 0.5))
    assert (third.low, third.high) == pytest.approx((0.9, 1.0))
    assert [b.confidence for b in (first, second, third)] == pytest.approx([0.475, 0.55, 0.975])
    assert [b.accuracy for b in (first, second, third)] == [0.5, 1.0, 0.5]
    # (2 * |0.5 - 0.475| + 1 * |1 - 0.55| + 2 * |0.5 - 0.975|) / 5
    expected = (2 * 0.025 + 0.45 + 2 * 0.475) / 5
    assert calibration.expected_error([first, second, third]) == pytest.approx(expected)


def test_a_model_as_good_as_it_says_has_no_error(rng):
    confidence = np.repeat([0.25, 0.75], 40)
    correct = np.concatenate([np.arange(40) < 10, np.arange(40) < 30])
    assert calibration.expected_error(calibration.reliability(confidence, correct)) == 0
    wrong = calibration.reliability(np.full(10, 1.0), np.zeros(10, bool))
    assert calibration.expected_error(wrong) == 1


def test_the_counts_are_of_the_bins_of_the_means(rng):
    confidence = rng.random(500)
    for one in calibration.reliability(confidence, rng.random(500) < 0.5, num_bins=7):
        inside = confidence[(confidence > one.low) & (confidence <= one.high)]
        assert one.count == len(inside) and one.confidence == pytest.approx(inside.mean())


def test_brier_by_hand():
    # (0.3 ** 2 + 0.2 ** 2 + 0.1 ** 2) and (0.8 ** 2 + 0.8 ** 2): the worst would be 2
    found = calibration.brier(np.array([[0.7, 0.2, 0.1], [0.8, 0.2, 0.0]]), [0, 1])
    assert found == pytest.approx((0.14 + 1.28) / 2)
    assert calibration.brier(np.eye(3), [1, 2, 0]) == 2


def test_losses_are_those_of_scikit_learn(rng):
    probabilities, labels = rng.dirichlet(np.ones(4), 50), rng.integers(0, 4, 50)
    found = calibration.losses(probabilities, labels)
    assert found.mean() == pytest.approx(log_loss(labels, probabilities, labels=range(4)))
    assert found[3] == pytest.approx(-np.log(probabilities[3, labels[3]]))


def test_an_impossible_class_has_a_finite_loss():
    found = calibration.losses(np.array([[1.0, 0.0], [1.0 + 1e-9, 0.0]]), [1, 0])
    assert found == pytest.approx([-np.log(1e-7), 0.0]) and found[1] >= 0
