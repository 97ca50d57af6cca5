import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.layers.attention import CBAM
from me_keras.models.residual import residual_block, small_image


@pytest.mark.parametrize("side, size, found", [(128, 64, 64), (144, 64, 64), (28, 64, 28)])
def test_only_larger_images_shrink(side, size, found):
    assert small_image(keras.Input((side, side, 2)), size).shape[1:] == (found, found, 2)


def test_an_image_is_averaged(rng):
    image = rng.normal(size=(1, 8, 8, 2)).astype(np.float32)
    means = image.reshape(1, 2, 4, 2, 4, 2).mean((2, 4))
    np.testing.assert_allclose(small_image(image, 2), means, atol=1e-6)


def test_a_block_by_single_operations(rng):
    x = keras.Input((6, 6, 2))
    model = keras.Model(x, residual_block(x, 3, "block", convolutions=2))
    image = tf.constant(rng.normal(size=(2, 6, 6, 2)), tf.float32)
    first, second, beside = (w for w in model.get_weights() if w.ndim == 4)
    norm = 1 / np.sqrt(1 + 1e-5)  # batch normalization that has seen nothing

    def convolved(x, kernel):
        return norm * tf.nn.conv2d(x, kernel, 1, "SAME")

    y = convolved(tf.nn.leaky_relu(convolved(image, first), 0.1), second)
    y = tf.nn.leaky_relu(y + convolved(image, beside), 0.1)
    np.testing.assert_allclose(model(image), tf.nn.max_pool2d(y, 2, 2, "VALID"), atol=1e-5)


@pytest.mark.parametrize("attention", [False, True])
def test_attention_comes_before_the_sum(attention):
    x = keras.Input((8, 8, 2))
    model = keras.Model(x, residual_block(x, 16, "block", attention=attention))
    convolutions = 9 * (2 * 16 + 2 * 16 * 16) + 2 * 16 + 4 * 2 * 16  # with batch normalization
    cbam = 16 * 1 + 1 + 1 * 16 + 16 + 7 * 7 * 2 + 1
    trained = sum(int(tf.size(v)) for v in model.trainable_variables)
    assert trained == convolutions + attention * cbam
    assert model.get_layer("block").output.shape[1:] == (4, 4, 16)
    (added,) = (layer for layer in model.layers if isinstance(layer, keras.layers.Add))
    assert isinstance(model.layers[model.layers.index(added) - 2], CBAM) == attention
