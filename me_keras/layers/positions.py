"""A learned position of each token."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="me_keras")
class AddPositions(keras.layers.Layer):
    """Adds a vector of its own to each token, drawn with a deviation of 0.02 at first.

    Call arguments:
        tokens: `(b, l, c)` float.
    Returns:
        `(b, l, c)`.
    """

    def build(self, input_shape):
        self.position = self.add_weight(
            name="position",
            shape=tuple(input_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        super().build(input_shape)

    def call(self, tokens):
        return tokens + tf.cast(self.position, tokens.dtype)
