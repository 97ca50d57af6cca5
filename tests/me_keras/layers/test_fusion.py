import numpy as np
import pytest
import tensorflow as tf
from contract import check_layer

from me_keras.layers.fusion import FusionTransformer, Patches


def test_patches_contract(rng):
    maps = tf.constant(rng.normal(size=(2, 3, 8, 8, 2)), tf.float32)
    assert check_layer(Patches, {"size": 4}, maps).shape == (2, 3, 4, 32)


def test_patches_are_in_reading_order():
    image = np.arange(16).reshape(1, 4, 4, 1)
    patches = Patches(2)(tf.constant(image))
    np.testing.assert_array_equal(
        patches[0], [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    )


def test_patches_must_tile_the_map():
    with pytest.raises(ValueError, match="Received: size=3, map 8 x 8"):
        Patches(3)(tf.zeros((1, 8, 8, 1)))


@pytest.mark.parametrize("order", ["before", "after"])
def test_fusion_contract(rng, order):
    sources = [tf.constant(rng.normal(size=(2, 3, 4, c)), tf.float32) for c in (5, 2)]
    arguments = {"hidden_dim": 8, "num_layers": 2, "order": order, "num_heads": 2}
    assert check_layer(FusionTransformer, arguments, sources).shape == (2, 3, 4, 8)


@pytest.mark.parametrize("order", ["before", "after"])
def test_one_source(rng, order):
    sources = [tf.constant(rng.normal(size=(2, 4, 5)), tf.float32)]
    assert check_layer(FusionTransformer, {"hidden_dim": 8, "order": order}, sources).shape == (
        2,
        4,
        8,
    )


def test_positions_attended_before_and_after_fusion():
    sources = [tf.zeros((2, 3, 4, 5)), tf.zeros((2, 3, 4, 2))]
    lengths = {}
    for order in ("before", "after"):
        layer = FusionTransformer(hidden_dim=8, order=order)
        layer(sources)
        lengths[order] = layer.position.shape
    assert lengths == {"before": (3, 4, 8), "after": (3, 8, 8)}


def test_regions_do_not_attend_to_each_other(rng):
    layer = FusionTransformer(hidden_dim=8)
    first = rng.normal(size=(1, 3, 4, 5)).astype(np.float32)
    second = first.copy()
    second[0, 2] += 1.0
    a, b = layer([tf.constant(first)]).numpy(), layer([tf.constant(second)]).numpy()
    np.testing.assert_allclose(a[0, :2], b[0, :2], atol=1e-6)
    assert np.abs(a[0, 2] - b[0, 2]).max() > 1e-3


@pytest.mark.parametrize("order", ["before", "after"])
def test_attention_goes_with_the_position(rng, order):
    """Positions that are swapped take their share of the attention along, whatever the order."""
    layer = FusionTransformer(hidden_dim=8, num_layers=2, order=order, num_heads=2)
    sources = [rng.normal(size=(2, 3, 4, c)).astype(np.float32) for c in (5, 2)]
    received = layer([tf.constant(s) for s in sources], return_attention=True)
    assert received.shape == (2, 3, 4) and received.dtype == tf.float32
    np.testing.assert_allclose(np.sum(received, axis=-1), 1, atol=1e-6)
    layer.position.assign(tf.zeros_like(layer.position))
    received = layer([tf.constant(s) for s in sources], return_attention=True)
    turned = [tf.constant(np.roll(s, 1, axis=2)) for s in sources]
    after = layer(turned, return_attention=True)
    np.testing.assert_allclose(after, np.roll(received, 1, axis=2), atol=1e-6)


def test_unknown_order():
    with pytest.raises(ValueError, match="Received: order='middle'"):
        FusionTransformer(order="middle")
