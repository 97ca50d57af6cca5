import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.dual_branch import dual_branch
from me_keras.models.recognizer import policy

SMALL = {"filters": (4, 8, 8, 16)}


def trained(model):
    return sum(int(tf.size(v)) for v in model.trainable_variables)


def convolution(size, channels, filters):
    return size * size * channels * filters + 2 * filters  # with batch normalization


def cbam(channels):
    units = channels // 16
    return channels * units + units + units * channels + channels + 7 * 7 * 2 + 1


def residual(channels, n):
    convolutions = convolution(3, channels, n) + 2 * convolution(3, n, n)
    return convolutions + cbam(n) + convolution(1, channels, n)


def inception(channels, n):
    quarter = n // 4
    return 4 * convolution(1, channels, quarter) + 3 * convolution(3, quarter, quarter) + cbam(n)


def inputs_of(rng, size, channels):
    names = {"motion": channels} if channels else {"onset": 1, "apex": 1}
    inputs = {n: tf.constant(rng.random((2, size, size, c)), tf.float32) for n, c in names.items()}
    return {**inputs, "regions": tf.zeros((2, 9, 4))}


def test_parameter_count_by_hand():
    whole = residual(3, 32) + residual(32, 64) + residual(64, 128) + residual(128, 256)
    local = convolution(3, 3, 32) + inception(32, 64) + inception(64, 128) + inception(128, 256)
    fusion = cbam(512) + convolution(1, 512, 256)
    assert trained(dual_branch()) == whole + local + fusion + 256 * 3 + 3 == 2_381_333


def test_shapes_inside():
    model = dual_branch(128)
    assert model.get_layer("normalized").output.shape[1:] == (64, 64, 3)
    sizes = [(32, 32, 32), (16, 16, 64), (8, 8, 128), (4, 4, 256)]
    for i, shape in enumerate(sizes, 1):
        assert model.get_layer(f"residual_{i}").output.shape[1:] == shape
        assert model.get_layer(f"inception_{i}").output.shape[1:] == shape
    assert model.get_layer("branches").output.shape[1:] == (4, 4, 512)
    assert model.get_layer("fused").output.shape[1:] == (256,)


def test_it_looks_at_both_frames_and_their_difference(rng):
    model = dual_branch(32, **SMALL)
    inputs = inputs_of(rng, 32, 0)
    image = keras.Model(model.input, model.get_layer("normalized").output)(inputs)
    onset, apex = (inputs[name] / np.sqrt(1 + 1e-5) for name in ("onset", "apex"))
    np.testing.assert_allclose(image, tf.concat([onset, apex, apex - onset], -1), atol=1e-6)


def test_the_difference_counts_as_much_as_the_frames(rng):
    """In training each channel is of mean 0 and deviation 1, however small it was."""
    model = dual_branch(16, **SMALL)
    inputs = inputs_of(rng, 16, 0)
    inputs["apex"] = inputs["onset"] + 0.02 * inputs["apex"]
    image = keras.Model(model.input, model.get_layer("normalized").output)
    channels = image(inputs, training=True).numpy().reshape(-1, 3)
    np.testing.assert_allclose(channels.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(channels.std(0), [1, 1, 0.87], atol=0.03)  # 1e-5 beside 0.0058²


@pytest.mark.parametrize("size, channels", [(72, 0), (28, 3), (32, 1), (16, 2)])
def test_frames_or_any_motion_save_and_load(rng, tmp_path, size, channels):
    model = dual_branch(size, motion_channels=channels, num_classes=5, **SMALL)
    inputs = inputs_of(rng, size, channels)
    logits = model(inputs)["logits"]
    assert logits.shape == (2, 5)
    np.testing.assert_array_equal(model(inputs, training=False)["logits"], logits)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs)["logits"], logits, atol=1e-6)


def test_a_small_difference_survives_bfloat16(rng):
    with policy("mixed_bfloat16"):
        model = dual_branch(32, **SMALL)
    inputs = inputs_of(rng, 32, 0)
    inputs["apex"] = inputs["onset"] + 1e-3 * rng.random((2, 32, 32, 1)).astype(np.float32)
    stacked = next(layer for layer in model.layers if isinstance(layer, keras.layers.Concatenate))
    image = keras.Model(model.input, stacked.output)(inputs)
    expected = inputs["apex"] - inputs["onset"]
    np.testing.assert_allclose(image[..., 2:], expected, atol=1e-6)
