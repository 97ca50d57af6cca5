"""The Displacement Generation Module (DGM): onset and apex in, motion out.

From the paper (CVPR 2023, abstract): it is convolutional, takes the onset and the apex frame, and
is learned by self-supervision with the recognition. Our choices: the Lucas-Kanade start, the
U-Net, its sizes, and the bound on the displacement.
"""

import keras
import tensorflow as tf

from me_keras.layers.filters import box_mean, half_size, local_normalize
from me_keras.layers.lucas_kanade import lucas_kanade


@keras.saving.register_keras_serializable(package="me_keras")
class DisplacementGenerator(keras.layers.Layer):
    """Displacement from onset to apex, and the features it was read from.

    A Lucas-Kanade estimate at half resolution comes first. A U-Net, working at a quarter of the
    resolution on all pixels of both frames (space to depth), corrects it. The correction starts
    at zero and leaves at half resolution (depth to space), which keeps brows and lips sharp at the
    price of a quarter: most of the arithmetic is in few wide convolutions.

    Args:
        filters: tuple of ints, channels at 1/4, 1/8, 1/16 … of the resolution.
        max_displacement: float, pixels; bound of each component, by tanh.
        iterations: int, Lucas-Kanade rounds; 0 starts from zero displacement.

    Call arguments:
        inputs: `(onset, apex)`, each `(b, h, w, 1)` float in [0, 1]; h and w divisible by
            `2 * 2 ** len(filters)`.
    Returns:
        dict of `displacement` `(b, h, w, 2)` float32 px `(dx, dy)`, `half` `(b, h/2, w/2, 2)`, the
        same at half resolution and still in px of the full one, and `features`
        `(b, h/4, w/4, filters[0])`.
    Raises:
        ValueError: if the frame size does not suit the number of levels.
    """

    def __init__(self, filters=(32, 64, 96), max_displacement=8.0, iterations=3, **kwargs):
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
        self.head = keras.layers.Conv2D(8, 3, padding="same", kernel_initializer=small)

    def build(self, input_shape):
        height, width = input_shape[0][1:3]
        step = 2 * 2 ** len(self.filters)
        if height % step or width % step:
            raise ValueError(
                f"Frames must be a multiple of {step} px for {len(self.filters)} levels. "
                f"Received: {height} x {width}"
            )
        super().build(input_shape)

    def call(self, inputs):
        onset, apex = (tf.cast(frame, tf.float32) for frame in inputs)
        pair = tf.concat([onset, apex], axis=0)  # (2 b, h, w, 1)
        means = tf.split(local_normalize(half_size(pair)), 2)  # (b, h/2, w/2, 1) each
        first, left = lucas_kanade(means[0], means[1], self.iterations)
        first *= 2.0  # pixels of full resolution
        x = tf.cast(_evidence(onset, apex, first, left), self.compute_dtype)  # (b, h/4, w/4, 44)
        skips = []
        for reduce, encode in zip(self.reduce, self.encode):
            x = encode(reduce(x))  # (b, h/4/2^i, w/4/2^i, filters[i])
            skips.append(x)
        for project, decode, skip in zip(self.project, self.decode, skips[-2::-1]):
            x = decode(_doubled(project(x)) + skip)  # (b, h/4/2^i, w/4/2^i, filters[i])
        correction = tf.nn.depth_to_space(tf.cast(self.head(x), tf.float32), 2)
        half = (first + correction) / self.max_displacement  # (b, h/2, w/2, 2)
        half = self.max_displacement * tf.tanh(half)
        displacement = tf.image.resize(half, tf.shape(onset)[1:3])  # (b, h, w, 2), bilinear
        return {"displacement": displacement, "half": half, "features": tf.cast(x, tf.float32)}

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "max_displacement": self.max_displacement,
            "iterations": self.iterations,
        }


def _evidence(onset, apex, first, left):
    """What the U-Net sees: every pixel of both frames, the first estimate, what it left.

    Args:
        onset, apex: `(b, h, w, 1)`; first, left: `(b, h/2, w/2, 2)` and `(…, 1)`.
    Returns:
        `(b, h/4, w/4, 44)`.
    """
    fine = [tf.nn.space_to_depth(frame, 4) for frame in (onset, apex)]
    fine = tf.concat(fine, axis=-1)  # (b, h/4, w/4, 32)
    centre = tf.reduce_mean(fine, axis=-1, keepdims=True)  # (b, h/4, w/4, 1)
    fine -= box_mean(centre, 3)
    fine *= tf.math.rsqrt(box_mean(tf.reduce_mean(fine**2, -1, keepdims=True), 3) + 1e-4)
    coarse = [tf.nn.space_to_depth(field, 2) for field in (first, left)]  # (b, h/4, w/4, 8), (…, 4)
    return tf.concat([fine, *coarse], axis=-1)


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
