import numpy as np
import pytest
import scipy.fft
import tensorflow as tf

from me_keras.layers import smooth_solve
from me_keras.layers.smooth_solve import analyse, frequencies, synthesise


def test_cosines_are_those_of_the_discrete_cosine_transform(rng):
    np.testing.assert_allclose(
        smooth_solve.cosines(16, 8).T,
        scipy.fft.dct(np.eye(16), axis=0, norm="ortho")[:8],
        atol=1e-6,
    )
    field = rng.random((2, 3, 16, 12)).astype(np.float32)
    expected = scipy.fft.dctn(field, axes=(2, 3), norm="ortho")[..., :8, :6]
    np.testing.assert_allclose(analyse(field), expected, atol=1e-5)


def test_a_finer_field_is_the_same_field(rng):
    shares = rng.normal(size=(2, 1, 6, 8)).astype(np.float32)
    coarse = synthesise(shares, 12, 16)
    np.testing.assert_allclose(analyse(coarse), shares, atol=1e-5)
    y, x = ((np.arange(n) + 0.5) / n for n in (24, 32))
    rows = [np.sqrt((2 if k else 1) / 12) * np.cos(np.pi * k * y) for k in range(6)]
    columns = [np.sqrt((2 if k else 1) / 16) * np.cos(np.pi * k * x) for k in range(8)]
    expected = np.einsum("kh,lw,cnkl->cnhw", rows, columns, shares)
    np.testing.assert_allclose(synthesise(shares, 24, 32), expected, atol=1e-5)


def systems_of(rng, shape):
    """Systems `(3, …)` of random gradients `(2, …)`."""
    x, y = gradients = rng.normal(size=(2, *shape))
    return np.stack([x * x, x * y, y * y]), gradients


def solve(*problem, iterations=60):
    systems, right, roughness = (tf.cast(value, tf.float32) for value in problem)
    start = tf.zeros_like(right[..., ::2, ::2])
    return smooth_solve.smooth_solve(tf.unstack(systems), right, roughness, start, iterations)


def test_it_is_the_dense_solution(rng):
    systems, _ = systems_of(rng, (1, 8, 6))
    right = rng.normal(size=(2, 1, 8, 6))
    roughness = 0.5 * frequencies(8, 6) ** 2 + 0.05
    # The same least squares, every unknown a column
    units = np.eye(24, dtype=np.float32).reshape(24, 2, 4, 3)
    basis = synthesise(units, 8, 6).numpy()  # (24, 2, 8, 6)
    xx, xy, yy = systems[:, 0]
    matrix = np.array([[xx, xy], [xy, yy]])  # (2, 2, 8, 6)
    left = np.einsum("aihw,ijhw,bjhw->ab", basis, matrix, basis)
    left += np.diag(np.tile(roughness.ravel(), 2))
    expected = np.linalg.solve(left, np.einsum("aihw,ihw->a", basis, right[:, 0]))
    found = solve(systems, right, roughness)
    np.testing.assert_allclose(tf.reshape(found, [-1]), expected, rtol=1e-3, atol=1e-4)


def test_where_nothing_is_known_the_surroundings_decide(rng):
    systems, gradients = systems_of(rng, (1, 32, 32))
    motion = np.array([0.7, -0.3]).reshape(2, 1, 1, 1)
    right = gradients * (gradients * motion).sum(axis=0)  # A u
    for values in (systems, right):
        values[..., 10:16, 10:16] = 0.0
    field = synthesise(solve(systems, right, 0.1 * frequencies(32, 32) ** 2), 32, 32)
    np.testing.assert_allclose(field, np.broadcast_to(motion, field.shape), atol=0.02)


@pytest.mark.parametrize("which", range(3))
def test_gradients_are_those_of_differences(rng, which):
    systems, _ = systems_of(rng, (1, 8, 8))
    systems += np.array([0.1, 0, 0.1]).reshape(3, 1, 1, 1)
    arguments = [systems, rng.normal(size=(2, 1, 8, 8)), 0.3 * frequencies(8, 8)]
    arguments = [tf.constant(value, tf.float32) for value in arguments]
    weights = rng.normal(size=(2, 1, 4, 4)).astype(np.float32)
    along = rng.normal(size=arguments[which].shape).astype(np.float32)

    def loss(step):
        moved = list(arguments)
        moved[which] += step * along
        return tf.reduce_sum(weights * solve(*moved, iterations=8))

    step = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(step)
        value = loss(step)
    expected = (loss(2e-3) - loss(-2e-3)) / 4e-3
    assert float(tape.gradient(value, step)) == pytest.approx(float(expected), rel=0.02, abs=0.01)
