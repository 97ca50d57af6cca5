import numpy as np
import pytest
import tensorflow as tf
from contract import check_layer

from me_keras.layers.retention import Retention, RetentionBlock, decay_mask, rotary_angles, rotate


def normal(rng, *shape):
    return tf.constant(rng.normal(size=shape), tf.float32)


@pytest.mark.parametrize("axial", [False, True])
def test_contracts(rng, axial):
    maps = normal(rng, 2, 3, 4, 8)
    arguments = {"hidden_dim": 8, "num_heads": 4, "initial_decay": 1.0, "decay_range": 6.0}
    arguments |= {"axial": axial}
    assert check_layer(Retention, arguments, maps).shape == (2, 3, 4, 8)
    arguments |= {"mlp_ratio": 2, "stochastic_depth": 0.3, "seed": 5}
    assert check_layer(RetentionBlock, arguments, maps).shape == (2, 3, 4, 8)


def test_decay_by_hand():
    mask = decay_mask(2, 3, num_heads=2, initial_decay=2.0, decay_range=4.0)
    assert mask.shape == (2, 6, 6)
    # places 0 1 2 above 3 4 5: one step is 1 - 1/4 in the first head, 1 - 1/16 in the second
    np.testing.assert_allclose(mask[0, 0, 1], -0.287682, atol=1e-6)
    np.testing.assert_allclose(mask[1, 0, 1], -0.064539, atol=1e-6)
    steps = [[0, 1, 2, 1, 2, 3], [1, 0, 1, 2, 1, 2], [2, 1, 0, 3, 2, 1]]
    steps += [[1, 2, 3, 0, 1, 2], [2, 1, 2, 1, 0, 1], [3, 2, 1, 2, 1, 0]]
    np.testing.assert_allclose(mask[0], np.log(0.75) * np.array(steps), rtol=1e-6)
    np.testing.assert_allclose(mask[1], np.log(0.9375) * np.array(steps), rtol=1e-6)
    row = decay_mask(1, 3, num_heads=3, initial_decay=2.0, decay_range=6.0)
    np.testing.assert_allclose(row[:, 0, 2], 2 * np.log([3 / 4, 15 / 16, 63 / 64]), rtol=1e-6)


def test_angles_by_hand(rng):
    sine, cosine = rotary_angles(2, 3, depth=6)  # three pairs: 1, 1/100 and 1/10000 radian
    assert sine.shape == (2, 3, 1, 3)
    np.testing.assert_allclose(sine[1, 1, 0], [-0.756802, 0.039989, 0.0004], atol=1e-6)  # place 4
    np.testing.assert_allclose(cosine[1, 1, 0], [-0.653644, 0.9992, 1.0], atol=1e-6)
    vectors = rng.normal(size=(1, 2, 3, 2, 6)).astype(np.float32)
    pairs = vectors.reshape(6, 2, 3, 2) @ np.array([1, 1j])  # place, head, pair
    place = np.arange(6)[:, None, None]
    turned = pairs * np.exp(1j * place * [1, 1e-2, 1e-4])
    by_hand = np.stack([turned.real, turned.imag], axis=-1).reshape(vectors.shape)
    np.testing.assert_allclose(rotate(tf.constant(vectors), sine, cosine), by_hand, atol=1e-5)


def by_numpy(layer, maps, steps):
    """The attended values before the last layer, one pair of places after the other."""
    _, height, width, channels = maps.shape
    depth = channels // layer.num_heads
    projected = layer.query_key_value(maps).numpy()
    places = height * width
    query, key, value = (t.reshape(-1, places, layer.num_heads, depth) for t in
                         np.split(projected, 3, axis=-1))  # fmt: skip
    speed = 10000.0 ** -np.linspace(0, 1, depth // 2)

    def turned(vectors):
        pairs = vectors[..., ::2] + 1j * vectors[..., 1::2]  # (b, places, n, depth / 2)
        return pairs * np.exp(1j * np.arange(places)[:, None, None] * speed)

    asked, given = turned(query), turned(key)
    for allowed in steps:
        value = attended(layer, asked, given, value, allowed, width)
    return value.reshape(-1, height, width, channels)


def attended(layer, asked, given, value, allowed, width):
    depth, out = value.shape[-1], np.zeros_like(value)
    for b, p, n in np.ndindex(value.shape[:3]):
        share = 1 - 2.0 ** (-layer.initial_decay - layer.decay_range * n / layer.num_heads)
        seen = [q for q in range(value.shape[1]) if allowed(divmod(p, width), divmod(q, width))]
        weights = []
        for q in seen:
            away = sum(abs(i - j) for i, j in zip(divmod(p, width), divmod(q, width)))
            alike = np.sum(asked[b, p, n] * np.conj(given[b, q, n])).real / depth**0.5
            weights.append(np.exp(alike) * share**away)
        out[b, p, n] = np.array(weights) / sum(weights) @ value[b, seen, n]
    return out


@pytest.mark.parametrize("axial", [False, True])
def test_retention_equals_a_loop_over_places(rng, axial):
    maps = normal(rng, 2, 3, 4, 8)
    layer = Retention(8, num_heads=2, initial_decay=1.0, decay_range=4.0, axial=axial)
    layer(maps)
    layer.query_key_value.kernel.assign(30.0 * layer.query_key_value.kernel)
    layer.query_key_value.bias.assign(rng.normal(size=24))
    same_row, same_column = (lambda p, q: p[0] == q[0]), (lambda p, q: p[1] == q[1])
    steps = [same_row, same_column] if axial else [lambda p, q: True]
    value = layer.query_key_value(maps)[..., 16:]
    by_hand = layer.mix(by_numpy(layer, maps, steps) + layer.local(value))
    np.testing.assert_allclose(layer(maps), by_hand, atol=1e-5)
    assert np.abs(by_hand).max() > 0.05


def test_values_are_convolved_each_channel_by_itself(rng):
    maps = normal(rng, 1, 6, 7, 4)
    layer = Retention(4)
    layer(maps)
    kernel, bias = layer.local.get_weights()  # (5, 5, 4, 1)
    around = np.pad(maps, ((0, 0), (2, 2), (2, 2), (0, 0)))
    by_hand = sum(around[:, i : i + 6, j : j + 7] * kernel[i, j, :, 0] for i, j in np.ndindex(5, 5))
    np.testing.assert_allclose(layer.local(maps), by_hand + bias, atol=1e-5)


def test_block_is_the_sum_of_its_parts(rng):
    maps = normal(rng, 2, 4, 4, 8)
    block = RetentionBlock(8)
    found = block(maps)
    x = maps + block.position(maps)
    x += block.retention(block.retention_norm(x))
    hidden = tf.nn.gelu(
        block.mlp_norm(x) @ block.mlp_hidden.kernel[None, None] + block.mlp_hidden.bias
    )
    x += block.mlp_output(hidden + block.mlp_local(hidden))
    np.testing.assert_allclose(found, x, atol=1e-5)


def test_stochastic_depth_skips_both_parts(rng):
    maps = normal(rng, 64, 2, 2, 4)
    block = RetentionBlock(4, stochastic_depth=0.5)
    trained, plain = block(maps, training=True), maps + block.position(maps)
    untouched = np.abs(trained - plain).max(axis=(1, 2, 3)) < 1e-7
    assert 0.1 < untouched.mean() < 0.4  # a quarter of them
    np.testing.assert_array_equal(block(maps), block(maps))


def test_parameter_count():
    block = RetentionBlock(64, num_heads=2, mlp_ratio=3)
    block.build((None, 8, 8, 64))
    local = [k * k * c + c for k, c in ((3, 64), (5, 64), (3, 192))]
    linear = 3 * (64 * 64 + 64) + 64 * 64 + 64 + 64 * 192 + 192 + 192 * 64 + 64
    trained = sum(int(tf.size(v)) for v in block.trainable_variables)
    assert trained == linear + sum(local) + 2 * 2 * 64 == 10 * 64**2 + 78 * 64


def test_heads_need_an_even_width():
    with pytest.raises(ValueError, match="must divide `hidden_dim`. Received: num_heads=2"):
        Retention(6, num_heads=2)
