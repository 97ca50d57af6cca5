"""Retention in images: attention that fades with the distance, after Retentive Networks.

Sun et al., 2023, arXiv:2307.08621 (RetNet): rotary angles and a decay per step. Fan et al., 2024,
arXiv:2309.11523 (RMT): the decay by the Manhattan distance in an image, its form along rows and
columns, and the block around it. Both as TSFmicro's code has them (see `models.tsfmicro`).
"""

import keras
import numpy as np
import tensorflow as tf

from me_keras.layers.transformer import SeededDropout


@keras.saving.register_keras_serializable(package="me_keras")
class Retention(keras.layers.Layer):
    """Self-attention in an image whose logits lose the same amount with every step away.

    Head i of n loses `-log(1 - 2^(-initial_decay - decay_range * i / n))` per step. Queries and
    keys are turned by angles that grow with their place in reading order. A depth-wise 5 x 5
    convolution of the values is added.

    Args:
        hidden_dim: int; `hidden_dim / num_heads` is an even number.
        num_heads: int.
        initial_decay, decay_range: floats.
        axial: bool; attends along the rows, and then with what came of it along the columns,
            instead of to all places at once.

    Call arguments:
        maps: `(b, h, w, hidden_dim)` float.
    Returns:
        `(b, h, w, hidden_dim)`.
    Raises:
        ValueError: if the heads have no even width.
    """

    def __init__(
        self, hidden_dim, num_heads=2, initial_decay=2.0, decay_range=4.0, axial=False, **kwargs
    ):
        super().__init__(**kwargs)
        if hidden_dim % (2 * num_heads):
            raise ValueError(
                f"twice `num_heads` must divide `hidden_dim`. Received: {num_heads=}, {hidden_dim=}"
            )
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.initial_decay = initial_decay
        self.decay_range = decay_range
        self.axial = axial
        self.query_key_value = _dense(3 * hidden_dim)
        self.local = keras.layers.DepthwiseConv2D(5, padding="same")
        self.mix = _dense(hidden_dim)

    def build(self, input_shape):
        self.query_key_value.build(input_shape)
        self.local.build(input_shape)
        self.mix.build(input_shape)
        super().build(input_shape)

    def call(self, maps):
        _, height, width, channels = maps.shape
        depth = channels // self.num_heads
        query, key, value = tf.split(self.query_key_value(maps), 3, axis=-1)  # (b, h, w, c) each
        sine, cosine = rotary_angles(height, width, depth)  # (h, w, 1, depth / 2) each
        heads = (-1, height, width, self.num_heads, depth)
        query = rotate(tf.reshape(query, heads), sine, cosine)
        key = rotate(tf.reshape(key, heads), sine, cosine) * depth**-0.5
        attend = self._by_rows_and_columns if self.axial else self._everywhere
        attended = attend(query, key, tf.reshape(value, heads))
        attended = tf.reshape(attended, (-1, height, width, channels))
        return self.mix(attended + self.local(value))

    def _everywhere(self, query, key, value):
        _, height, width, _, depth = query.shape
        shape = (-1, height * width, self.num_heads, depth)
        query, key, value = (
            tf.transpose(tf.reshape(t, shape), (0, 2, 1, 3)) for t in (query, key, value)
        )  # (b, n, h w, depth) each
        attended = _attend(query, key, value, self._mask(height, width))
        return tf.transpose(attended, (0, 2, 1, 3))  # (b, h w, n, depth)

    def _by_rows_and_columns(self, query, key, value):
        _, height, width, _, _ = query.shape
        query, key, value = (tf.transpose(t, (0, 1, 3, 2, 4)) for t in (query, key, value))
        value = _attend(query, key, value, self._mask(1, width))  # (b, h, n, w, depth)
        query, key, value = (tf.transpose(t, (0, 3, 2, 1, 4)) for t in (query, key, value))
        attended = _attend(query, key, value, self._mask(height, 1))  # (b, w, n, h, depth)
        return tf.transpose(attended, (0, 3, 1, 2, 4))  # (b, h, w, n, depth)

    def _mask(self, height, width):
        return decay_mask(height, width, self.num_heads, self.initial_decay, self.decay_range)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "initial_decay": self.initial_decay,
            "decay_range": self.decay_range,
            "axial": self.axial,
        }


def _dense(units, activation=None):
    """As published: a normal distribution of deviation 0.02 at first."""
    start = keras.initializers.TruncatedNormal(stddev=0.02)
    return keras.layers.Dense(units, activation, kernel_initializer=start)


def _attend(query, key, value, mask):
    """Softmax attention over axis -2 of `(…, n, l, d)`, with `(n, l, l)` added to the logits."""
    logits = tf.matmul(query, key, transpose_b=True)  # (…, n, l, l)
    return tf.matmul(tf.nn.softmax(logits + tf.cast(mask, logits.dtype)), value)


def decay_mask(height, width, num_heads, initial_decay, decay_range):
    """What the logits lose, `(n, h w, h w)` float32: the decay times the Manhattan distance."""
    places = np.stack(np.divmod(np.arange(height * width), width), axis=-1)  # (h w, 2)
    distance = np.abs(places[:, None] - places[None]).sum(axis=-1)
    share = np.arange(num_heads) / num_heads
    decay = np.log(1 - 2.0 ** (-initial_decay - decay_range * share))
    return (decay[:, None, None] * distance).astype(np.float32)


def rotary_angles(height, width, depth):
    """Sine and cosine of the angles of depth / 2 pairs, `(h, w, 1, depth / 2)` float32 each.

    The place in reading order times speeds from 1 to 1/10000 radian.
    """
    speed = 10000.0 ** -np.linspace(0, 1, depth // 2)
    angle = np.arange(height * width).reshape(height, width, 1, 1) * speed
    return np.sin(angle).astype(np.float32), np.cos(angle).astype(np.float32)


def rotate(vectors, sine, cosine):
    """Turns each pair of neighbours in `(b, h, w, n, depth)` by its angle."""
    *_, height, width, heads, depth = vectors.shape
    pairs = tf.reshape(vectors, (-1, height, width, heads, depth // 2, 2))
    even, odd = tf.unstack(pairs, axis=-1)
    sine, cosine = tf.cast(sine, vectors.dtype), tf.cast(cosine, vectors.dtype)
    turned = tf.stack([even * cosine - odd * sine, odd * cosine + even * sine], axis=-1)
    return tf.reshape(turned, (-1, height, width, heads, depth))


@keras.saving.register_keras_serializable(package="me_keras")
class RetentionBlock(keras.layers.Layer):
    """Retention and a perceptron with a 3 x 3 depth-wise convolution, each behind a LayerNorm.

    A 3 x 3 depth-wise convolution of its own input tells it of places (a conditional position
    code); all parts are residual.

    Args:
        hidden_dim, num_heads, initial_decay, decay_range, axial: as `Retention`.
        mlp_ratio: int, hidden units of the perceptron over `hidden_dim`.
        stochastic_depth: float, chance that an example skips a part in training.
        seed: int, of the dropout streams.

    Call arguments:
        maps: `(b, h, w, hidden_dim)` float.
    Returns:
        `(b, h, w, hidden_dim)`.
    """

    def __init__(
        self,
        hidden_dim,
        num_heads=2,
        initial_decay=2.0,
        decay_range=4.0,
        axial=False,
        mlp_ratio=3,
        stochastic_depth=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.initial_decay = initial_decay
        self.decay_range = decay_range
        self.axial = axial
        self.mlp_ratio = mlp_ratio
        self.stochastic_depth = stochastic_depth
        self.seed = seed
        self.position = keras.layers.DepthwiseConv2D(3, padding="same")
        self.retention_norm = keras.layers.LayerNormalization(epsilon=1e-6)
        self.retention = Retention(hidden_dim, num_heads, initial_decay, decay_range, axial)
        self.mlp_norm = keras.layers.LayerNormalization(epsilon=1e-6)
        self.mlp_hidden = _dense(mlp_ratio * hidden_dim, "gelu")
        self.mlp_local = keras.layers.DepthwiseConv2D(3, padding="same")
        self.mlp_output = _dense(hidden_dim)
        self.skips = [
            SeededDropout(stochastic_depth, per_example=True, seed=2 * seed + i) for i in range(2)
        ]

    def build(self, input_shape):
        wide = (*input_shape[:-1], self.mlp_ratio * self.hidden_dim)
        for layer in (self.position, self.retention_norm, self.retention, self.mlp_norm):
            layer.build(input_shape)
        self.mlp_hidden.build(input_shape)
        self.mlp_local.build(wide)
        self.mlp_output.build(wide)
        for skip in self.skips:
            skip.build(input_shape)
        super().build(input_shape)

    def call(self, maps, training=False):
        maps += self.position(maps)
        retained = self.retention(self.retention_norm(maps))  # (b, h, w, hidden_dim)
        maps += self.skips[0](retained, training=training)
        hidden = self.mlp_hidden(self.mlp_norm(maps))  # (b, h, w, mlp_ratio * hidden_dim)
        hidden = self.mlp_output(hidden + self.mlp_local(hidden))
        return maps + self.skips[1](hidden, training=training)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "initial_decay": self.initial_decay,
            "decay_range": self.decay_range,
            "axial": self.axial,
            "mlp_ratio": self.mlp_ratio,
            "stochastic_depth": self.stochastic_depth,
            "seed": self.seed,
        }
