"""Backward warping by a displacement, and its strain."""

import keras
import numpy as np
import tensorflow as tf

from me_keras.layers.filters import planes, spatial_gradient


def dense_warp(image, displacement, gather=tf.gather):
    """Samples `image` at `p + displacement(p)`, bilinearly, clamped at the border.

    With `image` the apex and `displacement` onset -> apex, the result rebuilds the onset.

    Args:
        image: `(b, s h, s w, c)` float, any range; s is 1, or more for one enlarged beforehand, as
            by `filters.double_size`.
        displacement: `(b, h, w, 2)` float, pixels, `(dx, dy)`. NaN and infinity count as 0: they
            are no place to look at.
        gather: `tf.gather`, or `gather_on_device` for a GPU that learns through the image.
    Returns:
        `(b, h, w, c)`, dtype of `image`. Differentiable in both arguments.
    Reference: Jaderberg et al., 2015, arXiv:1506.02025, sec. 3.3. Deviation: clamps instead of
    zero-padding. Values and both gradients are those of tensorflow-addons' `dense_image_warp`
    at `-displacement[..., ::-1]`.

    Examples:
        >>> apex = np.arange(5, dtype=np.float32).reshape(1, 1, 5, 1).repeat(2, axis=1)
        >>> right = np.zeros((1, 2, 5, 2), np.float32) + [1.0, 0.0]  # each point moved by 1 px
        >>> dense_warp(apex, right)[0, 0, :, 0].numpy().tolist()  # clamped at the border
        [1.0, 2.0, 3.0, 4.0, 4.0]
    """
    displacement = planes(displacement)  # (2, b, h, w)
    dx, dy = tf.unstack(tf.where(tf.math.is_finite(displacement), displacement, 0.0))
    return sample(image, dx, dy, gather)


def sample(image, dx, dy, gather=tf.gather):
    """As `dense_warp`, of two components `(b, h, w)` that are numbers."""
    image = tf.convert_to_tensor(image)
    height, width, channels = image.shape[1:]
    scale = height // dx.shape[1]
    columns, rows = (np.arange(0, n, scale, dtype=np.float32) for n in (width, height))
    left, x = _neighbours(columns + scale * dx, width)
    top, y = _neighbours(rows[:, None] + scale * dy, height)
    # int64: TensorFlow computes int32 in the host's memory, and a GPU would wait for it.
    first = tf.cast(tf.range(tf.shape(image)[0]), tf.int64) * (height * width)
    corner = tf.cast(top * width + left, tf.int64) + first[:, None, None]  # (b, h, w)
    pixels = tf.reshape(image, (-1, channels))
    x, y = (tf.cast(share, image.dtype)[..., None] for share in (x, y))  # (b, h, w, 1) each

    def row(index):
        """Between the pixel at `index` and the one on its right: `(b, h, w, c)`."""
        value, right = gather(pixels, index), gather(pixels, index + 1)
        return value + x * (right - value)

    above, below = row(corner), row(corner + width)
    return above + y * (below - above)


def _neighbours(place, length):
    """The pixel before a place along one axis, and the share of the one after it.

    Args:
        place: float, pixels.
        length: int, pixels of the axis.
    Returns:
        float, whole numbers in [0, length - 2], and float in [0, 1].
    """
    first = tf.minimum(tf.maximum(0.0, tf.floor(place)), length - 2.0)
    return first, tf.minimum(tf.maximum(0.0, place - first), 1.0)


@tf.autograph.experimental.do_not_convert  # it would lose the gradient
@tf.custom_gradient
def gather_on_device(pixels, index):
    """`tf.gather` of axis 0, whose own gradient would ask the host for the number of pixels.

    Where no gradient to the pixels is needed, take `tf.gather`: TensorFlow keeps every graph with a
    custom gradient for ever.
    """

    def gradient(upstream):
        upstream = tf.reshape(upstream, (-1, pixels.shape[-1]))
        places = tf.reshape(index, [-1])
        return tf.math.unsorted_segment_sum(upstream, places, tf.shape(pixels)[0]), None

    return tf.gather(pixels, index), gradient


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
    dx, dy = spatial_gradient(planes(displacement) / spacing)  # (2, b, h, w) each
    (u_x, v_x), (u_y, v_y) = tf.unstack(dx), tf.unstack(dy)  # (b, h, w)
    squared = tf.square(u_x) + tf.square(v_y) + 0.5 * tf.square(u_y + v_x)
    return tf.sqrt(squared + 1e-6)[..., None]


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
