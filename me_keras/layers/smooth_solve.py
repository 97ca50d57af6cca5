"""The smooth field that explains two frames best: a regularised least-squares solution.

Where little is known of a place, its surroundings decide. A displacement of the skin is smooth, so
its field is a sum of cosines, high frequencies less likely than low ones, and the data speak where
they can. Lucas and Kanade's windows know no such prior: they are biased where the motion changes
inside a window, and noisy where the window is small. (Our choice, not the paper's.)

Fields are planes, `(2, b, h, w)`, or their shares of the cosines, `(2, b, h/2, w/2)`.
"""

import functools

import numpy as np
import tensorflow as tf

from me_keras.layers.filters import separable


@functools.cache
def cosines(length, count):
    """The `count` slowest cosines on `length` samples, orthonormal. `(length, count)` float32."""
    places = (np.arange(length) + 0.5) / length  # (length,)
    waves = np.sqrt(2 / length) * np.cos(np.pi * places[:, None] * np.arange(count))
    waves[:, 0] /= np.sqrt(2)
    return waves.astype(np.float32)


@functools.cache
def frequencies(height, width):
    """Squared angular frequency of the cosines of `analyse`, per sample. `(h/2, w/2)` float32.

    1e-6 more: a price that is a power of it has a gradient at the constant field, too.
    """
    y, x = (np.pi * np.arange(n // 2) / n for n in (height, width))
    return (y[:, None] ** 2 + x**2 + 1e-6).astype(np.float32)


def analyse(field):
    """Shares of the cosines in a field: `(…, h, w)` to `(…, h/2, w/2)`."""
    return separable(field, *(cosines(n, n // 2).T for n in field.shape[-2:]))


def synthesise(shares, height, width):
    """The field with these shares of the cosines: `(…, m, n)` to `(…, height, width)`.

    Any resolution: a finer one is the same field, exactly interpolated.
    """
    m, n = shares.shape[-2:]
    # Orthonormal on 2 m samples; elsewhere a value stays what it is there.
    rows = cosines(height, m) * np.float32(np.sqrt(height / (2 * m)))
    columns = cosines(width, n) * np.float32(np.sqrt(width / (2 * n)))
    return separable(shares, rows, columns)


def apply_systems(systems, field):
    """Each 2 x 2 matrix times the vector of its place.

    Args:
        systems: three `(b, h, w)`, the symmetric matrices' xx, xy, yy. field: `(2, b, h, w)`.
    Returns:
        `(2, b, h, w)`.
    """
    xx, xy, yy = systems
    x, y = tf.unstack(field)
    return tf.stack([xx * x + xy * y, xy * x + yy * y])


def smooth_solve(systems, right, roughness, start, iterations):
    """Minimises sum(u A u - 2 b u) + sum(roughness * shares(u)^2) over smooth fields u.

    By conjugate gradients among the cosines, preconditioned by the prior and the image's mean
    certainty. (Its gradient is that of these few steps: with the exact solution's, training leads
    to systems that they do not solve.)

    Args:
        systems: three `(b, h, w)` float32, A's xx, xy, yy, positive semi-definite.
        right: `(2, b, h, w)` float32, b.
        roughness: `(h/2, w/2)` float32 >= 0, price of each cosine.
        start: `(2, b, h/2, w/2)` float32, the shares where the iteration starts.
        iterations: int, steps of conjugate gradients.
    Returns:
        `(2, b, h/2, w/2)` float32, shares of the cosines in u.
    """
    height, width = right.shape[-2:]
    certainty = tf.reduce_mean(systems[0] + systems[2], axis=(1, 2), keepdims=True)  # (b, 1, 1)
    inverse = 1.0 / (0.5 * certainty + roughness + 1e-6)  # (b, h/2, w/2)

    def product(shares):
        explained = apply_systems(systems, synthesise(shares, height, width))
        return analyse(explained) + roughness * shares

    def dot(one, other):
        return tf.reduce_sum(one * other, axis=(0, 2, 3), keepdims=True)  # (1, b, 1, 1)

    shares = start
    left = analyse(right) - product(shares)
    direction = inverse * left
    energy = dot(left, direction)
    for step in range(iterations):
        moved = product(direction)
        length = energy / (dot(direction, moved) + 1e-12)
        shares += length * direction
        if step < iterations - 1:
            left -= length * moved
            better = inverse * left
            before, energy = energy, dot(left, better)
            direction = better + energy / (before + 1e-12) * direction
    return shares
