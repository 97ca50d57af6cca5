"""The references without a network: scikit-learn classifiers on label-free features of the clips.

    linear_svm  linear SVM on motion maps        lbp_top  linear SVM on LBP-TOP of the frames
    rbf_svm     RBF SVM on motion maps           mdmo     RBF SVM on MDMO of the flow
    ridge       ridge classifier on motion maps

Their settings were fixed beforehand and are the same for every fold: nothing is tuned. Each class
weighs the same; a fold trains on its clips and their mirror images, and what is predicted is the
mean of the scores of a clip and of its mirror image. Nothing is drawn: all seeds give the same.
"""

from __future__ import annotations

import typing

import numpy as np
from sklearn.linear_model import RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC, LinearSVC

from me_keras import features


class Reference(typing.NamedTuple):
    """What is classified, and a function that makes the classifier."""

    describe: typing.Callable
    classifier: typing.Callable


def _linear_svm(strength):
    # The primal problem, solved by Newton steps: the solver of the dual one draws random numbers.
    return LinearSVC(C=strength, class_weight="balanced", dual=False)


def _rbf_svm():
    return SVC(C=1.0, kernel="rbf", gamma="scale", class_weight="balanced")


REFERENCES = {
    "linear_svm": Reference(features.motion_maps, lambda: _linear_svm(1e-3)),
    "rbf_svm": Reference(features.motion_maps, _rbf_svm),
    "ridge": Reference(
        features.motion_maps, lambda: RidgeClassifier(alpha=1000.0, class_weight="balanced")
    ),
    # The square root makes the product of two histograms their Bhattacharyya coefficient.
    "lbp_top": Reference(
        features.lbp_top, lambda: make_pipeline(FunctionTransformer(np.sqrt), _linear_svm(1.0))
    ),
    "mdmo": Reference(
        features.region_flow_histograms, lambda: make_pipeline(StandardScaler(), _rbf_svm())
    ),
}


class Rows:
    """The datasets of a fold, as `me_keras.evaluation.data.Datasets`: rows; labels to train on.

    Args:
        prepared: the clips that row numbers mean.
    """

    def __init__(self, prepared):
        self._labels = prepared.labels

    def train(self, rows, seed):
        """tuple of the rows and their labels."""
        return rows, self._labels[rows]

    def test(self, rows):
        """The rows alone."""
        return rows


class ClassicalTrainer:
    """Trains and predicts all folds of a run, in place of `me_keras.training.Trainer`.

    Args:
        options: `Options`; `model.name` is a key of `REFERENCES`.
        prepared: the clips that the folds' rows mean; their labels are not looked at.
    Raises:
        DataError: the clips lack the frames or the motion that the features are made of.
    """

    generator = None  # nothing to warm up
    num_parameters = None  # none that a network would have

    def __init__(self, options, prepared):
        self.options = options
        self.num_classes = len(prepared.classes)
        self._reference = REFERENCES[options.model.name]
        views = (False, True)
        self._features = [self._reference.describe(prepared, mirrored) for mirrored in views]
        self._classifier: typing.Any = None
        self._classes = np.arange(0)  # those trained on

    def reset(self, seed):
        """Forgets what was learned. Every seed starts alike."""
        self._classifier, self._classes = None, np.arange(0)

    def fit(self, dataset, callbacks=()):
        """Trains on the clips and their mirror images.

        Args:
            dataset: tuple of rows and labels, (n,) each.
            callbacks: `keras.callbacks.Callback`s; told of one epoch.
        Returns:
            [], for there is no history.
        """
        rows, labels = dataset
        self._classes = np.unique(labels)
        if len(self._classes) > 1:
            both = np.concatenate([view[rows] for view in self._features])  # (2n, d)
            self._classifier = self._reference.classifier().fit(both, np.tile(labels, 2))
        for callback in callbacks:
            callback.on_epoch_end(0)
        return []

    def predict(self, dataset):
        """Predicts clips.

        Args:
            dataset: their rows (n,).
        Returns:
            dict of `row` `(n,)` and `probabilities` `(n, k)`: softmax of the mean decision scores,
            one class against the rest. They sum to 1 and rank the classes as the classifier does,
            but they are no calibrated probabilities. A class that was not trained on has 0.
        """
        rows = np.asarray(dataset)
        scores = np.mean([self._scores(view[rows]) for view in self._features], axis=0)  # (n, k)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        return {"row": rows, "probabilities": powers / powers.sum(axis=1, keepdims=True)}

    def _scores(self, described):
        """(n, k): how much speaks for each class; minus infinity for one never seen."""
        scores = np.full((len(described), self.num_classes), -np.inf)
        if len(self._classes) == 1:
            scores[:, self._classes] = 0.0
            return scores
        found = self._classifier.decision_function(described)
        if found.ndim == 1:  # of two classes, scikit-learn gives the second one's alone
            found = np.stack([-found, found], axis=1)
        scores[:, self._classes] = found
        return scores
