"""What teaches the displacement generator without labels, and the recognition with them.

The paper names self-supervision by the frames themselves; which losses is our choice.
`self_supervision` is what training takes. `photometric`, `census`, `structure` and `smoothness` are
also Keras losses of an output: `(y_true, y_pred)` is the onset and what it is compared with.
"""

import keras
import numpy as np
import tensorflow as tf

from me_keras.layers.filters import box_mean, half_size, local_normalize, planes, spatial_gradient
from me_keras.layers.warp import dense_warp, gather_on_device

BORDER = 3  # samples at the image border, where the warp may look outside, are not compared


def charbonnier(x, epsilon=1e-3):
    """sqrt(x^2 + epsilon^2): an L1 that is smooth at zero."""
    return tf.sqrt(tf.square(x) + epsilon**2)


@keras.saving.register_keras_serializable(package="me_keras")
class CrossEntropy(keras.losses.Loss):
    """Cross entropy of the softmax of logits, the labels smoothed.

    Args:
        label_smoothing: float in [0, 1), share of each label that is spread over all classes.

    Call arguments:
        y_true: `(b,)` int, labels in [0, k).
        y_pred: `(b, k)` float, logits.
    """

    def __init__(self, label_smoothing=0.1, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        target = tf.one_hot(tf.cast(tf.reshape(y_true, [-1]), tf.int32), y_pred.shape[-1])  # (b, k)
        return keras.losses.categorical_crossentropy(
            target, y_pred, from_logits=True, label_smoothing=self.label_smoothing
        )  # (b,)

    def get_config(self):
        # Without `reduction`: Keras 2.15 and Keras 3 name it differently.
        return {"name": self.name, "label_smoothing": self.label_smoothing}


def proposal(labels, logits):
    """Sum over the classes of the binary cross entropy of "is it this class?".

    Args:
        labels: `(b,)` int, in [0, k).
        logits: `(b, k)` float.
    Returns:
        `(b,)` float32.
    Reference: Zhou et al., 2021, arXiv:2101.04838 (FeatRef's proposal loss; its weight of 1 beside
    the cross entropy is our choice).
    """
    target = tf.one_hot(tf.cast(labels, tf.int32), logits.shape[-1])  # (b, k)
    wrong = tf.nn.sigmoid_cross_entropy_with_logits(target, tf.cast(logits, tf.float32))
    return tf.reduce_sum(wrong, axis=-1)


@keras.saving.register_keras_serializable(package="me_keras")
def photometric(onset, warped):
    """Robust brightness difference, blind to flicker, relative to the local contrast.

    The local mean of the difference is removed: 200 fps lamps flicker and shadows move. Dividing
    by the contrast makes smooth cheeks count as much as brows.

    Args:
        onset, warped: `(b, h, w, 1)` float in [0, 1].
    Returns:
        `(b,)` float32, in units of local contrast.

    Examples:
        >>> onset = np.random.default_rng(0).random((1, 32, 32, 1), np.float32)
        >>> same, brighter, moved = onset, onset + 0.1, np.roll(onset, 1, axis=2)
        >>> [round(photometric(onset, other).numpy().item(), 2) for other in (same, brighter)]
        [0.05, 0.05]
        >>> photometric(onset, moved).numpy().item() > 0.5
        True
    """
    onset, warped = onset[..., 0], warped[..., 0]
    difference = warped - onset  # (b, h, w)
    difference -= box_mean(difference, 9)
    contrast = tf.sqrt(box_mean(tf.square(onset - box_mean(onset, 9)), 9))
    return _mean_inside(charbonnier(difference / (contrast + 0.02), 0.05))


@keras.saving.register_keras_serializable(package="me_keras")
def census(onset, warped):
    """Soft census difference over 5 x 5 neighbours: compares order, not brightness.

    Args and returns as `photometric`. Reference: Meister et al., 2018 (UnFlow); Jonschkowski et
    al., 2020 (UFlow). Deviation: 5 x 5, and a floor of two grey levels.
    """
    first, second = (_census_transform(image) for image in (onset, warped))
    distance = tf.square(first - second)  # (b, h, w, 25)
    distance = tf.reduce_sum(distance / (0.1 + distance), axis=-1)  # (b, h, w)
    return _mean_inside(tf.pow(distance + 0.01, 0.4))


def _census_transform(image, size=5):
    # A GPU waits for the host in the gradient of `tf.image.extract_patches`.
    each = np.eye(size**2, dtype=np.float32).reshape(size, size, 1, size**2)
    patches = tf.nn.conv2d(255.0 * image, each, 1, "SAME")  # (b, h, w, size^2)
    difference = patches - 255.0 * image
    return difference * tf.math.rsqrt(4.0 + tf.square(difference))


@keras.saving.register_keras_serializable(package="me_keras")
def structure(onset, warped):
    """1 - structure term of SSIM over 7 x 7 windows, halved: blind to light and contrast.

    Args and returns as `photometric`; in [0, 1]. Reference: Wang et al., 2004.
    """
    first, second = (local_normalize(image[..., 0], 7) for image in (onset, warped))  # (b, h, w)
    return _mean_inside(0.5 * (1.0 - box_mean(first * second, 7)))


@keras.saving.register_keras_serializable(package="me_keras")
def smoothness(onset, displacement, edge=20.0):
    """First-order smoothness of the displacement, relaxed at the onset's edges.

    Args:
        onset: `(b, h, w, 1)` float in [0, 1].
        displacement: `(b, h, w, 2)` float, pixels.
        edge: float, per unit of brightness; optical-flow work uses 150 for streets, which would
            free brows and lips from any smoothness.
    Returns:
        `(b,)` float32, pixels per sample.
    """
    gradients = zip(spatial_gradient(onset[..., 0]), spatial_gradient(planes(displacement)))
    total = 0.0
    for of_image, of_field in gradients:
        weight = tf.exp(-edge * tf.abs(of_image))  # (b, h, w)
        total += tf.reduce_mean(weight * charbonnier(of_field, 1e-2), axis=(0, 2, 3))
    return 0.5 * total


def self_supervision(onset, apex, half, reconstruction="photometric", edge=20.0):
    """Both terms that teach the displacement generator, at half resolution.

    There sensor noise is half as large, and the warp, the costliest step, takes a quarter. The
    frames are smoothed: between pixels, bilinear sampling averages noise away, and an unsmoothed
    loss rewards displacements that sample there (measured: below the loss of the truth).

    Args:
        onset, apex: `(b, h, w, 1)` float in [0, 1].
        half: `(b, h/2, w/2, 2)` float, displacement in pixels of full resolution.
        reconstruction: key of `RECONSTRUCTION`.
        edge: as `smoothness`.
    Returns:
        two `(b,)` float32: reconstruction and smoothness.
    """
    onset, apex = (half_size(image[..., 0], 3)[..., None] for image in (onset, apex))
    warped = dense_warp(apex, 0.5 * half)  # (b, h/2, w/2, 1)
    return RECONSTRUCTION[reconstruction](onset, warped), smoothness(onset, half, edge)


def endpoint_error(truth, displacement):
    """Mean distance to the true displacement.

    Args:
        truth, displacement: `(b, h, w, 2)` float, pixels.
    Returns:
        `(b,)` float32, pixels.

    Examples:
        >>> truth = np.zeros((1, 16, 16, 2), np.float32)
        >>> round(endpoint_error(truth, truth + np.float32([3, 4])).numpy().item(), 3)
        5.0
    """
    apart = tf.reduce_sum(tf.square(displacement - truth), axis=-1)  # (b, h, w)
    return _mean_inside(tf.sqrt(apart + 1e-6))


def forward_backward(forward, backward):
    """Where a point does not come back to itself.

    Args:
        forward, backward: `(b, h, w, 2)` float, pixels, displacements of onset -> apex and back.
    Returns:
        `(b,)` float32, pixels.
    """
    arrived = dense_warp(backward, forward, gather_on_device)  # (b, h, w, 2)
    round_trip = charbonnier(forward + arrived, 1e-2)  # (b, h, w, 2)
    return _mean_inside(tf.reduce_mean(round_trip, axis=-1))


def _mean_inside(field):
    """Mean of `(b, h, w)` away from the border: `(b,)`."""
    height, width = field.shape[1:]
    inside = np.zeros((height, width), np.float32)
    inside[BORDER:-BORDER, BORDER:-BORDER] = 1 / ((height - 2 * BORDER) * (width - 2 * BORDER))
    return tf.linalg.matvec(tf.reshape(field, (-1, height * width)), inside.ravel())


RECONSTRUCTION = {"photometric": photometric, "census": census, "structure": structure}
