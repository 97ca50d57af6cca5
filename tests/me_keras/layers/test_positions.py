import numpy as np
import tensorflow as tf
from contract import check_layer

from me_keras.layers.positions import AddPositions


def test_contract(rng):
    check_layer(AddPositions, {}, tf.constant(rng.normal(size=(2, 5, 3)), tf.float32))


def test_each_token_has_its_own():
    layer = AddPositions()
    found = layer(tf.ones((2, 40, 50))).numpy()
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_allclose(found[0] - 1, layer.position, atol=1e-6)
    assert abs(np.std(layer.position) - 0.02) < 0.001
