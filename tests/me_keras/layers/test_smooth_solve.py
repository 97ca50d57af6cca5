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
    field = rng.random((2, 16, 12, 2)).astype(np.float32)
    expected = scipy.fft.dctn(field, axes=(1, 2), norm="ortho")[:, :8, :6]
    np.testing.assert_allclose(analyse(field), expected, atol=1e-5)


def test_a_finer_field_is_the_same_field(rng):
    shares = rng.normal(size=(1, 6, 8, 2)).astype(np.float32)
    coarse = synthesise(shares, 12, 16)
    np.testing.assert_allclose(analyse(coarse), shares, atol=1e-5)
    y, x = ((np.arange(n) + 0.5) / n for n in (24, 32))
    rows = [np.sqrt((2 if k else 1) / 12) * np.cos(np.pi * k * y) for k in range(6)]
    columns = [np.sqrt((2 if k else 1) / 16) * np.cos(np.pi * k * x) for k in range(8)]
    expected = np.einsum("kh,lw,nklc->nhwc", rows, columns, shares)
    np.testing.assert_allclose(synthesise(shares, 24, 32), expected, atol=1e-5)


def systems_of(rng, shape):
    gradients = rng.normal(size=(*shape, 2))
    x, y = np.moveaxis(gradients, -1, 0)
    return np.stack([x * x, x * y, y * y], axis=-1), gradients


def test_it_is_the_dense_solution(rng, monkeypatch):
    monkeypatch.setattr(smooth_solve, "ITERATIONS", 60)
    systems, _ = systems_of(rng, (1, 8, 6))
    right = rng.normal(size=(1, 8, 6, 2))
    roughness = 0.5 * frequencies(8, 6) ** 2 + 0.05
    # The same least squares, every unknown a column
    basis = np.stack(
        [
            synthesise(unit.reshape(1, 4, 3, 2).astype(np.float32), 8, 6).numpy()[0]
            for unit in np.eye(24)
        ]
    )  # (24, 8, 6, 2)
    xx, xy, yy = np.moveaxis(systems[0], -1, 0)
    matrix = np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -1)  # (8, 6, 2, 2)
    left = np.einsum("ahwi,hwij,bhwj->ab", basis, matrix, basis)
    left += np.diag(np.repeat(roughness.ravel(), 2))
    expected = np.linalg.solve(left, np.einsum("ahwi,hwi->a", basis, right[0]))
    tensors = [tf.constant(value, tf.float32) for value in (systems, right, roughness)]
    found = smooth_solve.smooth_solve(*tensors, tf.zeros((1, 8, 6, 2)))
    np.testing.assert_allclose(tf.reshape(found, [-1]), expected, rtol=1e-3, atol=1e-4)


def test_where_nothing_is_known_the_surroundings_decide(rng, monkeypatch):
    monkeypatch.setattr(smooth_solve, "ITERATIONS", 60)
    systems, gradients = systems_of(rng, (1, 32, 32))
    motion = np.array([0.7, -0.3])
    right = gradients * (gradients @ motion)[..., None]  # A u
    for values in (systems, right):
        values[:, 10:16, 10:16] = 0.0
    found = smooth_solve.smooth_solve(
        tf.constant(systems, tf.float32),
        tf.constant(right, tf.float32),
        tf.constant(0.1 * frequencies(32, 32) ** 2),
        tf.zeros((1, 32, 32, 2)),
    )
    field = synthesise(found, 32, 32)
    np.testing.assert_allclose(field, np.broadcast_to(motion, field.shape), atol=0.02)


@pytest.mark.parametrize("which", range(3))
def test_gradients_are_those_of_differences(rng, which):
    systems, _ = systems_of(rng, (1, 8, 8))
    arguments = [systems + (0.1, 0, 0.1), rng.normal(size=(1, 8, 8, 2)), 0.3 * frequencies(8, 8)]
    arguments = [tf.constant(value, tf.float32) for value in arguments]
    weights = rng.normal(size=(1, 4, 4, 2)).astype(np.float32)
    along = rng.normal(size=arguments[which].shape).astype(np.float32)

    def loss(step):
        moved = list(arguments)
        moved[which] += step * along
        return tf.reduce_sum(weights * smooth_solve.smooth_solve(*moved, tf.zeros((1, 8, 8, 2))))

    step = tf.constant(0.0)
    with tf.GradientTape() as tape:
        tape.watch(step)
        value = loss(step)
    expected = (loss(2e-3) - loss(-2e-3)) / 4e-3
    assert float(tape.gradient(value, step)) == pytest.approx(float(expected), rel=0.02, abs=0.01)
