"""The smooth field that explains two frames best: a regularised least-squares solution.

Where little is known of a place, its surroundings decide. A displacement of the skin is smooth, so
its field is a sum of cosines, high frequencies less likely than low ones, and the data speak where
they can. Lucas and Kanade's windows know no such prior: they are biased where the motion changes
inside a window, and noisy where the window is small. (Our choice, not the paper's.)
"""

import functools

import numpy as np
import tensorflow as tf

from me_keras.layers.filters import separable

ITERATIONS = 8  # of conjugate gradients; with 14, the displacement is better by < 0.003 px


@functools.cache
def cosines(length, count):
    """The `count` slowest cosines on `length` samples, orthonormal. `(length, count)` float32."""
    places = (np.arange(length) + 0.5) / length  # (length,)
    waves = np.sqrt(2 / length) * np.cos(np.pi * places[:, None] * np.arange(count))
    waves[:, 0] /= np.sqrt(2)
    return waves.astype(np.float32)


@functools.cache
def frequencies(height, width):
    """Squared angular frequency of the cosines of `analyse`, per sample. `(h/2, w/2, 1)` float32.

    1e-6 more: a price that is a power of it has a gradient at the constant field, too.
    """
    y, x = (np.pi * np.arange(n // 2) / n for n in (height, width))
    return (y[:, None] ** 2 + x**2 + 1e-6).astype(np.float32)[..., None]


def analyse(field):
    """Shares of the cosines in a field: `(b, h, w, c)` to `(b, h/2, w/2, c)`."""
    rows, columns = (cosines(n, n // 2).T for n in field.shape[1:3])
    return separable(field, rows, columns)


def synthesise(shares, height, width):
    """The field with these shares of the cosines: `(b, m, n, c)` to `(b, height, width, c)`.

    Any resolution: a finer one is the same field, exactly interpolated.
    """
    m, n = shares.shape[1:3]
    # Orthonormal on 2 m samples; elsewhere a value stays what it is there.
    rows = cosines(height, m) * np.float32(np.sqrt(height / (2 * m)))
    columns = cosines(width, n) * np.float32(np.sqrt(width / (2 * n)))
    return separable(shares, rows, columns)


def apply_systems(systems, field):
    """Each 2 x 2 matrix times the vector of its place.

    Args:
        systems: `(b, h, w, 3)`, the symmetric matrices' xx, xy, yy. field: `(b, h, w, 2)`.
    Returns:
        `(b, h, w, 2)`.
    """
    xx, xy, yy = tf.split(systems, 3, axis=-1)
    x, y = tf.split(field, 2, axis=-1)
    return tf.concat([xx * x + xy * y, xy * x + yy * y], axis=-1)


def smooth_solve(systems, right, roughness, start):
    """Minimises sum(u A u - 2 b u) + sum(roughness * shares(u)^2) over smooth fields u.

    By conjugate gradients among the cosines, preconditioned by the prior and the image's mean
    certainty. (Its gradient is that of these few steps: with the exact solution's, training leads
    to systems that they do not solve.)

    Args:
        systems: `(b, h, w, 3)` float32, A's xx, xy, yy, positive semi-definite.
        right: `(b, h, w, 2)` float32, b.
        roughness: `(h/2, w/2, 1)` float32 >= 0, price of each cosine.
        start: `(b, h, w, 2)` float32, where the iteration starts.
    Returns:
        `(b, h/2, w/2, 2)` float32, shares of the cosines in u.
    """
    height, width = systems.shape[1:3]
    rows, columns = (tf.constant(cosines(n, n // 2)) for n in (height, width))
    to_rows, to_columns = (tf.constant(cosines(n, n // 2).T) for n in (height, width))
    # Components before places, for products of whole matrices: few operations in each step.
    xx, xy, yy = tf.split(systems, 3, axis=-1)
    matrices = tf.concat([xx, xy, xy, yy], axis=-1)  # (b, h, w, 4)
    matrices = tf.reshape(_planes(matrices), (-1, 2, 2, height, width))
    roughness = roughness[..., 0]  # (h/2, w/2)
    certainty = tf.reduce_mean(systems[..., ::2], axis=(1, 2, 3), keepdims=True)  # (b, 1, 1, 1)
    inverse = 1.0 / (certainty + roughness + 1e-6)  # (b, 1, h/2, w/2)

    def product(shares):
        field = rows @ (shares @ to_columns)  # (b, 2, h, w)
        explained = tf.reduce_sum(matrices * tf.expand_dims(field, 1), axis=2)
        return to_rows @ (explained @ columns) + roughness * shares

    def dot(one, other):
        return tf.reduce_sum(one * other, axis=(1, 2, 3), keepdims=True)  # (b, 1, 1, 1)

    shares = _planes(analyse(start))  # (b, 2, h/2, w/2)
    left = _planes(analyse(right)) - product(shares)
    direction = inverse * left
    energy = dot(left, direction)
    for step in range(ITERATIONS):
        moved = product(direction)
        length = energy / (dot(direction, moved) + 1e-12)
        shares += length * direction
        if step < ITERATIONS - 1:
            left -= length * moved
            better = inverse * left
            before, energy = energy, dot(left, better)
            direction = better + energy / (before + 1e-12) * direction
    return tf.transpose(shares, (0, 2, 3, 1))


def _planes(field):
    """Components before places: `(b, h, w, c)` to `(b, c, h, w)`."""
    return tf.transpose(field, (0, 3, 1, 2))
