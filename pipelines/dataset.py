"""Prepared clips -> tf.data: random pairs to train on, one fixed pair per clip to evaluate.

A fold's dataset is a small table of its rows over one bank of images that all folds share: changing
fold copies no pixel and traces no graph. The table holds the fold's own clips only, and every frame
index is computed from it, so a clip left out cannot be reached.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from pipelines import augment
from pipelines.options import DataOptions, PreparationOptions
from pipelines.prepared import Prepared


def make_train(prepared: Prepared, rows, data: DataOptions, seed: int) -> tf.data.Dataset:
    """Endless random pairs of the clips `rows`, augmented; the same seed gives the same batches.

    Args:
        rows: indices of the training clips. No other clip is ever read.
    Returns:
        Elements ({"onset", "apex": (b, n, n, 1) float32 in [0, 1], "regions": (b, 9, 4)},
        {"label": (b,) int32}), with "motion": (b, n, n, c) in place of the frames where `prepared`
        holds motion. b is `data.batch_size`, always full.
    Raises:
        ValueError: no rows.
    """
    return _endless(prepared, rows, data, seed, _training_pair)


def make_pairs(prepared: Prepared, rows, data: DataOptions, seed: int) -> tf.data.Dataset:
    """As `make_train`, with any two different frames of a clip in either order.

    Their motion is wider and more varied than from onset to apex: what the displacement network
    warms up on. Needs frames.
    """
    if prepared.motion is not None:
        raise ValueError("pairs need frames; this database holds motion")
    return _endless(prepared, rows, data, seed, _any_pair)


def make_eval(prepared: Prepared, rows, data: DataOptions) -> tf.data.Dataset:
    """The evaluation pair of each clip, once, in the order of `rows`, centre crop.

    That is onset and apex, shifted as `data` says: `evaluation_pairs`. Labels are left out on
    purpose: look them up by row, after predicting.

    Returns:
        Elements (inputs as `make_train`'s, {"row": (b,) int32}): "row" is the clip's index in
        `prepared`, -1 where the last batch is padded to its full size.
    """
    size, rows = data.batch_size, _checked(prepared, rows)
    padded = np.full(-(-len(rows) // size) * size, -1, np.int32)
    padded[: len(rows)] = rows
    build = _evaluation(size, *_geometry(prepared))
    onset, apex = evaluation_pairs(prepared, data).T
    with tf.device("CPU:0"):
        tables = _tables(dataclasses.replace(prepared, onset=onset, apex=apex), padded)
        return build(prepared.bank, *tables)


def evaluation_pairs(prepared: Prepared, data: DataOptions) -> np.ndarray:
    """(n, 2) int32: the two frames of each clip that are predicted from, indices into the clip.

    Onset and apex, moved by `shift_onset` and `shift_apex`, but kept within the clip, onset to
    offset, and in this order. Training pairs are drawn around the frames that are annotated.
    """
    onset, apex, last = prepared.onset, prepared.apex, prepared.offset
    if data.shifts:
        onset = np.minimum(onset + data.shift_onset, last - 1)
        apex = np.clip(apex + data.shift_apex, onset + 1, last)
    return np.stack([onset, apex], 1).astype(np.int32)


def draw_pairs(prepared: Prepared, count: int, data: DataOptions, seed: int) -> np.ndarray:
    """(n, count, 2) int32 frame pairs of each clip: onset and apex, then training pairs."""
    rows = np.repeat(np.arange(len(prepared)), count)
    clips = _Clips(*tf.unstack(_tables(prepared, rows)[0], axis=1))
    u = tf.random.stateless_uniform((2, len(rows)), [seed, 0])
    pairs = _training_pair(clips, u, data).numpy().reshape(-1, count, 2)
    pairs[:, 0] = np.stack([prepared.onset, prepared.apex], 1)
    return pairs


def _endless(prepared, rows, data, seed, draw_pair):
    rows = _checked(prepared, rows)
    # Options that no graph depends on must not make another one.
    drawn = dataclasses.replace(
        data,
        preparation=PreparationOptions(),
        prepared=None,
        protocol=None,
        balance=1.0,
        shift_onset=0,
        shift_apex=0,
    )
    kept = int(data.shifts and prepared.motion is not None)  # a map of the shifted pair alone
    build = _training(drawn, *_geometry(prepared), draw_pair, kept)
    quota = _quota(prepared.labels[rows], data.balance)
    with tf.device("CPU:0"):
        return build(prepared.bank, *_tables(prepared, rows), quota, tf.constant(seed, tf.int64))


def _checked(prepared, rows):
    rows = np.asarray(rows, np.int32)
    if not len(rows):
        raise ValueError("no rows: a dataset needs at least one clip")
    if rows.min() < 0 or rows.max() >= len(prepared):
        raise ValueError(f"rows must lie in 0..{len(prepared) - 1}, got {rows.min()}..{rows.max()}")
    return rows


def _geometry(prepared):
    spec = tf.TensorSpec([None, *prepared.bank.shape[1:]], prepared.bank.dtype)
    return spec, prepared.image_size, prepared.maps_per_clip


class _Clips(NamedTuple):
    """What is known of some clips, (m,) int32 each: all that a dataset may look at."""

    row: tf.Tensor
    first: tf.Tensor
    onset: tf.Tensor
    apex: tf.Tensor
    offset: tf.Tensor
    num_frames: tf.Tensor
    labels: tf.Tensor


def _tables(prepared, rows):
    """(m, 7) int32 of `_Clips` and (m, 9, 4) regions of the clips `rows`; -1 stands for padding."""
    columns = [getattr(prepared, name) for name in _Clips._fields[1:]]
    table = np.stack([np.arange(len(prepared)), *columns], 1).astype(np.int32)[rows]
    table[:, 0] = rows
    return tf.constant(table), tf.constant(prepared.regions[rows])


def _quota(labels, balance):
    """Running total, in class order, of how often each clip should be seen in an epoch of m.

    Classes share an epoch as they are (balance 0), equally (1), or in a mix of the two.
    """
    counts = np.bincount(labels)
    present = np.count_nonzero(counts)
    share = (1 - balance) * counts / len(labels) + balance * (counts > 0) / present
    times = share * len(labels) / np.maximum(counts, 1)  # per clip of the class
    upto = np.cumsum(times[np.sort(labels)])
    return tf.constant(upto * (len(labels) / upto[-1]))  # (m,) float64, ends at m


# A fold's tables enter a dataset as arguments of a traced function, so that folds share its graph.
_TABLES = (tf.TensorSpec([None, 7], tf.int32), tf.TensorSpec([None, 9, 4], tf.float32))


@functools.lru_cache(maxsize=32)
def _evaluation(size, bank_spec, image_size, maps_per_clip):
    """The function (bank, table, regions) -> finite dataset of evaluation pairs."""

    @tf.function(input_signature=(bank_spec, *_TABLES))
    def build(bank, table, regions):
        def load(table, regions):
            clips = _Clips(*tf.unstack(table, axis=1))
            if bank.dtype == tf.uint8:
                which = clips.first[:, None] + tf.stack([clips.onset, clips.apex], 1)
            else:
                which = tf.maximum(clips.row, 0) * maps_per_clip
            draw = augment.nothing(size)
            return _inputs(bank, which, regions, draw, image_size, 0), {"row": clips.row}

        dataset = tf.data.Dataset.from_tensor_slices((table, regions))
        dataset = dataset.batch(size, drop_remainder=True)
        return dataset.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)

    return build


@functools.lru_cache(maxsize=32)
def _training(data, bank_spec, image_size, maps_per_clip, draw_pair, kept):
    """The function (bank, table, regions, quota, seed) -> endless dataset of random pairs.

    The first `kept` maps of a clip are not trained on.
    """
    size, varied = data.batch_size, data.augmentation
    reach = augment.shift_reach(varied, image_size)
    quota_and_seed = tf.TensorSpec([None], tf.float64), tf.TensorSpec([], tf.int64)

    @tf.function(input_signature=(bank_spec, *_TABLES, *quota_and_seed))
    def build(bank, table, regions, quota, seed):
        def stream(number, at):  # independent random streams: 8 per seed, a state per step
            return tf.stack([8 * seed + number, at])

        def load(step, places):
            clips = _Clips(*tf.unstack(tf.gather(table, places), axis=1))
            u = tf.random.stateless_uniform((2, size), stream(2, step))
            if bank.dtype == tf.uint8:
                which = clips.first[:, None] + draw_pair(clips, u, data)
            else:
                which = clips.row * maps_per_clip + kept
                which += tf.cast(u[0] * (maps_per_clip - kept), tf.int32)
            draw = augment.sample(stream(3, step), size, varied, image_size)
            inputs = _inputs(bank, which, tf.gather(regions, places), draw, image_size, reach)
            if varied.noise and "onset" in inputs:
                frames = tf.stack([inputs["onset"], inputs["apex"]])
                frames = augment.add_noise(frames, stream(4, step), varied.noise)
                inputs["onset"], inputs["apex"] = tf.unstack(frames)
            return inputs, {"label": clips.labels}

        dataset = tf.data.Dataset.range(2**62)
        dataset = dataset.map(lambda number: _epoch(table[:, -1], quota, stream(0, number)))
        dataset = dataset.unbatch().batch(size, drop_remainder=True).enumerate()
        return dataset.map(load, num_parallel_calls=2, deterministic=True).prefetch(2)

    return build


def _inputs(bank, which, regions, draw, image_size, reach):
    """What the model sees of the images `which` of the bank: (b, 2) frame pairs or (b,) maps."""
    images = tf.gather(bank, which)
    boxes = augment.apply_to_boxes(regions, draw, bank.shape[1], image_size)
    if bank.dtype == tf.uint8:
        onset, apex = augment.apply_to_frames(images, draw, image_size)
        return {"onset": onset, "apex": apex, "regions": boxes}
    motion = augment.apply_to_motion(tf.cast(images, tf.float32), draw, image_size, reach)
    return {"motion": motion, "regions": boxes}


def _epoch(labels, quota, seed):
    """Places of an epoch's m clips, shuffled: systematic resampling keeps class counts near exact.

    Each clip comes floor or ceil of its quota times: without balancing, exactly once.
    """
    count = tf.size(labels)
    u = tf.random.stateless_uniform((2, count), seed)
    by_class = tf.argsort(tf.cast(labels, tf.float32) + 0.99 * u[0])  # random within a class
    points = tf.cast(u[1, 0], tf.float64) + tf.range(tf.cast(count, tf.float64))
    picks = tf.minimum(tf.searchsorted(quota, points, side="right"), count - 1)
    return tf.random.experimental.stateless_shuffle(tf.gather(by_class, picks), seed + [1, 0])


# Draws of two frames (b, 2) of each clip, as indices into the clip; u: (2, b) in [0, 1).


def _training_pair(clips, u, data):
    onset, apex, offset = tf.unstack(tf.cast(tf.stack(clips[2:5]), tf.float32))
    rise, decay = apex - onset, tf.maximum(offset - apex, 0.0)
    first = tf.floor(onset + u[0] * (data.onset_jitter * rise + 1.0))
    low, high = apex - data.apex_jitter * rise, apex + data.apex_jitter * decay
    second = tf.floor(low + u[1] * (high - low) + 0.5)
    first = tf.minimum(first, apex - 1.0)
    return tf.cast(tf.stack([first, tf.maximum(second, first + 1.0)], 1), tf.int32)


def _any_pair(clips, u, data):
    count = tf.cast(clips.num_frames, tf.float32)
    first = tf.minimum(tf.floor(u[0] * count), count - 1.0)
    second = tf.minimum(tf.floor(u[1] * (count - 1.0)), count - 2.0)
    second += tf.cast(second >= first, tf.float32)  # any frame but the first, equally likely
    return tf.cast(tf.stack([first, second], 1), tf.int32)
