import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras import losses


def texture(rng, size=48):
    image = cv2.GaussianBlur(rng.random((size, size)).astype(np.float32), (0, 0), 1.5)
    return tf.constant(0.2 + 0.6 * (image - image.min())[None, ..., None] / np.ptp(image))


@pytest.mark.parametrize("name", sorted(losses.RECONSTRUCTION))
def test_reconstruction_is_least_where_frames_agree(rng, name):
    loss = losses.RECONSTRUCTION[name]
    image = texture(rng)
    values = [float(loss(image, tf.roll(image, shift, axis=2))[0]) for shift in range(4)]
    assert values == sorted(values) and values[1] > values[0]
    assert loss(image, image).shape == (1,)


@pytest.mark.parametrize("name", sorted(losses.RECONSTRUCTION))
def test_reconstruction_ignores_flicker(rng, name):
    loss = losses.RECONSTRUCTION[name]
    image = texture(rng)
    same, moved = float(loss(image, image)[0]), float(loss(image, tf.roll(image, 1, axis=2))[0])
    flicker = float(loss(image, image + 0.03)[0])
    assert flicker - same < 0.05 * (moved - same)


def test_charbonnier_by_hand():
    np.testing.assert_allclose(losses.charbonnier(tf.constant([3.0, 0.0]), 4.0), [5.0, 4.0])


def test_proposal_by_hand():
    logits = np.float32([[0.0, np.log(3.0)]])  # chances 1/2 and 3/4
    found = [losses.proposal(np.int32([label]), logits)[0] for label in (0, 1)]
    np.testing.assert_allclose(found, [np.log(2 * 4), np.log(2 * 4 / 3)], rtol=1e-6)


def test_smoothness_by_hand():
    flat = tf.fill((1, 16, 16, 1), 0.5)
    ramp = np.zeros((1, 16, 16, 2), np.float32)
    ramp[..., 0] = np.arange(16)
    inner = losses.charbonnier(1.0, 1e-2), losses.charbonnier(0.5, 1e-2)  # inside, at the sides
    across = (14 * inner[0] + 2 * inner[1]) / 16
    # gradients of u along x; v and the y direction are zero: epsilon
    expected = 0.5 * ((across + 0.01) / 2 + 0.01)
    np.testing.assert_allclose(losses.smoothness(flat, ramp), [expected], rtol=1e-4)


def test_edges_free_the_displacement(rng):
    step = np.zeros((1, 16, 16, 1), np.float32)
    step[:, :, 8:] = 1.0
    jump = np.concatenate([step, 0 * step], -1)
    along_edge = losses.smoothness(step, jump)
    off_edge = losses.smoothness(tf.zeros_like(step), jump)
    assert float(along_edge[0]) < 0.5 * float(off_edge[0])


def test_forward_backward_of_a_translation_and_its_inverse():
    forward = tf.constant(np.tile([[[[1.5, -0.5]]]], (1, 16, 16, 1)), tf.float32)
    np.testing.assert_allclose(losses.forward_backward(forward, -forward), 0.01, rtol=1e-3)
    wrong = losses.forward_backward(forward, forward)
    expected = np.mean([np.hypot(3, 0.01), np.hypot(1, 0.01)])
    np.testing.assert_allclose(wrong, expected, rtol=1e-3)


def test_registered_by_name():
    for loss in (*losses.RECONSTRUCTION.values(), losses.smoothness):
        assert keras.saving.get_registered_object(f"me_keras>{loss.__name__}") is loss


def test_self_supervision_is_least_at_the_true_displacement(rng):
    onset = texture(rng, 64)
    apex = tf.roll(onset, (1, 2), (1, 2))  # moves 2 right and 1 down
    values = {}
    for scale in (0.0, 0.5, 1.0, 1.5):
        half = tf.constant(np.tile(np.float32([2.0, 1.0]) * scale, (1, 32, 32, 1)))
        reconstruction, smooth = losses.self_supervision(onset, apex, half)
        values[scale] = float(reconstruction[0])
        np.testing.assert_allclose(smooth, 0.01 * 0.5 * 2, rtol=0.5)
    assert min(values, key=values.get) == 1.0


def test_endpoint_error_is_the_mean_distance_inside(rng):
    truth, found = (rng.normal(size=(2, 16, 16, 2)).astype(np.float32) for _ in range(2))
    apart = np.linalg.norm(truth - found, axis=-1)[:, 3:-3, 3:-3].mean(axis=(1, 2))
    np.testing.assert_allclose(losses.endpoint_error(truth, found), apart, rtol=1e-3)
