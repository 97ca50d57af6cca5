"""The field's scores, on predictions pooled over all folds."""

import numpy as np
from sklearn.metrics import f1_score, recall_score


def per_class_f1(labels, predictions, num_classes=3):
    """F1 of each class: 2 TP / (2 TP + FP + FN); 0 for a class with neither labels nor predictions.

    Args:
        labels, predictions: `(n,)` int, class ids in [0, num_classes), pooled over all folds.
        num_classes: int k.
    Returns:
        `(k,)` float64 in [0, 1].
    Raises:
        ValueError: if the lengths differ, nothing is given, or an id is out of range (a missing
            prediction, say).
    """
    labels, predictions = _checked(labels, predictions, num_classes)
    return f1_score(
        labels, predictions, labels=range(num_classes), average=None, zero_division=0
    )


def uf1(labels, predictions, num_classes=3):
    """Unweighted F1: the mean of `per_class_f1` over all classes, predicted or not.

    Reference: MEGC2019. Averaging F1 over folds instead is a known mistake.
    """
    return float(np.mean(per_class_f1(labels, predictions, num_classes)))


def uar(labels, predictions, num_classes=3):
    """Unweighted average recall: mean over classes of TP / N. Arguments as `per_class_f1`."""
    labels, predictions = _checked(labels, predictions, num_classes)
    return float(
        recall_score(
            labels, predictions, labels=range(num_classes), average="macro", zero_division=0
        )
    )


def accuracy(labels, predictions, num_classes=3):
    """Share of correct predictions. Arguments as `per_class_f1`."""
    labels, predictions = _checked(labels, predictions, num_classes)
    return float(np.mean(labels == predictions))


def _checked(labels, predictions, num_classes):
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape or labels.ndim != 1 or not len(labels):
        raise ValueError(
            "labels and predictions must be two non-empty vectors of one length. "
            f"Received shapes {labels.shape} and {predictions.shape}"
        )
    for name, ids in (("label", labels), ("prediction", predictions)):
        wrong = ids[(ids < 0) | (ids >= num_classes)]
        if len(wrong):
            raise ValueError(f"{name} {wrong[0]} is not a class id in [0, {num_classes})")
    return labels, predictions
