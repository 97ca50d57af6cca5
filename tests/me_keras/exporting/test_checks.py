import numpy as np
import pytest
import tensorflow as tf

from me_keras.exporting import checks

Refused = tf.errors.InvalidArgumentError
SIZE = 8


@tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
def frames(values):
    return 2.0 * checks.frames("onset", values, SIZE, 1)


@tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
def motion(values):
    return checks.motion("motion", values, (SIZE, SIZE, 2))


@tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
def boxes(values):
    return checks.boxes("regions", values, 9)


@tf.function(input_signature=[tf.TensorSpec((None, 1)), tf.TensorSpec((None, 2))])
def same(first, second):
    return checks.same_batch(first, {"apex": second})


def test_good_frames_pass_unchanged(rng):
    values = rng.random((3, SIZE, SIZE, 1)).astype(np.float32)
    values[0, 0, 0], values[0, 0, 1] = 0, 1
    np.testing.assert_array_equal(frames(values), 2 * values)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.01, 1.01, 255])
def test_values_outside_the_range(value):
    values = np.full((2, SIZE, SIZE, 1), 0.5, np.float32)
    values[1, 3, 3] = value
    with pytest.raises(Refused, match=r"onset: values must be numbers in \[0, 1\]; lowest and"):
        frames(values)


@pytest.mark.parametrize("shape", [(2, 9, 8, 1), (2, 8, 8, 3), (2, 8, 8), (8, 8, 1), ()])
def test_frames_of_another_shape(shape):
    with pytest.raises(Refused, match=r"(?s)not compatible with expected shape.*onset_size"):
        frames(np.zeros(shape, np.float32))


def test_an_empty_batch():
    with pytest.raises(Refused, match="onset: the batch is empty"):
        frames(np.zeros((0, SIZE, SIZE, 1), np.float32))


def test_motion_maps(rng):
    good = rng.normal(0, 9, (2, SIZE, SIZE, 2)).astype(np.float32)
    np.testing.assert_array_equal(motion(good), good)
    for wrong in (np.nan, np.inf):
        with pytest.raises(Refused, match="motion: values must be numbers, without NaN"):
            motion(np.where(good > 5, np.float32(wrong), good))
    with pytest.raises(Refused, match="motion: the batch is empty"):
        motion(good[:0])
    with pytest.raises(Refused, match=r"(?s)not compatible with expected shape.*motion_size"):
        motion(good[..., :1])


def test_boxes(rng):
    good = np.sort(rng.random((2, 9, 2, 2)), axis=2).reshape(2, 9, 4).astype(np.float32)
    np.testing.assert_array_equal(boxes(good), good)
    thin = good.copy()
    thin[..., 2:] = thin[..., :2]  # a region beyond the crop's edge has no extent
    np.testing.assert_array_equal(boxes(thin), thin)
    for wrong in (good[..., [2, 3, 0, 1]], good + 1, good * np.nan):
        with pytest.raises(Refused, match="regions: boxes must be y1, x1, y2, x2 in"):
            boxes(wrong)
    with pytest.raises(Refused, match=r"(?s)not compatible with expected shape.*regions_size"):
        boxes(good[:, :8])


def test_batches_of_two_sizes():
    with pytest.raises(Refused, match=r"apex: as many examples as onsets.*\[3\] \[2\]"):
        same(np.zeros((2, 1)), np.zeros((3, 2)))
    assert same(np.zeros((2, 1)), np.zeros((2, 2))).shape == (2, 1)


def test_what_was_refused_is_not_computed_with():
    """A later operation that chokes on the value must not speak first."""

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32)])
    def chokes(values):
        values = checks.frames("onset", values, SIZE, 1)
        return tf.gather(tf.zeros(3), tf.cast(1000 * values, tf.int32))

    for _ in range(20):
        with pytest.raises(Refused, match="onset: values must be numbers"):
            chokes(np.full((1, SIZE, SIZE, 1), 7, np.float32))
