"""Backward warping by a displacement, and finite differences of one.

The only module that imports `tensorflow_addons` (end of life, but its warp with gradient is the
fastest one measured here for this TensorFlow).
"""

import warnings

import keras
import tensorflow as tf

with warnings.catch_warnings():  # its end-of-life notice is for developers, not for users
    warnings.simplefilter("ignore")
    import tensorflow_addons as tfa


def dense_warp(image, displacement):
    """Samples `image` at `p + displacement(p)`, bilinearly, clamped at the border.

    With `image` the apex and `displacement` onset -> apex, the result rebuilds the onset.

    Args:
        image: `(b, h, w, c)` float, any range.
        displacement: `(b, h, w, 2)` float, pixels, `(dx, dy)`.
    Returns:
        `(b, h, w, c)`, dtype of `image`. Differentiable in both arguments.
    Reference: Jaderberg et al., 2015, arXiv:1506.02025, sec. 3.3. Deviation: clamps instead of
    zero-padding.
    """
    # tfa subtracts its flow and wants (dy, dx)
    return tfa.image.dense_image_warp(image, -displacement[..., ::-1])


def spatial_gradient(field):
    """Central differences along x and y, one-sided at the border.

    Args:
        field: `(b, h, w, c)` float.
    Returns:
        Two `(b, h, w, c)` tensors: d/dx and d/dy, per pixel.
    """
    padded = tf.pad(field, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")  # (b, h+2, w+2, c)
    dx = 0.5 * (padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2])  # (b, h, w, c)
    dy = 0.5 * (padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1])  # (b, h, w, c)
    return dx, dy


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
    dx, dy = spatial_gradient(displacement)  # (b, h, w, 2) each
    dx, dy = dx / spacing, dy / spacing
    normal = tf.square(dx[..., :1]) + tf.square(dy[..., 1:])  # (b, h, w, 1)
    shear = tf.square(dy[..., :1] + dx[..., 1:])  # (b, h, w, 1)
    return tf.sqrt(normal + 0.5 * shear + 1e-6)


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
