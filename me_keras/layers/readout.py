"""Logits that are linear in the motion: what a straight line can tell of it."""

import keras
import numpy as np
import tensorflow as tf

from me_keras.layers.filters import channels_last, planes, separable
from me_keras.layers.transformer import SeededDropout


@keras.saving.register_keras_serializable(package="me_keras")
class LinearReadout(keras.layers.Layer):
    """A softmax regression on blurred, thinned-out maps, each of mean 0 and deviation 1.

    On real flow images such a line recognises about as well as networks do (docs/benchmarks.md):
    what is added to its logits need not learn it again. Our choice, not from the paper.

    Args:
        num_classes: int k.
        size: int, samples that are left on each side of a map.
        dropout: float in [0, 1), of the inputs; acts as a ridge penalty does.
        floor: float, deviation of a map below which it counts as still, in the map's unit.

    Call arguments:
        maps: list of `(b, h, w, c_i)` float, each of the same h and w.
    Returns:
        `(b, k)` float32; 0 before training.
    """

    def __init__(self, num_classes, size=14, dropout=0.5, floor=0.02, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.num_classes = num_classes
        self.size = size
        self.dropout = dropout
        self.floor = floor
        self.drop = SeededDropout(dropout, seed=2000, dtype="float32")
        self.line = keras.layers.Dense(num_classes, kernel_initializer="zeros", dtype="float32")

    def build(self, input_shape):
        of_one = input_shape[0] is None or isinstance(input_shape[0], int)
        shapes = [input_shape] if of_one else input_shape
        length = self.size * self.size * sum(shape[-1] for shape in shapes)
        self.drop.build((None, length))
        self.line.build((None, length))
        super().build(input_shape)

    def call(self, maps, training=False):
        field = tf.concat([tf.cast(m, tf.float32) for m in tf.nest.flatten(maps)], axis=-1)
        rows, columns = (thinned(n, self.size) for n in field.shape[1:3])
        field = channels_last(separable(planes(field), rows, columns))  # (b, size, size, c)
        field -= tf.reduce_mean(field, axis=(1, 2), keepdims=True)
        variance = tf.reduce_mean(tf.square(field), axis=(1, 2), keepdims=True)
        field /= tf.sqrt(variance + self.floor**2)
        length = self.size * self.size * field.shape[-1]
        field = tf.reshape(field, (-1, length))
        return self.line(self.drop(field, training=training))

    def get_config(self):
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "size": self.size,
            "dropout": self.dropout,
            "floor": self.floor,
        }


def thinned(length, size):
    """Gaussian means at the centres of `size` equal strips. `(size, length)` float32.

    The deviation is half a strip: the blur that the linear references have.
    """
    strip = length / size
    centres = strip * (np.arange(size) + 0.5)[:, None]  # (size, 1), in pixels from the edge
    weights = np.exp(-0.5 * ((np.arange(length) + 0.5 - centres) / (0.5 * strip)) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
