"""A closed-form first guess of the displacement, from brightness constancy.

Lucas and Kanade, 1981: in a small window, the displacement that explains the change between two
frames solves a 2 x 2 system made of products of image derivatives. It needs no training, so the
convolutional generator starts from it and learns what it gets wrong (our choice, not the
paper's). Zero displacement is a strong local optimum of a warping loss; this start is beyond it.
"""

import tensorflow as tf

from me_keras.layers.warp import dense_warp, spatial_gradient


def box_mean(field, size):
    """Mean over a `size` x `size` window, mirrored at the border.

    Args:
        field: `(b, h, w, c)` float.
        size: odd integer, pixels.
    Returns:
        `(b, h, w, c)`.
    """
    margin = size // 2
    field = tf.pad(field, [[0, 0], [margin, margin], [margin, margin], [0, 0]], mode="SYMMETRIC")
    field = tf.nn.avg_pool2d(field, (1, size), 1, "VALID")  # (b, h + size - 1, w, c)
    return tf.nn.avg_pool2d(field, (size, 1), 1, "VALID")  # (b, h, w, c)


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


def lucas_kanade(first, second, iterations=3, window=5, damping=0.02):
    """Displacement from `first` to `second`, iterated by warping.

    Args:
        first, second: `(b, h, w, 1)` float, locally normalised; h and w even.
        iterations: warp-and-solve rounds; each reaches about one pixel further.
        window: odd side of the averaging window in double pixels (the systems are made and
            solved at half of this resolution); it is applied twice, which makes a triangle.
        damping: added to both eigenvalues, so that flat skin does not move.
    Returns:
        tuple of `(b, h, w, 2)` float, pixels of this resolution, `(dx, dy)`, and `(b, h, w, 1)`,
        what the last round but one left unexplained: `second` warped back minus `first`.
    """
    size = tf.shape(first)[1:3]
    displacement = tf.zeros_like(tf.concat([first, first], axis=-1))  # (b, h, w, 2)
    left = second - first  # (b, h, w, 1)
    for step in range(iterations):
        warped = dense_warp(second, displacement) if step else second  # (b, h, w, 1)
        gx, gy = spatial_gradient(0.5 * (first + warped))  # (b, h, w, 1) each
        left = warped - first  # (b, h, w, 1)
        products = tf.concat([gx * gx, gx * gy, gy * gy, gx * left, gy * left], axis=-1)
        products = tf.nn.avg_pool2d(products, 2, 2, "VALID")  # (b, h/2, w/2, 5)
        products = box_mean(box_mean(products, window), window)
        xx, xy, yy, xt, yt = tf.split(products, 5, axis=-1)  # (b, h/2, w/2, 1) each
        xx, yy = xx + damping, yy + damping
        step_x = (xy * yt - yy * xt) / (xx * yy - xy * xy)  # Cramer's rule
        step_y = (xy * xt - xx * yt) / (xx * yy - xy * xy)
        displacement += tf.image.resize(tf.concat([step_x, step_y], axis=-1), size)
    return displacement, left
