"""UF1 and UAR as Keras metrics, for `compile`; the formulas are those of `me_keras.metrics`."""

import keras
import tensorflow as tf


class _OfConfusion(keras.metrics.Metric):
    """A metric of the confusion matrix of everything it was given since its last reset.

    Args:
        num_classes: int k.
    """

    def __init__(self, num_classes=3, name=None, **kwargs):
        super().__init__(name=name or type(self).__name__, **kwargs)
        self.num_classes = num_classes
        shape = (num_classes, num_classes)
        self.matrix = self.add_weight(name="matrix", shape=shape, initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts a batch.

        Args:
            y_true: `(b,)` int, labels.
            y_pred: `(b, k)` float, logits or probabilities.
            sample_weight: optional `(b,)` float.
        """
        labels, guesses = tf.reshape(y_true, [-1]), tf.argmax(y_pred, axis=-1)
        self.matrix.assign_add(
            tf.math.confusion_matrix(
                labels, guesses, self.num_classes, sample_weight, self.matrix.dtype
            )
        )

    def reset_state(self):
        self.matrix.assign(tf.zeros_like(self.matrix))

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable(package="me_keras")
class UF1(_OfConfusion):
    """Unweighted F1: the mean over all classes of 2 TP / (2 TP + FP + FN). Reference: MEGC2019."""

    def result(self):
        matrix = tf.convert_to_tensor(self.matrix)
        counts = tf.reduce_sum(matrix, axis=0) + tf.reduce_sum(matrix, axis=1)  # (k,)
        return tf.reduce_mean(tf.math.divide_no_nan(2.0 * tf.linalg.diag_part(matrix), counts))


@keras.saving.register_keras_serializable(package="me_keras")
class UAR(_OfConfusion):
    """Unweighted average recall: the mean over all classes of TP / N."""

    def result(self):
        matrix = tf.convert_to_tensor(self.matrix)
        counts = tf.reduce_sum(matrix, axis=1)  # (k,)
        return tf.reduce_mean(tf.math.divide_no_nan(tf.linalg.diag_part(matrix), counts))
