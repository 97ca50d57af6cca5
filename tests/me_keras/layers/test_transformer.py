import keras
import numpy as np
import pytest
import tensorflow as tf
from contract import check_layer

from me_keras.layers.transformer import SeededDropout, TransformerBlock


def test_block_contract(rng):
    tokens = tf.constant(rng.normal(size=(3, 5, 16)), tf.float32)
    arguments = {"hidden_dim": 16, "num_heads": 2, "mlp_ratio": 3, "dropout": 0.2, "seed": 5}
    assert check_layer(TransformerBlock, arguments, tokens).shape == (3, 5, 16)


def as_keras(block):
    """The attention weights of a block of width 8 and 2 heads, as MultiHeadAttention has them."""
    kernel, bias = block.query_key_value.get_weights()
    weights = []
    for part in range(3):
        weights += [
            kernel[:, 8 * part : 8 * part + 8].reshape(8, 2, 4),
            bias[8 * part : 8 * part + 8].reshape(2, 4),
        ]
    out_kernel, out_bias = block.attention_output.get_weights()
    return [*weights, out_kernel.reshape(2, 4, 8), out_bias]


def test_attention_equals_keras(rng):
    tokens = tf.constant(rng.normal(size=(2, 6, 8)), tf.float32)
    block = TransformerBlock(8, num_heads=2)
    block(tokens)
    reference = keras.layers.MultiHeadAttention(2, 4)
    reference(tokens, tokens)
    reference.set_weights(as_keras(block))
    found = block.attention_output(block._attend(tokens))
    np.testing.assert_allclose(found, reference(tokens, tokens), atol=1e-5)


def test_attention_received_equals_keras(rng):
    tokens = tf.constant(rng.normal(size=(2, 6, 8)), tf.float32)
    block = TransformerBlock(8, num_heads=2)
    block(tokens)
    block.query_key_value.kernel.assign(5.0 * block.query_key_value.kernel)
    reference = keras.layers.MultiHeadAttention(2, 4)
    reference(tokens, tokens)
    reference.set_weights(as_keras(block))
    normed = block.attention_norm(tokens)
    _, scores = reference(normed, normed, return_attention_scores=True)  # (b, heads, query, key)
    received = block.attention(tokens)
    np.testing.assert_allclose(received, np.mean(scores, axis=(1, 2)), atol=1e-6)
    np.testing.assert_allclose(np.sum(received, axis=-1), 1, atol=1e-6)
    assert np.std(received) > 0.01


def test_parameter_count():
    block = TransformerBlock(64, num_heads=4, mlp_ratio=2)
    block(tf.zeros((1, 3, 64)))
    # qkv, output, two MLP layers, two norms
    expected = 64 * 192 + 192 + 64 * 64 + 64 + 64 * 128 + 128 + 128 * 64 + 64 + 4 * 64
    trained = sum(int(tf.size(v)) for v in block.trainable_variables)
    assert trained == expected


def test_heads_must_divide_the_dimension():
    with pytest.raises(ValueError, match="must divide `hidden_dim`. Received: num_heads=3"):
        TransformerBlock(16, num_heads=3)


def test_dropout_contract(rng):
    check_layer(SeededDropout, {"rate": 0.5, "seed": 3}, tf.ones((2, 4)))


def test_dropout_keeps_the_mean_and_repeats_after_a_reset():
    layer = SeededDropout(0.25, seed=1)
    ones = tf.ones((200, 50))
    first, second = layer(ones, training=True), layer(ones, training=True)
    assert abs(float(tf.reduce_mean(first)) - 1) < 0.02
    assert set(np.unique(first)) == {0.0, np.float32(1 / 0.75)}
    assert not np.array_equal(first, second)
    layer.step.assign(0)
    np.testing.assert_array_equal(layer(ones, training=True), first)
    other = SeededDropout(0.25, seed=2)
    assert not np.array_equal(other(ones, training=True), first)


def test_stochastic_depth_drops_whole_examples():
    layer = SeededDropout(0.5, per_example=True)
    out = layer(tf.ones((64, 3, 4)), training=True).numpy()
    per_example = out.reshape(64, -1)
    assert np.all(per_example.min(axis=1) == per_example.max(axis=1))
    assert 0 < np.mean(per_example[:, 0] == 0) < 1


def test_dropout_is_off_in_inference_and_checks_its_rate():
    np.testing.assert_array_equal(SeededDropout(0.9)(tf.ones((2, 2))), 1)
    with pytest.raises(ValueError, match=r"in \[0, 1\). Received: rate=1"):
        SeededDropout(1)
