"""Backward warping by a displacement, and its strain.

The only module that imports `tensorflow_addons` (end of life, but its warp with gradient is the
fastest one measured here for this TensorFlow).
"""

import warnings

import keras
import tensorflow as tf

from me_keras.layers.filters import spatial_gradient

with warnings.catch_warnings():  # its end-of-life notice is for developers, not for users
    warnings.simplefilter("ignore")
    import tensorflow_addons as tfa


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
    zero-padding.
    """
    # tfa subtracts its flow and wants (dy, dx)
    dx, dy = tf.split(displacement, 2, axis=-1)  # (b, h, w, 1) each
    flow = tf.concat([-dy, -dx], axis=-1)  # (b, h, w, 2)
    flow = tf.where(tf.math.is_finite(flow), flow, 0.0)
    return tfa.image.dense_image_warp(image, flow)


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
