"""Prepared clips -> tf.data: random pairs to train on, one fixed pair per clip to evaluate.

A fold's dataset is a small table of its rows over one bank of images that all folds share: changing
fold copies no pixel and traces no graph. The table holds the fold's own clips only, and every frame
index is computed from it, so a clip left out cannot be reached.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf

from pipelines import augment
from pipelines.config import DatasetConfig
from pipelines.prepared import Prepared, open_prepared

__all__ = ["DatasetConfig", "Prepared", "make_eval", "make_pairs", "make_train", "open_prepared"]

_fold_in = tf.random.experimental.stateless_fold_in


def make_train(prepared: Prepared, rows, config: DatasetConfig, seed: int) -> tf.data.Dataset:
    """Endless random pairs of the clips `rows`, augmented; the same seed gives the same batches.

    Args:
        rows: indices of the training clips. No other clip is ever read.
    Returns:
        Elements ({"onset", "apex": (b, n, n, 1) float32 in [0, 1], "regions": (b, 9, 4)},
        {"label": (b,) int32}), with "motion": (b, n, n, c) in place of the frames where `prepared`
        holds motion. b is `config.batch_size`, always full.
    Raises:
        ValueError: no rows.
    """
    return _endless(prepared, rows, config, seed, "train")


def make_pairs(prepared: Prepared, rows, config: DatasetConfig, seed: int) -> tf.data.Dataset:
    """As `make_train`, with any two different frames of a clip in either order.

    Their motion is wider and more varied than from onset to apex: what the displacement network
    warms up on. Needs frames.
    """
    if prepared.motion is not None:
        raise ValueError("pairs need frames; this database holds motion")
    return _endless(prepared, rows, config, seed, "any")


def make_eval(prepared: Prepared, rows, config: DatasetConfig) -> tf.data.Dataset:
    """The evaluation pair (onset and apex) of each clip, once, in the order of `rows`, centre crop.

    Labels are left out on purpose: look them up by row, after predicting.

    Returns:
        Elements (inputs as `make_train`'s, {"row": (b,) int32}): "row" is the clip's index in
        `prepared`, -1 where the last batch is padded to its full size.
    """
    table, load = _table(prepared, rows), _loader(config_of(config), *_geometry(prepared), "eval")
    size = config.batch_size
    places = np.arange(-(-len(table["row"]) // size) * size, dtype=np.int32)
    places[len(table["row"]) :] = -1
    bank, seed = _bank(prepared), tf.zeros(2, tf.int32)
    dataset = tf.data.Dataset.from_tensor_slices(places.reshape(-1, size))
    return dataset.map(lambda place: load(bank, table, seed, place)).prefetch(2)


def config_of(config) -> DatasetConfig:
    """The dataset's part of a larger configuration."""
    names = DatasetConfig.__dataclass_fields__
    return DatasetConfig(**{name: getattr(config, name) for name in names})


def _endless(prepared, rows, config, seed, mode):
    table = _table(prepared, rows)
    load = _loader(config_of(config), *_geometry(prepared), mode)
    bank, upto = _bank(prepared), _quota(table["label"].numpy(), config.balance)
    seed = tf.constant([seed, 0], tf.int32)

    def epoch(number):
        return _epoch(table["label"], upto, _fold_in(_fold_in(seed, 1), number))

    def batch(number, places):
        return load(bank, table, _fold_in(_fold_in(seed, 2), number), places)

    dataset = tf.data.Dataset.range(2**62).map(epoch).unbatch()
    dataset = dataset.batch(config.batch_size, drop_remainder=True).enumerate()
    return dataset.map(batch, num_parallel_calls=2, deterministic=True).prefetch(2)


def _geometry(prepared):
    return prepared.frame_size, prepared.image_size, prepared.maps_per_clip


@functools.lru_cache(maxsize=4)
def _bank(prepared):
    """The images of all clips as one tensor, made once, shared by all folds, off the GPU."""
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(prepared.frames if prepared.motion is None else prepared.motion)


def _table(prepared, rows):
    """What is known of the clips `rows`, as tensors of m entries: all a dataset may look at."""
    rows = np.asarray(rows, np.int32)
    if not len(rows):
        raise ValueError("no rows: a dataset needs at least one clip")
    columns = {
        "row": np.arange(len(prepared), dtype=np.int32),
        "first": prepared.first,
        "onset": prepared.onset,
        "apex": prepared.apex,
        "offset": prepared.offset,
        "frames": prepared.num_frames,
        "label": prepared.labels,
        "regions": prepared.regions,
    }
    with tf.device("CPU:0"):
        return {name: tf.constant(column[rows]) for name, column in columns.items()}


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


def _epoch(labels, upto, seed):
    """Places of an epoch's m clips, shuffled: systematic resampling keeps class counts near exact.

    Each clip comes floor or ceil of its quota times: without balancing, exactly once.
    """
    u = tf.random.stateless_uniform((upto.shape[0] + 1,), seed)
    by_class = tf.argsort(tf.cast(labels, tf.float32) + 0.99 * u[1:])  # random within a class
    points = tf.cast(u[0], tf.float64) + tf.range(upto.shape[0], dtype=tf.float64)
    picks = tf.searchsorted(upto, points, side="right")
    picks = tf.minimum(picks, upto.shape[0] - 1)
    return tf.random.experimental.stateless_shuffle(tf.gather(by_class, picks), _fold_in(seed, 1))


@functools.lru_cache(maxsize=16)
def _loader(config, frame_size, image_size, maps_per_clip, mode):
    """The traced function (bank, table, seed, places) -> element; one trace serves all folds."""
    size = config.batch_size

    @tf.function(reduce_retracing=True)
    def load(bank, table, seed, places):
        clips = {name: tf.gather(column, tf.maximum(places, 0)) for name, column in table.items()}
        evaluate = mode == "eval"
        if evaluate:
            draw = augment.nothing(size)
        else:
            draw = augment.sample(_fold_in(seed, 0), size, config, image_size)
        boxes = augment.apply_to_boxes(clips["regions"], draw, frame_size, image_size)
        inputs = {"regions": boxes}
        if bank.dtype == tf.uint8:
            pair = _PAIRS[mode](
                clips, tf.random.stateless_uniform((2, size), _fold_in(seed, 1)), config
            )
            pair = tf.gather(bank, clips["first"][:, None] + pair)  # (b, 2, S, S)
            noise = 0.0 if evaluate else config.noise
            onset, apex = augment.apply_to_frames(pair, draw, image_size, noise)
            inputs |= {"onset": onset, "apex": apex}
        else:
            inputs["motion"] = _motion(
                bank, clips, draw, maps_per_clip, seed, mode, config, image_size
            )
        if evaluate:
            return inputs, {"row": tf.where(places < 0, -1, clips["row"])}
        return inputs, {"label": clips["label"]}

    return load


def _motion(bank, clips, draw, maps_per_clip, seed, mode, config, image_size):
    which = tf.zeros_like(clips["row"])
    if mode == "train":
        which = tf.random.stateless_uniform(
            which.shape, _fold_in(seed, 1), 0, maps_per_clip, tf.int32
        )
    motion = tf.cast(tf.gather(bank, clips["row"] * maps_per_clip + which), tf.float32)
    reach = 0 if mode == "eval" else augment.shift_reach(config, image_size)
    return augment.apply_to_motion(motion, draw, image_size, reach)


# Each draws frames (b, 2) of the clips, first < second except in "any"; u: (2, b) in [0, 1).


def _evaluation_pair(clips, u, config):
    return tf.stack([clips["onset"], clips["apex"]], 1)


def _training_pair(clips, u, config):
    onset, apex, offset = (tf.cast(clips[name], tf.float32) for name in ("onset", "apex", "offset"))
    rise, decay = apex - onset, tf.maximum(offset - apex, 0.0)
    first = tf.floor(onset + u[0] * (config.onset_jitter * rise + 1.0))
    low, high = apex - config.apex_jitter * rise, apex + config.apex_jitter * decay
    second = tf.floor(low + u[1] * (high - low) + 0.5)
    first = tf.minimum(first, apex - 1.0)
    return tf.cast(tf.stack([first, tf.maximum(second, first + 1.0)], 1), tf.int32)


def _any_pair(clips, u, config):
    count = tf.cast(clips["frames"], tf.float32)
    first = tf.minimum(tf.floor(u[0] * count), count - 1.0)
    second = tf.minimum(tf.floor(u[1] * (count - 1.0)), count - 2.0)
    second += tf.cast(second >= first, tf.float32)  # any frame but the first, equally likely
    return tf.cast(tf.stack([first, second], 1), tf.int32)


_PAIRS = {"eval": _evaluation_pair, "train": _training_pair, "any": _any_pair}
