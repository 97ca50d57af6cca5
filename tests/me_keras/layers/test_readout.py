import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.layers.readout import LinearReadout, thinned


def test_weights_are_a_gaussian_mean_around_each_strips_centre():
    weights = thinned(28, 14)
    assert weights.shape == (14, 28)
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    # strip 3 is pixels 6 and 7: both as near to its centre, as are 5 and 8
    np.testing.assert_allclose(weights[3, 6], weights[3, 7], rtol=1e-6)
    near, far = np.exp(-0.5 * 0.5**2), np.exp(-0.5 * 1.5**2)  # sigma is one pixel
    np.testing.assert_allclose(weights[3, 8] / weights[3, 7], far / near, rtol=1e-5)


def test_a_line_of_standardized_maps(rng):
    layer = LinearReadout(3, size=7, dropout=0.0, floor=0.0)
    maps = [tf.constant(rng.normal(size=(2, 14, 14, c)), tf.float32) for c in (2, 1)]
    np.testing.assert_array_equal(layer(maps), np.zeros((2, 3)))  # before training
    kernel = rng.normal(size=layer.line.kernel.shape).astype(np.float32)
    layer.line.kernel.assign(kernel)
    weights = thinned(14, 7)
    field = np.einsum("ih,bhwc,jw->bijc", weights, np.concatenate(maps, -1), weights)
    field = (field - field.mean((1, 2), keepdims=True)) / field.std((1, 2), keepdims=True)
    np.testing.assert_allclose(layer(maps), field.reshape(2, -1) @ kernel, rtol=1e-4, atol=1e-4)
    # neither a constant motion nor the size of the motion tells it anything
    np.testing.assert_allclose(layer([2 * m + 5 for m in maps]), layer(maps), atol=1e-3)


def test_a_still_face_says_nothing():
    layer = LinearReadout(3, size=7)
    layer.build([(None, 14, 14, 2)])
    layer.line.kernel.assign(tf.ones_like(layer.line.kernel))
    found = layer([tf.fill((1, 14, 14, 2), 0.3)])
    np.testing.assert_allclose(found, np.zeros((1, 3)), atol=2e-3)


@pytest.mark.parametrize("maps", [1, 2])
def test_saves_and_loads(rng, tmp_path, maps):
    inputs = [keras.Input((28, 28, 2)) for _ in range(maps)]
    model = keras.Model(inputs, LinearReadout(3, size=10, dropout=0.2, floor=0.1)(inputs))
    model.layers[-1].line.kernel.assign(rng.normal(size=model.layers[-1].line.kernel.shape))
    given = [rng.normal(size=(2, 28, 28, 2)).astype(np.float32) for _ in inputs]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(given), model(given), atol=1e-6)
    assert loaded.layers[-1].get_config()["dropout"] == 0.2
