"""Linear filters of images as matrix products: means, differences, resizing.

A separable filter multiplies the rows of an image by one small matrix and its columns by another,
the border rule built in. On images of 32 to 128 px this is several times faster on a CPU than
pooling, padding and slicing, above all in the backward pass, and whole chains of filters become
one product.
"""

import functools

import numpy as np
import tensorflow as tf


@functools.cache
def box(length, size):
    """Mean over `size` (odd) samples, mirrored at the border. `(length, length)` float32."""
    offsets = np.arange(size) - size // 2
    places = _mirrored(np.arange(length)[:, None] + offsets, length)  # (length, size)
    return np.eye(length, dtype=np.float32)[places].mean(axis=1)


@functools.cache
def halve(length):
    """Mean of each two samples. `(length / 2, length)` float32."""
    return np.kron(np.eye(length // 2), [[0.5, 0.5]]).astype(np.float32)


@functools.cache
def double(length):
    """Every sample, and a cubic one half-way to the next. `(2 length, length)` float32.

    Reference: Keys, 1981, with a = -1/2; the border sample is repeated.
    """
    places = np.clip(np.arange(length)[:, None] + (-1, 0, 1, 2), 0, length - 1)  # (length, 4)
    between = np.einsum("k,nkm->nm", (-0.0625, 0.5625, 0.5625, -0.0625), np.eye(length)[places])
    return np.stack([np.eye(length), between], axis=1).reshape(-1, length).astype(np.float32)


@functools.cache
def difference(length):
    """Central differences, mirrored at the border. `(length, length)` float32."""
    places = np.arange(length)
    after, before = (_mirrored(places + step, length) for step in (1, -1))
    return (0.5 * (np.eye(length)[after] - np.eye(length)[before])).astype(np.float32)


def _mirrored(index, length):
    """`index` brought into [0, length), the border sample repeated."""
    index = np.mod(index, 2 * length)
    return np.minimum(index, 2 * length - 1 - index)


def separable(field, rows=None, columns=None):
    """Filters along the height with one matrix and along the width with another.

    Args:
        field: `(b, h, w, c)` float32.
        rows: `(h', h)` float32 array, or None.
        columns: `(w', w)` float32 array, or None.
    Returns:
        `(b, h', w', c)`: `rows @ field @ columns.T` of each image and channel.
    """
    height, width, channels = field.shape[1:]
    if columns is not None:
        weights = np.kron(columns.T, np.eye(channels, dtype=np.float32))  # (w c, w' c)
        field = tf.matmul(tf.reshape(field, (-1, width * channels)), weights)  # (b h, w' c)
        width = len(columns)
    if rows is not None:
        field = tf.matmul(rows, tf.reshape(field, (-1, height, width * channels)))  # (b, h', w' c)
        height = len(rows)
    return tf.reshape(field, (-1, height, width, channels))


def box_mean(field, size):
    """Mean over a `size` x `size` window, mirrored at the border.

    Args:
        field: `(b, h, w, c)` float32.
        size: odd integer, pixels.
    Returns:
        `(b, h, w, c)`.
    """
    return separable(field, box(field.shape[1], size), box(field.shape[2], size))


def half_size(field, size=1):
    """Mean of 2 x 2 pixels, then over a `size` x `size` window of the result.

    Args:
        field: `(b, h, w, c)` float32; h and w even.
    Returns:
        `(b, h/2, w/2, c)`.
    """
    rows, columns = (box(n // 2, size) @ halve(n) for n in field.shape[1:3])
    return separable(field, rows, columns)


def double_size(field):
    """Cubic samples between the pixels; pixel p is at 2 p. Bilinear sampling then blurs little.

    Args:
        field: `(b, h, w, c)` float32.
    Returns:
        `(b, 2 h, 2 w, c)`.
    """
    return separable(field, double(field.shape[1]), double(field.shape[2]))


def spatial_gradient(field):
    """Central differences along x and y, one-sided at the border.

    Args:
        field: `(b, h, w, c)` float32.
    Returns:
        Two `(b, h, w, c)` tensors: d/dx and d/dy, per pixel.
    """
    dx = separable(field, columns=difference(field.shape[2]))  # (b, h, w, c)
    dy = separable(field, rows=difference(field.shape[1]))  # (b, h, w, c)
    return dx, dy


def local_normalize(image, size=7, floor=0.01):
    """Removes the local mean and divides by the local contrast: blind to light and flicker.

    Args:
        image: `(b, h, w, c)` float in [0, 1].
        size: odd window, pixels.
        floor: contrast below which a window counts as flat; 0.01 is 2.5 grey levels.
    Returns:
        `(b, h, w, c)` float, about zero mean and unit deviation where there is texture.
    """
    centred = image - box_mean(image, size)  # (b, h, w, c)
    return centred * tf.math.rsqrt(box_mean(tf.square(centred), size) + floor**2)
