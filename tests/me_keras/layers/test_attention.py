import numpy as np
import pytest
import tensorflow as tf
from contract import check_layer

from me_keras.layers.attention import CBAM


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def maps_of(rng, *shape):
    return tf.constant(rng.normal(size=shape), tf.float32)


def by_numpy(layer, x):
    """The formulas of the paper, one place and one channel after the other."""
    first, first_bias, second, second_bias = (
        v.numpy() for part in (layer.squeeze, layer.excite) for v in (part.kernel, part.bias)
    )

    def perceptron(pooled):  # (b, c)
        return np.maximum(pooled @ first + first_bias, 0) @ second + second_bias

    channels = sigmoid(perceptron(x.mean((1, 2))) + perceptron(x.max((1, 2))))  # (b, c)
    x = x * channels[:, None, None, :]
    pooled = np.stack([x.mean(-1), x.max(-1)], -1)  # (b, h, w, 2)
    kernel, bias = layer.locate.kernel.numpy()[..., 0], layer.locate.bias.numpy()
    reach = len(kernel) // 2
    padded = np.pad(pooled, [(0, 0), (reach, reach), (reach, reach), (0, 0)])
    places = np.empty((*x.shape[:3], 1))
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            window = padded[:, i : i + len(kernel), j : j + len(kernel)]
            places[:, i, j, 0] = sigmoid((window * kernel).sum((1, 2, 3)) + bias)
    return x * places, channels, places


@pytest.mark.parametrize("kernel_size", [3, 7])
def test_values_by_numpy(rng, kernel_size):
    x = maps_of(rng, 2, 6, 5, 8)
    layer = CBAM(reduction=2, kernel_size=kernel_size)
    layer.build(x.shape)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    expected, channels, places = by_numpy(layer, x.numpy())
    np.testing.assert_allclose(layer(x), expected, atol=1e-5)
    np.testing.assert_allclose(layer.channel_weights(x)[:, 0, 0], channels, atol=1e-5)
    weighed = x * layer.channel_weights(x)
    np.testing.assert_allclose(layer.place_weights(weighed), places, atol=1e-5)
    assert channels.std() > 0.05 and places.std() > 0.05


def test_contract(rng):
    maps = maps_of(rng, 2, 6, 5, 8)
    assert check_layer(CBAM, {"reduction": 4, "kernel_size": 5}, maps).shape == maps.shape


def test_without_weights_a_quarter_is_left(rng):
    maps = maps_of(rng, 1, 4, 4, 3)
    layer = CBAM()
    layer.build(maps.shape)
    layer.set_weights([np.zeros_like(w) for w in layer.get_weights()])
    np.testing.assert_allclose(layer(maps), maps / 4, atol=1e-6)  # sigmoid(0), twice


def test_parameter_count_and_the_least_of_hidden_units():
    for channels, units in [(64, 4), (8, 1)]:
        layer = CBAM()
        layer.build((None, 9, 9, channels))
        perceptron = channels * units + units + units * channels + channels
        convolution = 7 * 7 * 2 + 1
        assert layer.count_params() == perceptron + convolution
