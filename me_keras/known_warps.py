"""Pairs of frames whose displacement is known: a face, moved by a field that was drawn.

Self-supervision of a second kind, beside the warping loss: no label, the face's own frame is the
teacher (our choice; learned speckle tracking, such as StrainNet, is taught so). Both frames are
resampled, so that the blur of interpolation does not give the motion away.
"""

import math

import numpy as np
import tensorflow as tf

from me_keras.layers.filters import box_mean, channels_last, double_size, planes
from me_keras.layers.smooth_solve import analyse, frequencies, synthesise
from me_keras.layers.warp import dense_warp, sample

LARGEST = 0.2, 5.0  # px, a field's largest component
STEEPEST = 0.4  # px per px: skin does not fold
WIDTH = 5.0, 28.0  # px, standard deviation of a bump
BUMPS = 4  # in a field
WAVE = 24.0, 120.0  # px, where the spectrum of smooth noise ends
NOISE = 3.0 / 255  # largest standard deviation of the sensor noise
LIGHT = 0.015  # standard deviation of each frame's gain
BLUR = 0.6  # largest share of a 3 x 3 mean in both frames
FIXED_POINT_STEPS = 3  # each leaves at most `STEEPEST` of the error, a tenth as a rule


class Draws:
    """Random tensors, one after another, of a stream.

    Philox with a key and a counter on the device: `tf.random.stateless_uniform` would make both
    from a seed that it reads on the host, and a GPU would wait for it. The first axis of all shapes
    is that of examples: several replicas draw for the whole batch, and each takes its part.

    Args:
        stream: `(2,)` int64; equal numbers, equal draws.
    """

    def __init__(self, stream):
        self._counter = tf.bitcast(stream, tf.uint64)
        self._key = 0

    def uniform(self, shape, low=0.0, high=1.0):
        """float32 in [low, high)."""
        return low + (high - low) * self._draw(tf.raw_ops.StatelessRandomUniformV2, shape)

    def log_uniform(self, shape, low, high):
        """float32 in [low, high), each octave as likely as another."""
        return tf.exp(self.uniform(shape, math.log(low), math.log(high)))

    def normal(self, shape):
        """float32, standard normal."""
        return self._draw(tf.raw_ops.StatelessRandomNormalV2, shape)

    def _draw(self, operation, shape):
        self._key += 1
        key = tf.constant([self._key], tf.uint64)
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context else 1
        whole = (replicas * shape[0], *shape[1:])
        values = operation(shape=whole, key=key, counter=self._counter, alg=1)
        if replicas == 1:
            return values
        return tf.reshape(values, (replicas, *shape))[context.replica_id_in_sync_group]


def known_warps(frame, stream):
    """Two frames of a face that moved in a known way.

    Args:
        frame: `(b, h, w, 1)` float32 in [0, 1].
        stream: as `Draws`.
    Returns:
        onset and apex, each `(b, h, w, 1)` float32 in [0, 1], and the displacement between them at
        half resolution, `(b, h/2, w/2, 2)` px of the full one.
    """
    draw, count = Draws(stream), tf.shape(frame)[0]
    height, width = frame.shape[1:3]
    shares = analyse(smooth_fields(draw, count, height, width))  # (2, b, h/4, w/4)
    # The apex at q shows what is at q - field(q). So p goes to p + d(p), d(p) = field(p + d(p)).
    half = channels_last(synthesise(shares, height // 2, width // 2))  # (b, h/2, w/2, 2)
    displacement = half
    for _ in range(FIXED_POINT_STEPS):
        displacement = dense_warp(half, 0.5 * displacement)
    shift = planes(draw.uniform((count, 1, 1, 2), -1.0, 1.0))
    fine = double_size(frame[..., 0])[..., None]  # (b, 2 h, 2 w, 1)
    field = synthesise(shares, height, width)  # (2, b, h, w)
    fields = shift + tf.zeros_like(field), shift - field
    frames = tf.concat([sample(fine, *tf.unstack(each))[..., 0] for each in fields], axis=0)
    each = (count, 1, 1)
    blur, noise = draw.uniform(each, 0.0, BLUR), NOISE * tf.square(draw.uniform(each))
    frames += _twice(blur) * (box_mean(frames, 3) - frames)  # (2 b, h, w)
    frames *= 1.0 + LIGHT * _both(draw.normal, each)
    frames += _twice(noise) * _both(draw.normal, (count, height, width))
    onset, apex = tf.split(tf.clip_by_value(frames, 0.0, 1.0)[..., None], 2)
    return onset, apex, displacement


def smooth_fields(draw, count, height, width):
    """Bumps, smooth noise, and a shift with turning and scaling, in random shares.

    Args:
        draw: `Draws`.
    Returns:
        `(2, count, height / 2, width / 2)` float32, px of the full resolution.
    """
    kinds = _bumps, _noise, _similarity
    fields = [kind(draw, count, height // 2, width // 2) for kind in kinds]
    shares = [draw.uniform((count, 1, 1)) ** 2 for _ in kinds]
    total = sum(share / _largest(field) * field for share, field in zip(shares, fields))
    along = total[..., 1:] - total[..., :-1], total[..., 1:, :] - total[..., :-1, :]
    steepest = 0.5 * tf.maximum(*map(_largest, along))  # neighbours are two pixels apart
    largest = draw.log_uniform((count, 1, 1), *LARGEST)
    return total * tf.minimum(largest / _largest(total), STEEPEST / steepest)


def _bumps(draw, count, height, width):
    """Gaussian bumps anywhere, round or oblong: `(2, count, height, width)`."""
    size = draw.log_uniform((count, 1, BUMPS), *WIDTH) / 2.0
    sides = []
    for length in (height, width):
        places = np.arange(length, dtype=np.float32)[:, None] + 0.5
        far = places - length * draw.uniform((count, 1, BUMPS))  # (count, length, BUMPS)
        deviation = size * draw.uniform((count, 1, BUMPS), 0.7, 1.3)
        sides.append(tf.exp(-0.5 * tf.square(far / deviation)))
    push = draw.normal((count, BUMPS, 2)) * draw.uniform((count, BUMPS, 1))
    return tf.einsum("nhk,nwk,nkc->cnhw", *sides, push)


def _noise(draw, count, height, width):
    """Cosines of random height, slower than a random limit: `(2, count, height, width)`."""
    limit = draw.log_uniform((count, 1, 1), *WAVE) / 2.0
    waves = frequencies(height, width)  # (height / 2, width / 2)
    shares = planes(draw.normal((count, *waves.shape, 2)))
    return synthesise(shares * tf.exp(-waves * tf.square(limit / (2 * math.pi))), height, width)


def _similarity(draw, count, height, width):
    """A shift, with turning, scaling and shearing: `(2, count, height, width)`."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in (height, width))
    grid = np.stack(np.meshgrid(x, y))  # (2, height, width)
    turned = tf.einsum("chw,ncd->dnhw", grid, draw.normal((count, 2, 2)))
    return turned + planes(draw.normal((count, 1, 1, 2)))


def _largest(field):
    """Of `(2, b, h, w)`: `(b, 1, 1)`."""
    return tf.reduce_max(tf.abs(field), axis=(0, 2, 3))[:, None, None] + 1e-6


def _both(draw, shape):
    """Drawn for the onsets, then for the apexes: `(2 b, …)`."""
    return tf.concat([draw(shape), draw(shape)], axis=0)


def _twice(each):
    """For the onsets, then the apexes: `(b, …)` to `(2 b, …)`."""
    return tf.concat([each, each], axis=0)
