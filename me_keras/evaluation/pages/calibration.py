"""Whether a model's probabilities are as good as they claim: reliability and its error."""

from __future__ import annotations

import dataclasses

import numpy as np

NUM_BINS = 10
LEAST = 1e-7  # probabilities below count as this in a logarithm


@dataclasses.dataclass(frozen=True)
class Bin:
    """The predictions whose confidence lies in (low, high].

    Attributes:
        count: how many. confidence: their mean confidence. accuracy: share that is correct.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(confidence, correct, num_bins=NUM_BINS) -> list[Bin]:
    """The bins of a reliability diagram, equally wide over [0, 1]; empty ones are left out.

    Args:
        confidence: (n,) in [0, 1], probability of the predicted class.
        correct: (n,) bool, whether it is the true one.
    """
    from sklearn.calibration import calibration_curve

    edges = np.linspace(0, 1, num_bins + 1)
    place = np.searchsorted(edges[1:-1], confidence)  # as calibration_curve has it
    counts = np.bincount(place, minlength=num_bins)
    accuracy, mean = calibration_curve(np.asarray(correct, int), confidence, n_bins=num_bins)
    filled = np.flatnonzero(counts)
    return [
        Bin(float(edges[i]), float(edges[i + 1]), int(counts[i]), float(m), float(a))
        for i, m, a in zip(filled, mean, accuracy)
    ]


def expected_error(bins) -> float:
    """Expected calibration error: |accuracy - confidence| of the bins, weighted by their counts.

    In [0, 1]; 0 is best. Reference: Naeini 2015; of the predicted class: Guo 2017.
    """
    counts = np.array([b.count for b in bins], float)
    gaps = np.array([abs(b.accuracy - b.confidence) for b in bins])
    return float(counts @ gaps / counts.sum())


def brier(probabilities, labels) -> float:
    """Brier score: mean squared distance between the probabilities and the true class.

    Args:
        probabilities: (n, k). labels: (n,) int.
    Returns:
        in [0, 2], the sum over classes, as Brier 1950; 0 is best.
    """
    truth = np.eye(np.shape(probabilities)[1])[np.asarray(labels)]  # (n, k)
    return float(np.mean(np.sum((probabilities - truth) ** 2, axis=1)))


def losses(probabilities, labels) -> np.ndarray:
    """(n,): -log of the true class's probability, nats, at least 0; at most -log `LEAST`."""
    probabilities = np.asarray(probabilities, float)
    true = probabilities[np.arange(len(probabilities)), np.asarray(labels)]  # (n,)
    return -np.log(np.clip(true, LEAST, 1.0))
