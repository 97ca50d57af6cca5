"""Augmentation of a frame pair, its boxes, or its motion: sample once, then apply to each.

One draw serves everything that belongs to a sample, so frames, boxes and motion stay consistent.
All functions are graph operations: no Python runs per step.
"""

import math
from typing import NamedTuple

import tensorflow as tf

from pipelines.options import AugmentationOptions
from pipelines.schema import FLOW_CHANNELS, MIRRORED_REGIONS


class Draw(NamedTuple):
    """What happens to each of the b samples of a batch."""

    mirror: tf.Tensor  # (b,) bool
    shift: tf.Tensor  # (b, 2) int32, (down, right) px by which the crop leaves the centre
    gain: tf.Tensor  # (b,) float32, as all that follow
    contrast: tf.Tensor
    tone: tf.Tensor
    flicker: tf.Tensor
    motion_gain: tf.Tensor
    motion_turn: tf.Tensor  # radians


def sample(seed: tf.Tensor, batch: int, options: AugmentationOptions, image_size: int) -> Draw:
    """Draws the augmentation of `batch` samples.

    Args:
        seed: (2,) integers; the same seed gives the same draw.
        image_size: side of the crop, px: `options.shift` is a share of it.
    """
    reach = shift_reach(options, image_size)
    # Rounded, the first two rows are whole numbers in [-reach, reach], each equally likely.
    spread = [reach + 0.499, reach + 0.499, options.gain, options.contrast, options.tone]
    spread += [options.flicker, options.motion_gain, math.radians(options.motion_turn), 0.5]
    middle = [0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.5]
    u = tf.random.stateless_uniform((9, batch), seed, -1.0, 1.0)
    u = u * tf.constant(spread)[:, None] + tf.constant(middle)[:, None]
    down, right, *values, chance = tf.unstack(u)
    shift = tf.cast(tf.round(tf.stack([down, right], 1)), tf.int32)
    return Draw(chance < options.mirror, shift, *values)


def nothing(batch: int) -> Draw:
    """The draw that leaves a batch as it is, cut from the centre: evaluation."""
    one, zero = tf.ones(batch), tf.zeros(batch)
    return Draw(zero > one, tf.zeros((batch, 2), tf.int32), one, one, zero, one, one, zero)


def shift_reach(options: AugmentationOptions, image_size: int) -> int:
    """The largest shift in whole px: shifting by whole px never blurs the sub-pixel motion."""
    return round(options.shift * image_size)


def apply_to_frames(pair: tf.Tensor, draw: Draw, image_size: int):
    """Crops, mirrors and re-exposes the two frames of each sample alike.

    Args:
        pair: (b, 2, S, S) uint8, onset and apex frame.
    Returns:
        onset, apex: (b, image_size, image_size, 1) float32 in [0, 1].
    """
    margin = (pair.shape[2] - image_size) // 2
    frames = tf.reshape(pair, (-1, *pair.shape[2:], 1))  # (2b, S, S, 1): far faster than channels
    x = _crop(frames, tf.repeat(margin + draw.shift, 2, axis=0), image_size)  # (2b, n, n, 1)
    x = _mirror(tf.cast(x, tf.float32), tf.repeat(draw.mirror, 2))
    a, b, c = _exposure(draw)  # (2b, 1, 1, 1) each
    x = (c * x + b) * x + a
    x = tf.clip_by_value(x, 0.0, 1.0)
    return tf.unstack(tf.reshape(x, (-1, 2, image_size, image_size, 1)), axis=1)


def add_noise(frames: tf.Tensor, seed: tf.Tensor, deviation: float) -> tf.Tensor:
    """Adds independent normal noise to frames in [0, 1], float32, and clips them to it."""
    noise = tf.random.stateless_normal(tf.shape(frames), seed, stddev=deviation)
    return tf.clip_by_value(frames + noise, 0.0, 1.0)


def _exposure(draw: Draw):
    """Coefficients a + b x + c x² of the draw's whole exposure, for x in 0..255; (2b, 1, 1, 1).

    The mid-tone curve x + tone·x·(1 - x) is a gamma to first order, fixes black and white, and
    costs no power function; contrast, gain and flicker after it are linear.
    """
    slope = draw.contrast / 255.0
    a = 0.5 - 0.5 * draw.contrast
    b = slope + slope * draw.tone
    c = slope * draw.tone / -255.0
    gain = tf.stack([draw.gain, draw.gain * draw.flicker], 1)  # (b, 2)
    both = tf.stack([a, b, c])[:, :, None] * gain  # (3, b, 2)
    return tf.unstack(tf.reshape(both, (3, -1, 1, 1, 1)))


def apply_to_boxes(boxes: tf.Tensor, draw: Draw, frame_size: int, image_size: int) -> tf.Tensor:
    """Boxes of the S-px frame -> boxes of the crop, clipped to it.

    Args:
        boxes: (b, 9, 4) float32 y1, x1, y2, x2 as fractions of the S-px frame, in the order of
            `schema.REGIONS`; a mirrored face's rows change sides as well.
    Returns:
        (b, 9, 4) float32, fractions of the crop in [0, 1].
    """
    origin = tf.cast((frame_size - image_size) // 2 + draw.shift, tf.float32) / image_size
    boxes = boxes * (frame_size / image_size) - tf.tile(origin, (1, 2))[:, None]  # (b, 9, 4)
    boxes = tf.clip_by_value(boxes, 0.0, 1.0)
    y1, x1, y2, x2 = tf.unstack(tf.gather(boxes, MIRRORED_REGIONS, axis=1), axis=-1)
    mirrored = tf.stack([y1, 1.0 - x2, y2, 1.0 - x1], -1)
    return tf.where(draw.mirror[:, None, None], mirrored, boxes)


def apply_to_motion(motion: tf.Tensor, draw: Draw, image_size: int, reach: int) -> tf.Tensor:
    """Crops and mirrors motion maps, scales them, and turns the vectors of a flow.

    Args:
        motion: (b, S, S, c) float32; with c = FLOW_CHANNELS it is dx, dy and the strain (which a
            turn of the vectors leaves alone), otherwise images, which have no vectors.
        reach: largest shift the draw can hold, px. Beyond the margin of S, motion is zero.
    Returns:
        (b, image_size, image_size, c) float32.
    """
    margin = (motion.shape[1] - image_size) // 2
    pad = max(0, reach - margin)
    motion = tf.pad(motion, [(0, 0), (pad, pad), (pad, pad), (0, 0)])
    x = _crop(motion, margin + pad + draw.shift, image_size)
    x = _mirror(x, draw.mirror) * draw.motion_gain[:, None, None, None]
    if x.shape[-1] != FLOW_CHANNELS:
        return x
    cos, sin = tf.cos(draw.motion_turn)[:, None, None], tf.sin(draw.motion_turn)[:, None, None]
    dx = tf.where(draw.mirror[:, None, None], -x[..., 0], x[..., 0])
    dy = x[..., 1]
    turned = tf.stack([cos * dx - sin * dy, sin * dx + cos * dy], -1)
    return tf.concat([turned, x[..., 2:]], -1)


def _crop(images, origin, size):
    """(b, H, W, c) -> (b, size, size, c), each from its own corner `origin`: (b, 2)."""
    depth = images.shape[-1]

    def cut(one):
        image, corner = one
        return tf.slice(image, tf.concat([corner, [0]], 0), (size, size, depth))

    return tf.map_fn(cut, (images, origin), fn_output_signature=images.dtype)


def _mirror(images, mirror):
    return tf.where(mirror[:, None, None, None], tf.reverse(images, [2]), images)
