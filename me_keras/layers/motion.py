"""From a displacement, or any motion map, to what the fusions look at."""

import keras
import tensorflow as tf

from me_keras.layers.warp import optical_strain

FLOW_CHANNELS = 3  # dx, dy, strain; motion maps of other counts are images


@keras.saving.register_keras_serializable(package="me_keras")
class MotionMaps(keras.layers.Layer):
    """Splits motion into the sources that are fused: displacement and its size, strain, features.

    Args:
        spacing: float, pixels between two samples of the motion; strain is per pixel.
        detach: bool; no gradient flows back into the motion.

    Call arguments:
        motion: `(b, h, w, c)` float. c = 2: displacement, its magnitude and strain are added;
            c = 3: displacement and strain, the magnitude is added; otherwise taken as it is.
        features: optional `(b, h', w', f)` float.
    Returns:
        list of `(b, h, w, c_i)`, one per source: displacement, strain, magnitude, and features
        last, at their own resolution. (The magnitude is our choice: what is linear in the
        displacement cancels where a region moves both ways.)
    """

    def __init__(self, spacing=1.0, detach=False, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.spacing = spacing
        self.detach = detach

    def call(self, motion, features=None):
        if self.detach:
            motion = tf.stop_gradient(motion)
            features = None if features is None else tf.stop_gradient(features)
        maps = [motion]
        if motion.shape[-1] == 2:
            maps = [motion, optical_strain(motion, self.spacing), _magnitude(motion)]
        elif motion.shape[-1] == 3:
            maps = [motion[..., :2], motion[..., 2:], _magnitude(motion[..., :2])]
        return maps if features is None else [*maps, features]

    def get_config(self):
        return {**super().get_config(), "spacing": self.spacing, "detach": self.detach}


def turn_dx(motion):
    """`(b, h, w, c)` with dx negated, as it is on a mirrored face; images have no dx.

    Of 3 channels it is a flow, dx, dy and strain; of 1 or 2 it is images.
    """
    if motion.shape[-1] != FLOW_CHANNELS:
        return motion
    return tf.concat([-motion[..., :1], motion[..., 1:]], axis=-1)


def _magnitude(displacement):
    """`(b, h, w, 2)` to `(b, h, w, 1)`; smooth at zero, so that its gradient stays finite."""
    return tf.sqrt(tf.reduce_sum(tf.square(displacement), axis=-1, keepdims=True) + 1e-6)


@keras.saving.register_keras_serializable(package="me_keras")
class RegionStatistics(keras.layers.Layer):
    """Mean and mean magnitude of each channel over a region: keeps the size of the motion.

    Call arguments:
        crops: `(b, r, s, s, c)` float.
    Returns:
        `(b, r, 2 c)`.
    """

    def call(self, crops):
        mean = tf.reduce_mean(crops, axis=(2, 3))  # (b, r, c)
        magnitude = tf.reduce_mean(tf.abs(crops), axis=(2, 3))  # (b, r, c)
        return tf.concat([mean, magnitude], axis=-1)  # (b, r, 2 c)


@keras.saving.register_keras_serializable(package="me_keras")
class Resize(keras.layers.Layer):
    """Bilinear, `(b, h, w, c)` to `(b, size, size, c)`.

    Keras 3's own `Resizing` sets the layers behind it to training, whatever the call says.

    Args:
        size: int, pixels.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, images):
        return tf.image.resize(images, (self.size, self.size))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="me_keras")
class TokenMean(keras.layers.Layer):
    """Mean over the tokens: `(b, …, l, c)` to `(b, …, c)`.

    Args:
        repeats: int n; the mean n times, `(b, …, n, c)`; 0: once, without that axis.
    """

    def __init__(self, repeats=0, **kwargs):
        super().__init__(**kwargs)
        self.repeats = repeats

    def call(self, tokens):
        mean = tf.reduce_mean(tokens, axis=-2, keepdims=self.repeats > 0)
        # Added: a GPU waits for the host in the gradient of `tf.tile`.
        return mean + tf.zeros((self.repeats, 1), mean.dtype) if self.repeats else mean

    def get_config(self):
        return {**super().get_config(), "repeats": self.repeats}
