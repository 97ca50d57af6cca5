"""Operations counted in a graph equal those counted on paper."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import flops
from me_keras.models.frl_dgt import displacement_model


def small_model(strides=1):
    image = keras.Input((8, 6, 3), name="image")
    x = keras.layers.Conv2D(5, 3, strides, padding="same", name="conv")(image)
    x = keras.layers.Reshape((-1, 5))(x)
    x = keras.layers.Dense(7)(x)
    return keras.Model({"image": image}, {"logits": keras.layers.Flatten()(x), "conv": x})


@pytest.mark.parametrize("strides, places", [(1, 48), (2, 12)])
def test_convolution_and_dense(strides, places):
    on_paper = places * 2 * (5 * 9 * 3 + 7 * 5)
    assert flops.forward(small_model(strides)) == on_paper


def test_depthwise_counts_its_own_channels():
    image = keras.Input((8, 6, 3), name="image")
    x = keras.layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(image)
    model = keras.Model({"image": image}, {"logits": x})
    assert flops.forward(model) == 2 * 9 * 8 * 6 * 3 * 2


def count(function, *shapes):
    specs = [tf.TensorSpec(shape) for shape in shapes]
    return flops.of_function(tf.function(function).get_concrete_function(*specs))


@pytest.mark.parametrize("transposed", [False, True])
def test_products_of_an_attention(transposed):
    first = (2, 5, 4) if transposed else (2, 4, 5)
    product = lambda a, b: tf.matmul(a, b, transpose_a=transposed)  # noqa: E731
    assert count(product, first, (2, 5, 3)) == 2 * 2 * 4 * 5 * 3
    assert count(product, first[1:], (5, 3)) == 2 * 4 * 5 * 3


def test_a_function_within_is_counted_and_what_is_not_needed_is_not():
    inner = tf.function(lambda a, b: tf.matmul(a, b), jit_compile=False)

    def outer(a, b):
        tf.matmul(b, b, transpose_b=True)  # nobody asks for it
        return inner(a, b)

    assert count(outer, (4, 5), (5, 3)) == 2 * 4 * 5 * 3


def test_a_fixed_filter_counts_only_if_asked():
    matrix = np.eye(5, dtype=np.float32)
    traced = tf.function(lambda a: tf.matmul(a, matrix)).get_concrete_function(
        tf.TensorSpec((4, 5))
    )
    assert flops.of_function(traced) == 0
    assert flops.of_function(traced, fixed=True) == 2 * 4 * 5 * 5


def test_the_displacement_generator_as_on_paper():
    filters, size = (4, 6, 8), 32
    model = displacement_model(size, filters)
    side, channels, on_paper = size // 4, 48, 0
    for level, count in enumerate(filters):
        on_paper += (side >> level) ** 2 * 9 * count * (channels + count)
        channels = count
    for level, count in reversed(list(enumerate(filters[:-1]))):
        on_paper += (side >> level + 1) ** 2 * filters[level + 1] * count
        on_paper += (side >> level) ** 2 * 9 * count * count
    on_paper += side**2 * 9 * filters[0] * 16
    assert flops.forward(model, "displacement") == 2 * on_paper


def test_what_cannot_be_counted_is_said():
    with pytest.raises(ValueError, match="Einsum"):
        count(lambda a, b: tf.einsum("ij,jk->ik", a, b), (4, 5), (5, 3))
