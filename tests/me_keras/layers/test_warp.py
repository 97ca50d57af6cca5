import gc
import warnings
import weakref

import cv2
import numpy as np
import pytest
import scipy.ndimage
import tensorflow as tf
from contract import check_layer

from me_keras.layers.filters import double_size
from me_keras.layers.warp import DenseWarp, dense_warp, gather_on_device, optical_strain


def smooth_image(rng, size=32):
    return cv2.GaussianBlur(rng.random((size, size)).astype(np.float32), (0, 0), 2)


def test_zero_displacement_changes_nothing(rng):
    image = rng.random((2, 8, 9, 3)).astype(np.float32)
    np.testing.assert_allclose(dense_warp(image, tf.zeros((2, 8, 9, 2))), image, atol=1e-6)


def test_whole_pixels_shift_right_and_down():
    image = np.arange(30, dtype=np.float32).reshape(1, 5, 6, 1)
    flow = np.zeros((1, 5, 6, 2), np.float32)
    flow[..., 0], flow[..., 1] = 1, 2  # looks one to the right and two below
    warped = dense_warp(image, flow)[0, ..., 0]
    np.testing.assert_allclose(warped[:3, :5], image[0, 2:, 1:, 0])


def test_equals_opencv_remap(rng):
    image = smooth_image(rng)
    flow = rng.normal(0, 1, (32, 32, 2)).astype(np.float32)
    rows, columns = np.mgrid[:32, :32].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    expected = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    found = dense_warp(image[None, ..., None], flow[None])[0, ..., 0]
    # OpenCV rounds positions to 1/32 px
    np.testing.assert_allclose(found[2:-2, 2:-2], expected[2:-2, 2:-2], atol=6e-3)


def test_a_farneback_flow_rebuilds_the_onset(rng):
    onset = smooth_image(rng, 64)
    apex = np.roll(onset, (1, 2), (0, 1))  # moves 2 right and 1 down
    flow = np.zeros((1, 64, 64, 2), np.float32)
    flow[..., 0], flow[..., 1] = 2, 1
    rebuilt = dense_warp(apex[None, ..., None], flow)[0, ..., 0]
    np.testing.assert_allclose(rebuilt[4:-4, 4:-4], onset[4:-4, 4:-4], atol=1e-6)


def test_an_enlarged_image_is_sampled_at_the_same_places(rng):
    image = smooth_image(rng)
    flow = rng.normal(0, 1, (1, 32, 32, 2)).astype(np.float32)
    large = double_size(image[None])[..., None]
    found = dense_warp(large, flow)[0, 4:-4, 4:-4, 0]
    rows, columns = np.mgrid[:32, :32] + flow[0, ..., ::-1].transpose(2, 0, 1)
    expected = scipy.ndimage.map_coordinates(image, [rows, columns], order=3)[4:-4, 4:-4]
    plain = dense_warp(image[None, ..., None], flow)[0, 4:-4, 4:-4, 0]
    assert np.abs(found - expected).max() < 0.4 * np.abs(plain - expected).max()
    np.testing.assert_allclose(dense_warp(large, 0 * flow)[0, ..., 0], image, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_values_and_gradients_are_tensorflow_addons(rng, channels):
    """Also at whole pixels, where a bilinear gradient jumps, and far beyond the border."""
    with warnings.catch_warnings():  # its end-of-life notice
        warnings.simplefilter("ignore")
        tfa = pytest.importorskip("tensorflow_addons")
    image = tf.constant(rng.random((3, 12, 15, channels)), tf.float32)
    flow = rng.normal(0, 4, (3, 12, 15, 2)).astype(np.float32)
    flow[0] = np.round(flow[0])
    flow[1, :3] = 0
    flow, upstream = tf.constant(flow), tf.constant(rng.random(image.shape), tf.float32)
    found = []
    for warp in (dense_warp, lambda i, d: tfa.image.dense_image_warp(i, -d[..., ::-1])):
        with tf.GradientTape() as tape:
            tape.watch([image, flow])
            warped = warp(image, flow)
        found.append([warped, *tape.gradient(warped, [image, flow], upstream)])
    for ours, theirs in zip(*found):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_gradient_reaches_image_and_displacement(rng):
    image = tf.constant(smooth_image(rng)[None, ..., None])
    flow = tf.constant(rng.normal(0, 0.3, (1, 32, 32, 2)).astype(np.float32))
    with tf.GradientTape() as tape:
        tape.watch([image, flow])
        loss = tf.reduce_sum(tf.square(dense_warp(image, flow)))
    for gradient in tape.gradient(loss, [image, flow]):
        assert float(tf.reduce_max(tf.abs(gradient))) > 0


def test_a_displacement_that_is_no_number_counts_as_none(rng):
    image = smooth_image(rng)[None, ..., None]
    flow = np.zeros((1, 32, 32, 2), np.float32)
    flow[0, :2, :, 0], flow[0, 2, :, 1] = np.nan, np.inf
    np.testing.assert_allclose(dense_warp(image, flow), image, atol=1e-6)


def test_strain_by_hand_and_its_blindness_to_translation():
    rows, columns = np.mgrid[:8, :8].astype(np.float32)
    # u = 0.3 x + 0.1 y, v = 0.2 y: sqrt(0.09 + 0.04 + 0.5 * 0.01)
    field = np.stack([0.3 * columns + 0.1 * rows, 0.2 * rows], -1)[None]
    inner = optical_strain(field)[0, 1:-1, 1:-1, 0]
    np.testing.assert_allclose(inner, np.sqrt(0.135), rtol=1e-4)
    np.testing.assert_allclose(optical_strain(field + 5.0), optical_strain(field), atol=1e-5)
    np.testing.assert_allclose(
        optical_strain(field, spacing=2.0)[0, 1:-1, 1:-1], inner[..., None] / 2, rtol=1e-3
    )


def test_layer_contract(rng):
    image = tf.constant(rng.random((2, 8, 8, 1)), tf.float32)
    flow = tf.constant(rng.normal(size=(2, 8, 8, 2)), tf.float32)
    check_layer(DenseWarp, {}, [image, flow])


def test_a_traced_graph_is_let_go(rng):
    """As `tf.custom_gradient` does not: a process that traces again and again would grow."""
    image = tf.constant(rng.random((1, 8, 8, 1)), tf.float32)
    traced = tf.function(lambda flow: dense_warp(image, flow), autograph=False)
    traced(tf.zeros((1, 8, 8, 2)))
    graph = weakref.ref(traced.get_concrete_function(tf.zeros((1, 8, 8, 2))).graph)
    del traced
    gc.collect()
    assert graph() is None


@pytest.mark.parametrize("traced", [False, True])
def test_a_gather_on_the_device_has_the_same_gradients(rng, traced):
    image = tf.constant(rng.random((2, 8, 8, 1)), tf.float32)
    flow = tf.constant(rng.normal(size=(2, 8, 8, 2)), tf.float32)

    def gradients(gather):
        with tf.GradientTape() as tape:
            tape.watch((image, flow))
            loss = tf.reduce_sum(tf.square(dense_warp(image, flow, gather)))
        return [tf.convert_to_tensor(each) for each in tape.gradient(loss, (image, flow))]

    ours = tf.function(gradients)(gather_on_device) if traced else gradients(gather_on_device)
    for one, other in zip(ours, gradients(tf.gather)):
        np.testing.assert_allclose(one, other, atol=1e-5)
