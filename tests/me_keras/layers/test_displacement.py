import cv2
import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import check_layer

from me_keras.layers.displacement import DisplacementGenerator, comparable, motion_equations
from me_keras.layers.filters import local_normalize
from me_keras.layers.smooth_solve import analyse
from me_keras.layers.warp import dense_warp


def pair(rng, shift=(0.6, -0.4), size=64):
    onset = cv2.GaussianBlur(rng.random((size, size)).astype(np.float32), (0, 0), 1.5)
    onset = 0.5 + (onset - onset.mean())
    matrix = np.float32([[1, 0, shift[0]], [0, 1, shift[1]]])
    apex = cv2.warpAffine(onset, matrix, (size, size), flags=cv2.INTER_CUBIC, borderMode=2)
    return [tf.constant(image[None, ..., None]) for image in (onset, apex)]


def test_contract(rng):
    arguments = {"filters": (8, 12), "max_displacement": 3.0, "iterations": 1}
    out = check_layer(DisplacementGenerator, arguments, pair(rng))
    assert out["displacement"].shape == (1, 64, 64, 2)
    assert out["half"].shape == (1, 32, 32, 2)
    assert out["features"].shape == (1, 16, 16, 8)


def test_untrained_it_already_sees_the_motion_and_its_sign(rng):
    keras.utils.set_random_seed(0)  # of the correction, small before training
    found = DisplacementGenerator()(pair(rng))["displacement"]
    np.testing.assert_allclose(np.mean(found[0, 8:-8, 8:-8], (0, 1)), (0.6, -0.4), atol=0.12)


def test_untrained_it_is_a_flow_that_beats_dis(rng):
    """A face-sized texture, moved by a bump of 1.5 px: truth by construction."""
    size = 64
    onset = cv2.GaussianBlur(rng.random((size, size)).astype(np.float32), (0, 0), 1.2)
    onset = 0.5 + 2.0 * (onset - onset.mean())
    y, x = np.mgrid[:size, :size].astype(np.float32)
    field = 1.5 * np.exp(-((x - 30) ** 2 + (y - 36) ** 2) / (2 * 10**2))
    apex = cv2.remap(onset, x - field, y + 0.5 * field, cv2.INTER_CUBIC, borderMode=2)
    frames = [image + rng.normal(0, 0.004, image.shape) for image in (onset, apex)]
    frames = [np.clip(255 * image, 0, 255).astype(np.uint8) for image in frames]
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    dis.setFinestScale(0)
    keras.utils.set_random_seed(0)
    tensors = [tf.constant(image[None, ..., None] / 255.0, tf.float32) for image in frames]
    ours = DisplacementGenerator()(tensors)["displacement"][0].numpy()

    def error(found):
        truth = np.stack([field, -0.5 * field], axis=-1)  # the apex is where the field is
        for _ in range(5):
            at = np.stack([x, y], axis=-1) + truth
            truth = cv2.remap(np.stack([field, -0.5 * field], -1), at, None, cv2.INTER_LINEAR)
        return np.linalg.norm(found - truth, axis=-1)[6:-6, 6:-6].mean()

    assert error(ours) < 0.85 * error(dis.calc(*frames, None))
    assert error(ours) < 0.05


def test_the_apex_is_sampled_finely(rng):
    """Half a pixel, where bilinear sampling blurs most: what is left of the difference."""
    onset, apex = (frame[..., 0] for frame in pair(rng, (0.5, 0.5)))  # (1, 64, 64) each
    known = analyse(tf.fill((2, 1, 32, 32), 0.5))
    energy = motion_equations(*comparable(onset, apex), known)[2][5]  # (1, 32, 32)
    first, second = (local_normalize(frame, 9, 0.02)[..., None] for frame in (onset, apex))
    blurred = dense_warp(second, np.full((1, 64, 64, 2), 0.5, np.float32))
    bilinear = np.mean(np.square(first - blurred)[0, 8:-8, 8:-8])
    assert np.mean(energy.numpy()[0, 4:-4, 4:-4]) < 0.5 * bilinear


def test_without_rounds_at_half_resolution_it_still_sees_small_motion(rng):
    found = DisplacementGenerator(iterations=0)(pair(rng, (0.2, -0.1)))["displacement"]
    np.testing.assert_allclose(np.mean(found[0, 8:-8, 8:-8], (0, 1)), (0.2, -0.1), atol=0.06)


def test_displacement_is_bounded(rng):
    layer = DisplacementGenerator(max_displacement=0.25)
    assert float(tf.reduce_max(tf.abs(layer(pair(rng))["displacement"]))) <= 0.25


def test_brightness_does_not_move_a_face(rng):
    onset, _ = pair(rng)
    found = DisplacementGenerator()([onset, 1.05 * onset + 0.02])["displacement"]
    assert float(tf.reduce_mean(tf.abs(found))) < 0.05


def test_all_weights_are_trained(rng):
    layer = DisplacementGenerator(filters=(8, 12))
    frames = pair(rng)
    with tf.GradientTape() as tape:
        out = layer(frames)
        loss = tf.reduce_sum(out["displacement"]) + tf.reduce_sum(tf.square(out["features"]))
    gradients = tape.gradient(loss, layer.trainable_variables)
    assert all(g is not None and float(tf.reduce_max(tf.abs(g))) > 0 for g in gradients)


def test_refuses_sizes_that_do_not_divide():
    frame = tf.zeros((1, 40, 40, 1))
    for filters in ((8, 12, 16), (8, 12), (8,)):
        said = f"multiple of 16 px for {len(filters)} levels. Received: 40 x 40"
        with pytest.raises(ValueError, match=said):
            DisplacementGenerator(filters)([frame, frame])


@pytest.mark.parametrize("size", [16, 48, 80])
def test_takes_every_multiple_of_16(rng, size):
    found = DisplacementGenerator((8,))(pair(rng, size=size))["displacement"]
    assert found.shape == (1, size, size, 2) and np.isfinite(found).all()
