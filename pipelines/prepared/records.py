"""The prepared form of a clip: what is kept of it, and how it lies in a TFRecord.

A record of frames holds `frames`, raw uint8 of shape (t, S, S, 1), onset, apex (-1 where the
database has no label) and offset as indices into them, `regions` (9 boxes as fractions) and
`landmarks` (478 points in px of the aligned image). A record of ready-made motion holds `motion`,
raw float32 of shape (h, w, 3), channels u, v, strain. `arrays.py` reads them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import os
import pathlib
import typing

import numpy as np

from pipelines import schema

CLIPS_PER_SHARD = 64


@dataclasses.dataclass(frozen=True)
class Record:
    """One prepared clip: its line in the manifest and its features."""

    entry: dict
    features: dict


def keep_frames(clip: schema.Clip, max_frames: int) -> list[int]:
    """Which frames of a clip are kept: at most `max_frames` indices, in time order.

    Onset, apex and offset always (the middle where there is no apex), the rest evenly spread.
    """
    middle = (clip.onset + clip.offset) // 2
    kept = {clip.onset, clip.offset, middle if clip.apex is None else clip.apex}
    count = len(clip.frames)
    if count <= max_frames:
        return list(range(count))
    # The even grid loses the points nearest to the frames that must stay.
    grid = [round(i) for i in np.linspace(0, count - 1, max_frames)]
    free = sorted(set(grid) - kept, key=lambda i: min(abs(i - j) for j in kept), reverse=True)
    return sorted(kept | set(free[: max_frames - len(kept)]))


def frames_record(clip: schema.Clip, options) -> Record:
    """Reads, detects, aligns: the record of one clip of frames.

    Args:
        clip: as a database's `read` returns it.
        options: `pipelines.options.PreparationOptions`.
    Raises:
        DataError: a frame is broken, or no face is found on the onset frame.
    """
    from pipelines.faces import align, apex, frames

    if not 0 <= clip.onset < clip.offset < len(clip.frames):
        raise schema.DataError(f"{clip.key}: onset and offset do not fit its frames")
    if clip.apex is not None and not clip.onset <= clip.apex <= clip.offset:
        raise schema.DataError(f"{clip.key}: apex {clip.apex} lies outside the clip")
    kept = keep_frames(clip, options.max_frames)
    onset, offset = kept.index(clip.onset), kept.index(clip.offset)
    images = frames.iterate_frames([clip.frames[i] for i in kept])
    shape, name = (options.image_size, options.margin), clip.frames[clip.onset]
    aligned = align.align_clip(images, onset, *shape, options.rigid, name=name)
    boxes = align.region_boxes(aligned.landmarks, aligned.frames.shape[1])
    peak: int | None
    if options.apex == "spotted":
        peak = apex.spot(aligned.frames, boxes, onset, offset)
    elif options.apex == "middle":
        peak = apex.middle(onset, offset)
    else:
        peak = None if clip.apex is None else kept.index(clip.apex)
    moved = dataclasses.replace(
        clip,
        notes=clip.notes + ((aligned.note,) if aligned.note else ()),
        frames=tuple(clip.frames[i] for i in kept),
        numbers=tuple(clip.numbers[i] for i in kept),
        onset=onset,
        apex=peak,
        offset=offset,
    )
    features = {
        "frames": aligned.frames.tobytes(),
        "landmarks": aligned.landmarks.astype(np.float32).ravel(),
        "regions": boxes.astype(np.float32).ravel(),
    }
    record = _record(moved, features)
    record.entry["matrix"] = aligned.matrix.tolist()  # px of the onset frame -> aligned px
    return record


def motion_record(clip: schema.Clip, database) -> Record:
    """The record of one clip of ready-made motion, read by `database.read_motion`."""
    motion = database.read_motion(clip.frames[0])  # (h, w, 3)
    features = {
        "motion": motion.astype("<f4").tobytes(),
        "regions": np.asarray(database.region_boxes, np.float32).ravel(),
    }
    record = _record(clip, features)
    record.entry["shape"] = list(motion.shape[:2])
    return record


def _record(clip: schema.Clip, features: dict) -> Record:
    values = dataclasses.asdict(clip)
    values["num_frames"] = len(values.pop("frames"))
    entry = {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}
    return Record({"key": clip.key, "subject_key": clip.subject_key, **entry}, features)


def _example(record: Record) -> bytes:
    """Serialises a record as a tf.train.Example, the same bytes for the same record."""
    import tensorflow as tf

    entry = record.entry
    features = {"key": entry["key"].encode(), **record.features}
    for name in ("num_frames", "onset", "offset", "label"):
        features[name] = entry[name]
    features["apex"] = -1 if entry["apex"] is None else entry["apex"]

    def feature(value):
        if isinstance(value, bytes):
            return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
        if isinstance(value, int):
            return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        return tf.train.Feature(float_list=tf.train.FloatList(value=value))

    named = {name: feature(value) for name, value in features.items()}
    example = tf.train.Example(features=tf.train.Features(feature=named))
    return example.SerializeToString(deterministic=True)


class Writer:
    """Writes records to shards as they come; never holds more than one of them.

    Raises OSError, with the name of the shard, where the disk is full or fails.
    """

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.entries: list[dict] = []
        self._digest = hashlib.sha256()
        self._shard: typing.Any = None
        self._name = ""

    def write(self, record: Record) -> None:
        import tensorflow as tf

        index, first = divmod(len(self.entries), CLIPS_PER_SHARD)
        if first == 0:
            self.close()
            self._name = f"shard-{index:05d}.tfrecord"
            self._shard = tf.io.TFRecordWriter(str(self.folder / self._name))
        data = _example(record)
        self._digest.update(data)
        with self._failing_as_files_do():
            self._shard.write(data)
        self.entries.append({**record.entry, "shard": self._name})

    @property
    def digest(self) -> str:
        """sha256 over all records so far, hexadecimal."""
        return self._digest.hexdigest()

    def close(self) -> None:
        shard, self._shard = self._shard, None
        if shard is not None:
            with self._failing_as_files_do():
                shard.close()

    @contextlib.contextmanager
    def _failing_as_files_do(self):
        import tensorflow as tf

        try:
            yield
        except tf.errors.OpError as error:
            full = isinstance(error, tf.errors.ResourceExhaustedError)
            number = errno.ENOSPC if full else errno.EIO
            path = str(self.folder.parent / self._name)  # the folder is gone when this is read
            raise OSError(number, os.strerror(number), path) from error
