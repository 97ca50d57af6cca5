import cv2
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf

from me_keras.layers import filters
from me_keras.layers.filters import box_mean, half_size, local_normalize, spatial_gradient


def texture(rng, size=64):
    image = rng.random((size, size)).astype(np.float32)
    image = cv2.GaussianBlur(image, (0, 0), 1.5)
    return (image - image.min()) / np.ptp(image)


def test_box_mean_equals_opencv(rng):
    image = rng.random((20, 24)).astype(np.float32)
    expected = cv2.blur(image, (5, 5), borderType=cv2.BORDER_REFLECT)
    np.testing.assert_allclose(box_mean(image[None], 5)[0], expected, atol=1e-6)


def test_normalised_image_ignores_light_and_contrast(rng):
    image = texture(rng)[None]
    brighter = 0.2 + 0.7 * image
    first, second = local_normalize(image), local_normalize(brighter)
    np.testing.assert_allclose(first, second, atol=0.1)  # the floor tells them apart, a little
    assert float(tf.reduce_mean(tf.abs(first - second))) < 0.02
    assert abs(float(tf.reduce_mean(first))) < 0.05


def test_spatial_gradient_of_a_plane():
    rows, columns = np.mgrid[:6, :7].astype(np.float32)
    dx, dy = spatial_gradient((3 * columns - 2 * rows)[None])
    np.testing.assert_allclose(dx[0, :, 1:-1], 3)
    np.testing.assert_allclose(dy[0, 1:-1, :], -2)


@pytest.mark.parametrize("leading", [(2,), (3, 2)])
def test_each_filter_keeps_planes_apart(rng, leading):
    field = rng.random((*leading, 12, 16)).astype(np.float32)
    mean, small = box_mean(field, 3), half_size(field, 3)
    dx, dy = spatial_gradient(field)
    for which in np.ndindex(leading):
        image = field[which]
        blurred = cv2.blur(image, (3, 3), borderType=cv2.BORDER_REFLECT)
        halved = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        halved = cv2.blur(halved, (3, 3), borderType=cv2.BORDER_REFLECT)
        along_x, along_y = (
            scipy.ndimage.correlate1d(image, [-0.5, 0, 0.5], axis, mode="reflect")
            for axis in (1, 0)
        )
        for found, expected in ((mean, blurred), (small, halved), (dx, along_x), (dy, along_y)):
            np.testing.assert_allclose(found[which], expected, atol=1e-6)


def test_channels_become_planes_and_come_back(rng):
    field = rng.random((2, 4, 6, 3)).astype(np.float32)
    np.testing.assert_array_equal(filters.planes(field)[1, 0], field[0, ..., 1])
    np.testing.assert_array_equal(filters.channels_last(filters.planes(field)), field)


def test_doubling_is_cubic(rng):
    """OpenCV's and Keys' cubics differ in a: compared with a polynomial that both rebuild."""
    rows, columns = np.mgrid[:10, :12].astype(np.float32)
    plane = 0.02 * columns**2 - 0.3 * rows + 0.01 * rows * columns
    found = filters.double_size(plane[None])[0].numpy()
    rows, columns = np.mgrid[:20, :24].astype(np.float32) / 2
    expected = 0.02 * columns**2 - 0.3 * rows + 0.01 * rows * columns
    np.testing.assert_allclose(found[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-5)
    image = rng.random((2, 8, 6)).astype(np.float32)
    np.testing.assert_allclose(filters.double_size(image)[:, ::2, ::2], image, atol=1e-6)


def test_the_gradient_is_that_of_pooling(rng):
    field = tf.constant(rng.random((2, 8, 8, 1)), tf.float32)
    weights = rng.random((2, 8, 8, 1)).astype(np.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(field)
        padded = tf.pad(field, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="SYMMETRIC")
        pooled = tf.reduce_sum(weights * tf.nn.avg_pool2d(padded, 3, 1, "VALID"))
        ours = tf.reduce_sum(weights[..., 0] * box_mean(field[..., 0], 3))
    np.testing.assert_allclose(tape.gradient(ours, field), tape.gradient(pooled, field), atol=1e-6)
