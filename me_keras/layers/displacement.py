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

from me_keras.layers.filters import (
    channels_last,
    double_size,
    half_size,
    local_normalize,
    planes,
    spatial_gradient,
)
from me_keras.layers.smooth_solve import apply_systems, frequencies, smooth_solve, synthesise
from me_keras.layers.warp import sample

ROUGHNESS = 0.2, 0.8  # of the solutions at low and at full resolution, before any training
# Of conjugate gradients at low and at full resolution; 14 would be better by < 0.003 px.
ITERATIONS = 4, 8
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
        onset, apex = (tf.cast(frame, tf.float32)[..., 0] for frame in inputs)  # (b, h, w)
        height, width = onset.shape[1:]
        first = _coarse(onset, apex, self.iterations)  # (2, b, h/4, w/4)
        systems, right, evidence = _equations_and_evidence(onset, apex, first)
        x = tf.cast(evidence, self.compute_dtype)  # (b, h/4, w/4, 48)
        skips = []
        for reduce, encode in zip(self.reduce, self.encode):
            x = encode(reduce(x))  # (b, h/4/2^i, w/4/2^i, filters[i])
            skips.append(x)
        for project, decode, skip in zip(self.project, self.decode, skips[-2::-1]):
            x = decode(_doubled(project(x)) + skip)  # (b, h/4/2^i, w/4/2^i, filters[i])
        output = tf.nn.depth_to_space(tf.cast(self.head(x), tf.float32), 2)  # (b, h/2, w/2, 4)
        correction, weights = tf.split(planes(output), 2)  # (2, b, h/2, w/2) each
        certainty, trust = tf.unstack(tf.exp(5.0 * tf.tanh(weights / 5.0)))  # (b, h/2, w/2) each
        trust *= TRUST
        # Systems and right sides in one sum: had `trust` three readers, TensorFlow would add their
        # gradients in the order in which they are ready, and runs would differ in the last bit.
        guess = synthesise(first, height // 2, width // 2) + correction  # (2, b, h/2, w/2)
        one = tf.ones_like(trust)
        said = tf.stack([one, 0.0 * one, one, *tf.unstack(guess)])  # (5, b, h/2, w/2)
        seen = tf.concat([systems, right], axis=0)  # (5, b, h/2, w/2)
        both = tf.unstack(certainty * seen + trust * said)
        price, power = tf.unstack(tf.cast(self.prior, tf.float32))  # Keras may read it in bfloat16
        roughness = tf.exp(price) * frequencies(height // 2, width // 2) ** power
        # (2, b, h/4, w/4)
        shares = smooth_solve(both[:3], tf.stack(both[3:]), roughness, first, ITERATIONS[1])
        return {
            "displacement": self._field(shares, height, width),
            "half": self._field(shares, height // 2, width // 2),
            "features": tf.cast(x, tf.float32),
        }

    def _field(self, shares, height, width):
        field = channels_last(synthesise(shares, height, width))  # (b, height, width, 2)
        return tf.clip_by_value(field, -self.max_displacement, self.max_displacement)

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
        onset, apex: `(b, h, w)`.
    Returns:
        `(2, b, h/4, w/4)`, shares of the cosines at half resolution.
    """
    halves = half_size(onset), half_size(apex)
    quarters = [half_size(half) for half in halves]
    shares = tf.zeros_like(onset[:, ::16, ::16]) * tf.ones((2, 1, 1, 1))  # (2, b, h/16, w/16)
    for frames, rounds in ((quarters, 1), (halves, iterations)):
        onset, apex = comparable(*frames)
        height, width = (n // 2 for n in onset.shape[1:])
        roughness = ROUGHNESS[0] * frequencies(height, width) ** 2
        for _ in range(rounds):
            systems, right, _ = motion_equations(onset, apex, shares)
            shares = smooth_solve(systems, right, roughness, shares, ITERATIONS[0])
        shares = _twice_as_fine(shares)
    return shares


def _twice_as_fine(shares):
    """Of the same displacement at twice the resolution: twice as many cosines, and pixels."""
    height, width = shares.shape[2:]
    return 4.0 * tf.pad(shares, [[0, 0], [0, 0], [0, height], [0, width]])


def comparable(onset, apex):
    """Both without their local light and contrast, and the apex ready to be sampled.

    Args:
        onset, apex: `(b, h, w)` float in [0, 1].
    Returns:
        `(b, h, w)` and `(b, 2 h, 2 w, 1)`.
    """
    onset, apex = tf.unstack(local_normalize(tf.stack([onset, apex]), 9, 0.02))
    return onset, double_size(apex)[..., None]


def motion_equations(onset, apex, shares):
    """What brightness constancy says of the displacement, linearised about one that is known.

    Args:
        onset, apex: `(b, h, w)` and `(b, 2 h, 2 w, 1)`, as from `comparable`.
        shares: `(2, b, h/4, w/4)`, cosines of the displacement, in pixels of the frames.
    Returns:
        A and b of the least-squares systems `A u = b`, means over 2 x 2 pixels: three
        `(b, h/2, w/2)` (xx, xy, yy) and `(2, b, h/2, w/2)`; and what is seen there, eight
        `(b, h/2, w/2)`: products of derivatives and of the remaining difference, the
        displacement.
    """
    height, width = onset.shape[1:]
    shares = tf.where(tf.math.is_finite(shares), shares, 0.0)  # else no place to look at
    warped = sample(apex, *tf.unstack(synthesise(shares, height, width)))[..., 0]  # (b, h, w)
    gx, gy = spatial_gradient(0.5 * (onset + warped))
    left = onset - warped
    products = gx * gx, gx * gy, gy * gy, gx * left, gy * left, left * left
    xx, xy, yy, x, y, energy = map(half_size, products)  # (b, h/2, w/2) each
    known = synthesise(shares, height // 2, width // 2)  # (2, b, h/2, w/2)
    right = tf.stack([x, y]) + apply_systems((xx, xy, yy), known)
    return (xx, xy, yy), right, [xx, xy, yy, x, y, energy, *tf.unstack(known)]


def _equations_and_evidence(onset, apex, shares):
    """As `motion_equations`; at last all of it as the U-Net reads it, `(b, h/4, w/4, 48)`."""
    onset, apex = comparable(onset, apex)
    systems, right, seen = motion_equations(onset, apex, shares)
    scale = tf.math.rsqrt(systems[0] + systems[2] + 0.02)  # (b, h/2, w/2)
    seen = channels_last(tf.stack([*(scale * x for x in seen[:5]), *seen[5:]]))  # (b, h/2, w/2, 8)
    evidence = [tf.nn.space_to_depth(onset[..., None], 4), tf.nn.space_to_depth(seen, 2)]
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
