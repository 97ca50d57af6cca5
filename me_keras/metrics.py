"""The field's scores, on predictions pooled over all folds.

All are functions of the confusion matrix, so that a bootstrap scores thousands of pools at once.
`UF1` and `UAR` are the same as Keras metrics, loaded when they are asked for.
"""

import numpy as np


def __getattr__(name):
    if name in ("UF1", "UAR"):
        from me_keras import keras_metrics

        return getattr(keras_metrics, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def confusion(labels, predictions, num_classes=3):
    """Confusion matrix of the pooled predictions.

    Args:
        labels, predictions: `(n,)` int, class ids in [0, num_classes).
        num_classes: int k.
    Returns:
        `(k, k)` int64: row = label, column = prediction.
    Raises:
        ValueError: if the lengths differ, nothing is given, or an id is out of range (a missing
            prediction, say).

    Examples:
        >>> confusion([0, 0, 1, 2], [0, 1, 1, 2])
        array([[1, 1, 0],
               [0, 1, 0],
               [0, 0, 1]])
    """
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
    cells = np.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def per_class_f1(matrix):
    """F1 of each class, 2 TP / (2 TP + FP + FN); 0 where a class is neither there nor predicted.

    Args:
        matrix: `(…, k, k)` confusion matrices.
    Returns:
        `(…, k)` float64 in [0, 1].
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)  # (…, k)
    return _ratio(2 * hits, np.sum(matrix, axis=-1) + np.sum(matrix, axis=-2))


def uf1(matrix):
    """Unweighted F1: the mean of `per_class_f1` over all classes, predicted or not.

    Args:
        matrix: `(…, k, k)` confusion matrices, pooled over all folds. (Averaging the F1 of folds
            instead is a known mistake: most subjects do not show all classes.)
    Returns:
        `(…)` float64 in [0, 1].
    Reference: MEGC2019.

    Examples:
        >>> uf1(confusion([0, 0, 1, 1], [0, 0, 1, 1], num_classes=2)).item()
        1.0
        >>> round(uf1(confusion([0, 0, 0, 1, 2], [0, 0, 1, 1, 0])).item(), 3)
        0.444
    """
    return np.mean(per_class_f1(matrix), axis=-1)


def uar(matrix):
    """Unweighted average recall: mean over classes of TP / N. Arguments as `uf1`.

    Examples:
        >>> round(uar(confusion([0, 0, 0, 1, 2], [0, 0, 1, 1, 0])).item(), 3)
        0.556
    """
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)  # (…, k)
    return np.mean(_ratio(hits, np.sum(matrix, axis=-1)), axis=-1)


def accuracy(matrix):
    """Share of correct predictions. Arguments as `uf1`."""
    return _ratio(np.trace(matrix, axis1=-2, axis2=-1), np.sum(matrix, axis=(-2, -1)))


def _ratio(part, whole):
    return np.divide(part, whole, out=np.zeros(np.shape(part)), where=whole > 0)


SCORES = {"uf1": uf1, "uar": uar, "accuracy": accuracy}
