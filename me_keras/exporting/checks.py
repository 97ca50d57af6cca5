"""Refusals inside the served graph: a wrong request gets INVALID_ARGUMENT and a readable line.

Each check hands its tensor on only once it has passed, so that no later operation can fail first
with a message about something else, and no answer is computed from what was refused.
"""

import tensorflow as tf


def require(condition, message, value, *details):
    """`value`, available only if the scalar `condition` holds; `details` follow the message."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message, *details])]):
        return tf.identity(value)


def frames(name, values, image_size, highest):
    """Frames of the right size, at least one, in [0, highest].

    Args:
        name: what the message calls them.
        values: `(b, S, S, 1)`, float32 or uint8.
    """
    values = _sized(name, values, (image_size, image_size, 1))
    if values.dtype.is_integer:
        return values  # cannot leave its range
    low, high = tf.reduce_min(values), tf.reduce_max(values)
    inside = tf.reduce_all((values >= 0) & (values <= highest))  # false for NaN
    message = f"{name}: values must be numbers in [0, {highest}]; lowest and highest are"
    return require(inside, message, values, low, high)


def motion(name, values, shape):
    """Motion maps `(b, *shape)` float32, at least one, of numbers."""
    values = _sized(name, values, shape)
    finite = tf.reduce_all(tf.math.is_finite(values))
    return require(finite, f"{name}: values must be numbers, without NaN and infinity", values)


def boxes(name, values, num_regions):
    """Boxes `(b, r, 4)` with y1 <= y2 and x1 <= x2, all in [0, 1]."""
    values = tf.ensure_shape(values, (None, num_regions, 4), name=f"{name}_size")
    ordered = tf.reduce_all(values[..., :2] <= values[..., 2:])
    inside = tf.reduce_all((values >= 0) & (values <= 1))  # false for NaN
    message = f"{name}: boxes must be y1, x1, y2, x2 in [0, 1], with y1 <= y2 and x1 <= x2"
    return require(ordered & inside, message, values)


def same_batch(first, others, what="onsets"):
    """`first`, if all `others` (a dict) have as many examples.

    Args:
        what: what the message calls those of `first`.
    """
    for name, other in others.items():
        sizes = tf.shape(first)[0], tf.shape(other)[0]
        message = f"{name}: as many examples as {what} are needed, found"
        first = require(sizes[0] == sizes[1], message, first, sizes[1], sizes[0])
    return first


def _sized(name, values, shape):
    # Not tf.debugging.assert_shapes: a check of what shape inference takes for granted is
    # optimised away, ensure_shape is not.
    values = tf.ensure_shape(values, (None, *shape), name=f"{name}_size")
    return require(tf.shape(values)[0] > 0, f"{name}: the batch is empty", values)
