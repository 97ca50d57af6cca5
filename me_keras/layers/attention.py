"""Convolutional attention: which channels, then which places of a map count."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="me_keras")
class CBAM(keras.layers.Layer):
    """The convolutional block attention module: weighs the channels of a map, then its places.

    Args:
        reduction: int, channels over hidden units of the perceptron; at least one unit is left.
        kernel_size: int, side of the convolution that weighs the places.

    Call arguments:
        maps: `(b, h, w, c)` float.
    Returns:
        `(b, h, w, c)`.
    Reference: Woo et al., 2018, arXiv:1807.06521, eq. 1 to 3. Deviation: the convolution has a
    bias; in their code it is normalized over the batch instead.
    """

    def __init__(self, reduction=16, kernel_size=7, **kwargs):
        super().__init__(**kwargs)
        self.reduction = reduction
        self.kernel_size = kernel_size
        self.locate = keras.layers.Conv2D(1, kernel_size, padding="same", activation="sigmoid")

    def build(self, input_shape):
        channels = input_shape[-1]
        units = max(channels // self.reduction, 1)
        self.squeeze = keras.layers.Dense(units, activation="relu")
        self.excite = keras.layers.Dense(channels)
        self.squeeze.build((None, 2, channels))
        self.excite.build((None, 2, units))
        self.locate.build((*input_shape[:-1], 2))
        super().build(input_shape)

    def call(self, maps):
        maps = maps * self.channel_weights(maps)
        return maps * self.place_weights(maps)

    def channel_weights(self, maps):
        """`(b, h, w, c)` to `(b, 1, 1, c)`, in (0, 1)."""
        pooled = [tf.reduce_mean(maps, axis=(1, 2)), tf.reduce_max(maps, axis=(1, 2))]
        hidden = self.squeeze(tf.stack(pooled, axis=1))  # (b, 2, units): one perceptron for both
        weights = tf.sigmoid(tf.reduce_sum(self.excite(hidden), axis=1))  # (b, c)
        return weights[:, None, None]

    def place_weights(self, maps):
        """`(b, h, w, c)` to `(b, h, w, 1)`, in (0, 1)."""
        pooled = [tf.reduce_mean(maps, axis=-1), tf.reduce_max(maps, axis=-1)]  # (b, h, w) each
        return self.locate(tf.stack(pooled, axis=-1))

    def get_config(self):
        return {
            **super().get_config(),
            "reduction": self.reduction,
            "kernel_size": self.kernel_size,
        }
