import numpy as np
import pytest
import tensorflow as tf
from contract import check_layer

from me_keras.average_face import AVERAGE_REGIONS
from me_keras.layers.face_squares import FaceSquares

AVERAGE = tf.constant([AVERAGE_REGIONS])
# Centres (y, x) on the average face: eyes at half of their boxes, moved down from 0.22, corners of
# the mouth at three quarters.
CENTRES = [(0.25, 0.30), (0.25, 0.70), (0.665, 0.345), (0.665, 0.655)]


def places(size):
    """`(1, size, size, 2)`: y and x of each pixel's centre, as fractions."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    return tf.constant(np.stack(np.meshgrid(at, at, indexing="ij"), axis=-1)[None])


def test_contract(rng):
    maps = tf.constant(rng.normal(size=(1, 32, 32, 3)), tf.float32)
    assert check_layer(FaceSquares, {"size": 5}, (maps, AVERAGE)).shape == (1, 10, 10, 3)


@pytest.mark.parametrize("map_size", [28, 64])
def test_where_the_squares_lie(map_size):
    image = FaceSquares(14)((places(map_size), AVERAGE))[0]  # (28, 28, 2)
    steps = 0.5 * (np.arange(14) + 0.5) / 14 - 0.25  # from the centre of a square
    for i, (y, x) in enumerate(CENTRES):
        row, column = divmod(i, 2)
        square = image[14 * row : 14 * row + 14, 14 * column : 14 * column + 14]
        np.testing.assert_allclose(square[:, 3, 0], y + steps, atol=1e-6)
        np.testing.assert_allclose(square[3, :, 1], x + steps, atol=1e-6)


def test_squares_in_the_corners_are_the_map_itself():
    boxes = np.full((1, 9, 4), 0.5, np.float32)
    boxes[0, [3, 4, 6, 7]] = [[0, 0, 0, 0], [0, 1, 0, 1], [1, 0, 1, 0], [1, 1, 1, 1]]
    maps = places(28)
    np.testing.assert_allclose(FaceSquares(14)((maps, tf.constant(boxes))), maps, atol=1e-6)


def test_the_motion_gets_a_gradient():
    maps = tf.Variable(places(28))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(FaceSquares(14)((maps, AVERAGE)))
    np.testing.assert_allclose(tf.reduce_sum(tape.gradient(total, maps)), 28 * 28 * 2, rtol=1e-5)
