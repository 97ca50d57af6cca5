import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import check_layer

from me_keras.layers.nested import Aggregation, BlockAttention, NestedLevel, cut, join


def normal(rng, *shape):
    return tf.constant(rng.normal(size=shape), tf.float32)


def count(layer):
    return sum(int(tf.size(v)) for v in layer.trainable_variables)


def test_contracts(rng):
    block = {"hidden_dim": 7, "num_heads": 2, "mlp_ratio": 3, "dropout": 0.2, "seed": 5}
    check_layer(BlockAttention, block, normal(rng, 2, 4, 3, 7))
    check_layer(NestedLevel, block | {"depth": 2, "blocks": 2}, normal(rng, 2, 4, 6, 7))
    check_layer(Aggregation, {"filters": 5}, normal(rng, 2, 4, 4, 3))


def test_blocks_by_hand():
    maps = tf.reshape(tf.range(16.0), (1, 4, 4, 1))
    tokens = cut(maps, 2)
    by_hand = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    np.testing.assert_array_equal(tokens[0, :, :, 0], by_hand)
    np.testing.assert_array_equal(join(tokens, 4, 4), maps)
    uneven = tf.reshape(tf.range(48.0), (2, 2, 6, 2))
    np.testing.assert_array_equal(join(cut(uneven, 2), 2, 6), uneven)


def test_attention_equals_keras(rng):
    tokens = normal(rng, 2, 3, 5, 7)
    block = BlockAttention(7, num_heads=2)  # heads of 3; one number of 7 is left out
    block(tokens)
    reference = keras.layers.MultiHeadAttention(2, 3, use_bias=False, attention_axes=2)
    reference(tokens, tokens)
    (kernel,) = block.query_key_value.get_weights()  # (7, 18)
    out, _ = block.attention_output.get_weights()  # (6, 7)
    parts = [part.reshape(7, 2, 3) for part in np.split(kernel, 3, axis=1)]
    reference.set_weights([*parts, out.reshape(2, 3, 7)])
    found = block.attention_output(block._attend(tokens))
    np.testing.assert_allclose(found, reference(tokens, tokens), atol=1e-5)


def test_attention_stays_inside_its_block(rng):
    level = NestedLevel(8, num_heads=2, depth=2, blocks=2)
    maps = rng.normal(size=(1, 4, 4, 8)).astype(np.float32)
    before = level(maps).numpy()
    maps[0, 0, 3, 0] += 1.0  # the block above, right
    changed = np.abs(level(maps).numpy() - before).max(axis=-1)[0] > 1e-6
    assert changed[:2, 2:].all() and changed.sum() == 4


def test_position_is_one_number_for_each_place_in_a_block(rng):
    level = NestedLevel(8, num_heads=2, depth=0, blocks=2)
    maps = normal(rng, 1, 4, 4, 8)
    level(maps)
    level.position.assign([1.0, 2.0, 3.0, 4.0])
    expected = np.tile([[1, 2], [3, 4]], (2, 2))[None, :, :, None]
    np.testing.assert_allclose(level(maps), maps + expected, atol=1e-6)


def test_parameter_counts(rng):
    block = BlockAttention(256, num_heads=3)
    block.build((None, 4, 1, 256))
    inner = 3 * 85  # 256 // 3 numbers for each head
    attention = 3 * 256 * inner + inner * 256 + 256
    perceptron = 256 * 1024 + 1024 + 1024 * 256 + 256
    assert count(block) == attention + perceptron + 2 * 2 * 256
    aggregation = Aggregation(16)
    aggregation.build((None, 4, 4, 8))
    assert count(aggregation) == 3 * 3 * 8 * 16 + 16 + 2 * 16


@pytest.mark.parametrize("height, width", [(4, 4), (2, 2), (3, 6)])
def test_aggregation_takes_the_greatest_around_every_other_place(rng, height, width):
    maps = normal(rng, 2, height, width, 3)
    layer = Aggregation(5)
    found = layer(maps).numpy()
    normed = layer.norm(layer.conv(maps)).numpy()
    assert found.shape == (2, -(-height // 2), -(-width // 2), 5)
    for i, j in np.ndindex(found.shape[1:3]):
        around = normed[:, max(2 * i - 1, 0) : 2 * i + 2, max(2 * j - 1, 0) : 2 * j + 2]
        np.testing.assert_array_equal(found[:, i, j], around.max(axis=(1, 2)))


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="must be at most `hidden_dim`. Received: num_heads=3"):
        BlockAttention(2, num_heads=3)
    with pytest.raises(ValueError, match="must divide the map. Received: blocks=4, map 6 x 8"):
        NestedLevel(4, num_heads=2, depth=1, blocks=4)(tf.zeros((1, 6, 8, 4)))
