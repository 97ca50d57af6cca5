import cv2
import numpy as np
import tensorflow as tf
from contract import check_layer

from me_keras.layers import motion
from me_keras.layers.motion import MotionMaps, RegionStatistics, Resize, TokenMean
from me_keras.layers.warp import optical_strain
from pipelines import schema


def test_displacement_gets_its_strain_magnitude_and_features(rng):
    motion = tf.constant(rng.normal(size=(2, 8, 8, 2)), tf.float32)
    features = tf.constant(rng.normal(size=(2, 4, 4, 5)), tf.float32)
    maps = check_layer(MotionMaps, {"spacing": 2.0}, motion, features=features)
    np.testing.assert_array_equal(maps[0], motion)
    np.testing.assert_allclose(maps[1], optical_strain(motion, 2.0), atol=1e-6)
    np.testing.assert_allclose(maps[2][..., 0], np.linalg.norm(motion, axis=-1), atol=1e-3)
    np.testing.assert_array_equal(maps[3], features)


def test_flow_with_strain_is_split_and_scalars_are_kept(rng):
    flow = tf.constant(rng.normal(size=(1, 4, 4, 3)), tf.float32)
    assert [m.shape[-1] for m in MotionMaps()(flow)] == [2, 1, 1]
    assert [m.shape[-1] for m in MotionMaps()(flow[..., :1])] == [1]


def test_detached_motion_gets_no_gradient(rng):
    motion = tf.constant(rng.normal(size=(1, 4, 4, 2)), tf.float32)
    for detach in (False, True):
        with tf.GradientTape() as tape:
            tape.watch(motion)
            loss = sum(tf.reduce_sum(m**2) for m in MotionMaps(detach=detach)(motion))
        assert (tape.gradient(loss, motion) is None) == detach


def test_statistics_by_hand():
    crops = np.zeros((1, 2, 2, 2, 1), np.float32)
    crops[0, 1, :, :, 0] = [[1, -1], [3, -1]]
    out = check_layer(RegionStatistics, {}, tf.constant(crops))
    np.testing.assert_allclose(out[0], [[0, 0], [0.5, 1.5]])


def test_resize_equals_opencv(rng):
    maps = rng.normal(size=(2, 14, 14, 3)).astype(np.float32)
    found = check_layer(Resize, {"size": 28}, tf.constant(maps))
    expected = [cv2.resize(m, (28, 28), interpolation=cv2.INTER_LINEAR) for m in maps]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_token_mean(rng):
    tokens = tf.constant(rng.normal(size=(2, 3, 4, 5)), tf.float32)
    np.testing.assert_allclose(check_layer(TokenMean, {}, tokens), np.mean(tokens, 2), atol=1e-6)


def test_only_a_flow_has_a_dx_to_turn(rng):
    assert motion.FLOW_CHANNELS == schema.FLOW_CHANNELS  # layers import nothing of pipelines
    for channels in (1, 2, 3):
        maps = rng.normal(size=(2, 4, 4, channels)).astype(np.float32)
        signs = [-1, 1, 1] if channels == 3 else [1] * channels
        np.testing.assert_array_equal(motion.turn_dx(maps), maps * signs)
