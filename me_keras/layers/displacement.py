"""The Displacement Generation Module (DGM): onset and apex in, motion out.

From the paper (CVPR 2023, abstract): it is convolutional, takes the onset and the apex frame, and
is learned by self-supervision with the recognition. Our choices: all that follows. Brightness
constancy (Lucas and Kanade, 1981) gives an equation for the displacement at every pixel. They are
solved for a smooth field at low resolution, then, about that field, at full resolution; the
network looks at what is left and says how far each place is to be trusted, and what it takes the
displacement to be there itself.
"""

import keras
import numpy as np
import tensorflow as tf

from me_keras.layers.filters import double_size, local_normalize, spatial_gradient
from me_keras.layers.smooth_solve import (
    analyse,
    apply_systems,
    frequencies,
    smooth_solve,
    synthesise,
)
from me_keras.layers.warp import dense_warp

ROUGHNESS = 0.2, 0.8  # of the solutions at low and at full resolution, before any training
TRUST = 0.003  # in the network's own displacement, beside the equations' mean of about 0.16


@keras.saving.register_keras_serializable(package="me_keras")
class DisplacementGenerator(keras.layers.Layer):
    """Displacement from onset to apex, and the features it was read from.

    The network is a U-Net at a quarter of the resolution on all pixels (space to depth): most of
    the arithmetic is in few wide convolutions. What it says starts at almost nothing and leaves at
    half resolution (depth to space), where the equations are solved: untrained, the layer is a
    classical flow.

    Args:
        filters: tuple of ints, channels at 1/4, 1/8, 1/16 … of the resolution.
        max_displacement: float, pixels; bound of each component.
        iterations: int, rounds at half resolution; each reaches about two pixels further.

    Call arguments:
        inputs: `(onset, apex)`, each `(b, h, w, 1)` float in [0, 1]; h and w divisible by
            16 and by `2 * 2 ** len(filters)`.
    Returns:
        dict of `displacement` `(b, h, w, 2)` float32 px `(dx, dy)`, `half` `(b, h/2, w/2, 2)`, the
        same at half resolution and still in px of the full one, and `features`
        `(b, h/4, w/4, filters[0])`.
    Raises:
        ValueError: if the frame size does not suit the number of levels.
    """

    def __init__(self, filters=(32, 64, 96), max_displacement=8.0, iterations=2, **kwargs):
        super().__init__(autocast=False, **kwargs)  # sub-pixel motion does not survive bfloat16
        self.filters = tuple(filters)
        self.max_displacement = max_displacement
        self.iterations = iterations
        # Flat lists: Keras does not save layers in nested ones.
        self.reduce = [_conv(n, strides=2 if i else 1) for i, n in enumerate(self.filters)]
        self.encode = [_conv(n) for n in self.filters]
        self.project = [_conv(n, kernel_size=1) for n in self.filters[-2::-1]]
        self.decode = [_conv(n) for n in self.filters[-2::-1]]
        small = keras.initializers.RandomNormal(stddev=1e-3)
        self.head = keras.layers.Conv2D(16, 3, padding="same", kernel_initializer=small)

    def build(self, input_shape):
        height, width = input_shape[0][1:3]
        step = max(16, 2 * 2 ** len(self.filters))  # cosines reach down to a sixteenth
        if height % step or width % step:
            raise ValueError(
                f"Frames must be a multiple of {step} px for {len(self.filters)} levels. "
                f"Received: {height} x {width}"
            )
        # log of the price of the cosines, and the power of their frequency
        self.prior = self.add_weight(
            name="prior",
            shape=(2,),
            initializer=lambda shape, dtype: tf.constant([np.log(ROUGHNESS[1]), 2.0], dtype),
        )
        super().build(input_shape)

    def call(self, inputs):
        onset, apex = (tf.cast(frame, tf.float32) for frame in inputs)
        height, width = onset.shape[1:3]
        first = _coarse(onset, apex, self.iterations)  # (b, h/2, w/2, 2)
        systems, right, evidence = _equations_and_evidence(onset, apex, first)
        x = tf.cast(evidence, self.compute_dtype)  # (b, h/4, w/4, 48)
        skips = []
        for reduce, encode in zip(self.reduce, self.encode):
            x = encode(reduce(x))  # (b, h/4/2^i, w/4/2^i, filters[i])
            skips.append(x)
        for project, decode, skip in zip(self.project, self.decode, skips[-2::-1]):
            x = decode(_doubled(project(x)) + skip)  # (b, h/4/2^i, w/4/2^i, filters[i])
        said = tf.nn.depth_to_space(tf.cast(self.head(x), tf.float32), 2)  # (b, h/2, w/2, 4)
        correction, weights = tf.split(said, 2, axis=-1)
        certainty, trust = tf.split(tf.exp(5.0 * tf.tanh(weights / 5.0)), 2, axis=-1)
        trust *= TRUST  # (b, h/2, w/2, 1)
        systems = certainty * systems + trust * (1.0, 0.0, 1.0)
        right = certainty * right + trust * (first + correction)
        price, power = tf.unstack(tf.cast(self.prior, tf.float32))  # Keras may read it in bfloat16
        roughness = tf.exp(price) * frequencies(height // 2, width // 2) ** power
        shares = smooth_solve(systems, right, roughness, first)  # (b, h/4, w/4, 2)
        displacement = synthesise(shares, height, width)
        half = synthesise(shares, height // 2, width // 2)
        limit = self.max_displacement
        return {
            "displacement": tf.clip_by_value(displacement, -limit, limit),
            "half": tf.clip_by_value(half, -limit, limit),
            "features": tf.cast(x, tf.float32),
        }

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "max_displacement": self.max_displacement,
            "iterations": self.iterations,
        }


def _coarse(onset, apex, iterations):
    """The displacement seen at a quarter and at half of the resolution, in pixels of the full one.

    Args:
        onset, apex: `(b, h, w, 1)`.
    Returns:
        `(b, h/2, w/2, 2)`.
    """
    displacement = tf.zeros_like(onset[:, ::8, ::8]) * (1.0, 1.0)  # (b, h/8, w/8, 2)
    for size, rounds in ((4, 1), (2, iterations)):
        small = [tf.nn.avg_pool2d(frame, size, size, "VALID") for frame in (onset, apex)]
        for _ in range(rounds):
            displacement = _round(small[0], small[1], displacement)  # (b, h/size/2, w/size/2, 2)
        displacement = _twice_as_fine(displacement)
    return displacement


def _round(onset, apex, displacement):
    """The displacement at half the resolution of frames, from one that is about it."""
    height, width = displacement.shape[1:3]
    systems, right, _ = motion_equations(onset, apex, displacement)
    roughness = ROUGHNESS[0] * frequencies(height, width) ** 2
    return synthesise(smooth_solve(systems, right, roughness, displacement), height, width)


def _twice_as_fine(displacement):
    """At twice the resolution, where it is twice as many pixels: `(b, 2 h, 2 w, 2)`."""
    height, width = displacement.shape[1:3]
    return 2.0 * synthesise(analyse(displacement), 2 * height, 2 * width)


def motion_equations(onset, apex, displacement):
    """What brightness constancy says of the displacement, linearised about one that is known.

    Args:
        onset, apex: `(b, h, w, 1)` float in [0, 1].
        displacement: `(b, h/2, w/2, 2)`, pixels of the frames.
    Returns:
        A and b of the least-squares systems `A u = b`, means over 2 x 2 pixels: `(b, h/2, w/2, 3)`
        (xx, xy, yy) and `(b, h/2, w/2, 2)`; and what they were made of: the onset, locally
        normalised, `(b, h, w, 1)`, and the products of derivatives, `(b, h/2, w/2, 6)`.
    """
    both = local_normalize(tf.concat([onset, apex], axis=0), 9, 0.02)
    onset, apex = tf.split(both, 2)  # (b, h, w, 1) each
    fine = tf.image.resize(displacement, onset.shape[1:3])  # (b, h, w, 2)
    warped = dense_warp(double_size(apex), fine)
    gx, gy = spatial_gradient(0.5 * (onset + warped))  # (b, h, w, 1) each
    left = onset - warped
    products = [gx * gx, gx * gy, gy * gy, gx * left, gy * left, left * left]
    # Not `half_size`: nothing here is differentiated, and pooling is faster on six channels.
    products = tf.nn.avg_pool2d(tf.concat(products, axis=-1), 2, 2, "VALID")  # (b, h/2, w/2, 6)
    systems, right, _ = tf.split(products, [3, 2, 1], axis=-1)
    return systems, right + apply_systems(systems, displacement), (onset, products)


def _equations_and_evidence(onset, apex, displacement):
    """As `motion_equations`; at last all of it as the U-Net reads it, `(b, h/4, w/4, 48)`."""
    systems, right, (onset, products) = motion_equations(onset, apex, displacement)
    gradients, energy = tf.split(products, [5, 1], axis=-1)
    xx, _, yy = tf.split(systems, 3, axis=-1)
    scaled = gradients * tf.math.rsqrt(xx + yy + 0.02)  # (b, h/2, w/2, 5)
    seen = tf.concat([scaled, energy, displacement], axis=-1)  # (b, h/2, w/2, 8)
    evidence = [tf.nn.space_to_depth(onset, 4), tf.nn.space_to_depth(seen, 2)]
    return systems, right, tf.concat(evidence, axis=-1)


def _doubled(x):
    """Each sample twice along both sides: `(b, h, w, c)` to `(b, 2 h, 2 w, c)`."""
    height, width, channels = x.shape[1:]
    x = tf.reshape(tf.concat([x, x], axis=-1), (-1, height, 1, 2 * width * channels))
    return tf.reshape(tf.concat([x, x], axis=2), (-1, 2 * height, 2 * width, channels))


def _conv(filters, kernel_size=3, strides=1):
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same",
        activation="relu" if kernel_size > 1 else None,
        kernel_initializer="he_normal",
    )
