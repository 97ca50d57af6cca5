import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.average_face import AVERAGE_REGIONS
from me_keras.layers.nested import NestedLevel
from me_keras.models.htnet import htnet


def by_hand(dim, heads, depths):
    """Parameters for three classes, patches of 7 x 7 x 3 and three levels."""
    total = 7 * 7 * 3 * dim + dim
    for i, depth in enumerate(depths):
        width, inner = 2**i * dim, 2**i * heads * (2**i * dim // (2**i * heads))
        attention = width * 3 * inner + inner * width + width
        perceptron = width * 4 * width + 4 * width + 4 * width * width + width
        total += depth * (attention + perceptron + 2 * 2 * width)
        total += 1  # the position of the only token of a block
    for width in (dim, 2 * dim):
        total += 3 * 3 * width * 2 * width + 2 * width + 2 * 2 * width  # convolution, norm
    return total + 2 * 4 * dim + 4 * dim * 3 + 3  # norm, classifier


def trained(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def inputs(rng, size=28, channels=3):
    motion = tf.constant(rng.normal(size=(2, size, size, channels)), tf.float32)
    return {"motion": motion, "regions": tf.constant([AVERAGE_REGIONS] * 2)}


@pytest.mark.parametrize("dim, heads", [(16, 3), (24, 4)])
def test_parameter_count_by_hand(dim, heads):
    model = htnet(hidden_dim=dim, num_heads=heads, depths=(1, 2, 3))
    assert trained(model) == by_hand(dim, heads, (1, 2, 3))


@pytest.mark.slow  # a gigabyte of memory
def test_parameter_count_at_the_published_size():
    # No total was published: 2 x 787,968 + 2 x 3,146,752 + 10 x 12,576,768 for attention and
    # perceptrons, 3 for positions, 37,888 for patches, 1,181,184 + 4,721,664 for aggregations,
    # 2,048 + 3,075 at the end.
    assert trained(htnet()) == by_hand(256, 3, (2, 2, 10)) == 139_582_982


def test_shapes_at_the_published_size():
    model = htnet(hidden_dim=16)
    shapes = [layer.output.shape[1:] for layer in model.layers if "aggregation" in layer.name]
    assert model.get_layer("squares").output.shape[1:] == (28, 28, 3)
    assert model.get_layer("patches").output.shape[1:] == (4, 4, 16)
    assert shapes == [(2, 2, 32), (1, 1, 64)]


@pytest.mark.parametrize("size, channels", [(28, 3), (64, 2), (32, 1)])
def test_any_motion_saves_and_loads(rng, tmp_path, size, channels):
    model = htnet(size, motion_channels=channels, hidden_dim=8, depths=(1, 1, 1), dropout=0.1)
    given = inputs(rng, size, channels)
    logits = model(given)["logits"]
    assert logits.shape == (2, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(given)["logits"], logits, atol=1e-6)


@pytest.mark.parametrize("square_size, matters", [(14, False), (28, True)])
def test_at_the_published_size_a_token_attends_to_itself_alone(rng, square_size, matters):
    model = htnet(square_size=square_size, hidden_dim=8, num_heads=2, depths=(1, 1, 1))
    given = inputs(rng)
    before = model(given)["logits"]
    levels = [layer for layer in model.layers if isinstance(layer, NestedLevel)]
    for attention in [attention for level in levels for attention in level.attentions]:
        kernel = attention.query_key_value.kernel
        asked = np.arange(kernel.shape[-1]) < kernel.shape[-1] // 3  # the queries
        kernel.assign(tf.where(asked, 9.0 * kernel, kernel))
    assert (np.abs(model(given)["logits"] - before).max() > 1e-4) == matters


def test_only_the_regions_that_count_matter(rng):
    model, given = htnet(hidden_dim=8, depths=(1, 1, 1)), inputs(rng)
    before = model(given)["logits"]
    for row, matters in ((2, False), (3, True), (7, True), (8, False)):
        regions = given["regions"].numpy()
        regions[:, row] = 0.5
        moved = np.abs(model(given | {"regions": tf.constant(regions)})["logits"] - before)
        assert (moved.max() > 1e-5) == matters


def test_errors():
    with pytest.raises(ValueError, match="htnet needs motion maps: choose a `motion` other"):
        htnet(motion_channels=0)
    with pytest.raises(ValueError, match="a multiple of 4 patches a side. Received: square_"):
        htnet(patch_size=14)
