"""Backward warping by a displacement, and its strain."""

import keras
import tensorflow as tf

from me_keras.layers.filters import spatial_gradient


def dense_warp(image, displacement):
    """Samples `image` at `p + displacement(p)`, bilinearly, clamped at the border.

    With `image` the apex and `displacement` onset -> apex, the result rebuilds the onset.

    Args:
        image: `(b, h, w, c)` float, any range.
        displacement: `(b, h, w, 2)` float, pixels, `(dx, dy)`. NaN and infinity count as 0: they
            are no place to look at.
    Returns:
        `(b, h, w, c)`, dtype of `image`. Differentiable in both arguments.
    Reference: Jaderberg et al., 2015, arXiv:1506.02025, sec. 3.3. Deviation: clamps instead of
    zero-padding. Values and both gradients are those of tensorflow-addons' `dense_image_warp`
    at `-displacement[..., ::-1]`.
    """
    displacement = tf.where(tf.math.is_finite(displacement), displacement, 0.0)
    dx, dy = tf.split(displacement, 2, axis=-1)  # (b, h, w, 1) each
    batch, height, width = tf.unstack(tf.shape(image)[:3])
    left, right_share = _neighbours(dx, width, axis=2)
    top, bottom_share = _neighbours(dy, height, axis=1)
    images = tf.reshape(tf.range(batch), (-1, 1, 1, 1))
    index = tf.squeeze((images * height + top) * width + left, -1)  # (b, h, w), top left pixel
    pixels = tf.reshape(image, (-1, image.shape[-1]))  # (b * h * w, c)

    def row(first):
        """Between the pixel at `first` and the one on its right: `(b, h, w, c)`."""
        values, following = tf.gather(pixels, first), tf.gather(pixels, first + 1)
        return values + tf.cast(right_share, image.dtype) * (following - values)

    upper, lower = row(index), row(index + width)
    return upper + tf.cast(bottom_share, image.dtype) * (lower - upper)


def _neighbours(offset, length, axis):
    """The pixel before the place that each pixel looks at, and the share of the one after it.

    Args:
        offset: `(b, h, w, 1)` float, pixels along `axis`.
        length: int32, pixels along `axis`.
    Returns:
        `(b, h, w, 1)` int32 in [0, length - 2] and `(b, h, w, 1)` float in [0, 1].
    """
    grid = tf.range(tf.cast(length, offset.dtype), dtype=offset.dtype)
    place = offset + tf.reshape(grid, [-1 if i == axis else 1 for i in range(4)])
    last = tf.cast(length - 2, offset.dtype)
    first = tf.minimum(tf.maximum(0.0, tf.floor(place)), last)
    return tf.cast(first, tf.int32), tf.minimum(tf.maximum(0.0, place - first), 1.0)


def optical_strain(displacement, spacing=1.0):
    """Magnitude of the strain tensor: how much the skin is stretched, blind to rigid translation.

    Args:
        displacement: `(b, h, w, 2)` float, pixels, `(u, v)`.
        spacing: float, pixels between two samples of the field.
    Returns:
        `(b, h, w, 1)` float >= 0: sqrt(u_x^2 + v_y^2 + (u_y + v_x)^2 / 2).
    Reference: the strain channel of STSTNet, arXiv:1902.03634. Deviation: 1e-6 under the root,
    so that the gradient stays finite where nothing moves.
    """
    # Split, not sliced: the gradient of a slice is a whole field of zeros.
    dx, dy = spatial_gradient(displacement / spacing)  # (b, h, w, 2) each
    (u_x, v_x), (u_y, v_y) = (tf.split(field, 2, axis=-1) for field in (dx, dy))  # (b, h, w, 1)
    return tf.sqrt(tf.square(u_x) + tf.square(v_y) + 0.5 * tf.square(u_y + v_x) + 1e-6)


@keras.saving.register_keras_serializable(package="me_keras")
class DenseWarp(keras.layers.Layer):
    """`dense_warp` as a layer, in float32 whatever the policy: sub-pixel positions need it.

    Call arguments:
        inputs: `(image, displacement)`, `(b, h, w, c)` and `(b, h, w, 2)`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        image, displacement = inputs
        return dense_warp(image, displacement)  # (b, h, w, c)
