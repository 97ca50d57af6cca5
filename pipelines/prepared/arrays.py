"""The prepared clips as arrays in memory, read from the TFRecords of a prepared folder."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib

import numpy as np

from pipelines.prepared.manifest import REMEDY, checked_manifest
from pipelines.schema import REGIONS, DataError

_ALIGNMENT = 64  # bytes, of every tensor


@dataclasses.dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared database of n clips in memory; row i of every array is clip i of the manifest."""

    path: str  # the folder it came from
    kind: str  # "frames", or "precomputed" where clips hold motion instead of frames
    frame_size: int  # side S of the stored images, px
    image_size: int  # side of the crop the model sees, px; the rest is margin for random shifts
    digest: str  # of the records, as in the manifest
    classes: tuple[str, ...]  # names of the labels
    frames: np.ndarray  # (sum of num_frames, S, S) uint8, clip after clip; empty for motion
    first: np.ndarray  # (n,) row of `frames` where each clip starts
    # (n,) indices into the clip. `apex` is the annotated (or spotted) one that the record holds,
    # else the frame nearest to the middle between onset and offset.
    onset: np.ndarray
    apex: np.ndarray
    offset: np.ndarray
    num_frames: np.ndarray  # (n,) int32
    labels: np.ndarray  # (n,) int32
    regions: np.ndarray  # (n, 9, 4) float32 y1, x1, y2, x2, fractions of the S-px image
    keys: np.ndarray  # (n,) str
    subject_keys: np.ndarray
    datasets: np.ndarray
    # (n * maps_per_clip, S, S, c) float; None for frames. The first map of a clip is that of its
    # evaluation pair, the others are of other pairs.
    motion: np.ndarray | None = None
    maps_per_clip: int = 1

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def bank(self):
        """The images (frames or motion) as one tensor off the GPU, made once for all folds.

        It shares the array's memory: a large database must not lie in memory twice.
        """
        import tensorflow as tf

        images = self.frames if self.motion is None else self.motion
        if images.ctypes.data % _ALIGNMENT:
            copy = aligned_empty(images.shape, images.dtype)
            copy[:] = images
            images = copy
        return tf.experimental.dlpack.from_dlpack(images.__dlpack__())

    def select(self, rows, labels, classes) -> Prepared:
        """The clips `rows` alone, in that order, with other labels: what a protocol takes.

        Args:
            rows: indices of clips. labels: (len(rows),) int. classes: names of the labels.
        """
        rows = np.asarray(rows)
        columns: dict = {name: getattr(self, name)[rows] for name in _PER_CLIP}
        motion = self.motion
        if motion is not None:
            per_clip = motion.reshape(len(self), self.maps_per_clip, *motion.shape[1:])
            motion = per_clip[rows].reshape(-1, *motion.shape[1:])
        kept = hashlib.sha256(f"{self.digest} {list(rows)}".encode()).hexdigest()
        return dataclasses.replace(
            self,
            **columns,
            motion=motion,
            labels=np.asarray(labels, np.int32),
            classes=tuple(classes),
            digest=self.digest if np.array_equal(rows, range(len(self))) else kept,
        )

    @property
    def table(self) -> dict[str, np.ndarray]:
        """Columns that go beside a prediction: key, subject_key, dataset, label."""
        return {
            "key": self.keys,
            "subject_key": self.subject_keys,
            "dataset": self.datasets,
            "label": self.labels,
        }


def aligned_empty(shape, dtype) -> np.ndarray:
    """As `np.empty`, placed so that TensorFlow can use the memory without a copy."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % _ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


_PER_CLIP = ("first", "onset", "apex", "offset", "num_frames", "regions", "keys", "subject_keys",
             "datasets")  # fmt: skip


def open_prepared(path) -> Prepared:
    """Reads a prepared folder into memory, once, and checks it against its manifest.

    Raises:
        DataError: no or unreadable manifest, another format, a missing or damaged shard, records
            that are not those of the manifest.
    """
    path = pathlib.Path(path)
    manifest = checked_manifest(path)
    try:
        return _read_records(path, manifest)
    except KeyError as error:
        raise DataError(f"{path}: no {error} in the manifest or a record; {REMEDY}") from None


def _read_records(path, manifest):
    clips, size, kind = manifest["clips"], manifest["frame_size"], manifest["kind"]
    counts = np.array([c["num_frames"] if kind == "frames" else 0 for c in clips], np.int32)
    first = np.cumsum(counts) - counts
    frames = aligned_empty((counts.sum(), size, size), np.uint8)
    motion = None
    if kind == "precomputed":
        motion = aligned_empty((len(clips), size, size, 3), np.float32)
    regions = np.empty((len(clips), len(REGIONS), 4), np.float32)
    names = ("onset", "apex", "offset", "label")
    columns = {name: np.empty(len(clips), np.int32) for name in names}
    hasher = hashlib.sha256()
    for i, (raw, record) in enumerate(_records(path, clips)):
        hasher.update(raw)
        for name, column in columns.items():
            column[i] = record[name]
        if (record["key"].decode(), record["label"]) != (clips[i]["key"], clips[i]["label"]):
            raise DataError(f"{path}: record {i} is not {clips[i]['key']} as listed; {REMEDY}")
        regions[i] = record["regions"].reshape(-1, 4)
        if motion is None:
            part = frames[first[i] : first[i] + counts[i]]
            part[:] = _array(path, record, "frames", np.uint8, part.shape)
        else:
            motion[i] = _array(path, record, "motion", np.float32, motion[i].shape)
    if hasher.hexdigest() != manifest["digest"]:
        raise DataError(f"{path}: records differ from the manifest's digest; {REMEDY}")
    if kind == "frames":
        columns["apex"] = np.array([_apex(path, clip) for clip in clips], np.int32)
    return Prepared(
        path=str(path),
        kind=kind,
        frame_size=size,
        image_size=manifest["image_size"],
        digest=manifest["digest"],
        classes=tuple(manifest["classes"]),
        frames=frames,
        first=first.astype(np.int32),
        onset=columns["onset"],
        apex=columns["apex"],
        offset=columns["offset"],
        num_frames=counts,
        labels=columns["label"],
        regions=regions,
        keys=np.array([c["key"] for c in clips]),
        subject_keys=np.array([c["subject_key"] for c in clips]),
        datasets=np.array([c["dataset"] for c in clips]),
        motion=motion,
    )


def _apex(path, clip):
    """Index of the evaluation pair's second frame."""
    onset, apex, offset = clip["onset"], clip["apex"], clip["offset"]
    if not 0 <= onset < offset < clip["num_frames"] or (apex or 0) > offset:
        raise DataError(f"{path}: {clip['key']}: onset, apex, offset do not fit; {REMEDY}")
    # An apex on the onset would pair a frame with itself: no motion to see.
    if apex is not None and apex > onset:
        return apex
    numbers = np.array(clip["numbers"])
    middle = (numbers[onset] + numbers[offset]) / 2
    return onset + 1 + int(np.argmin(np.abs(numbers[onset + 1 : offset + 1] - middle)))


def _records(path, clips):
    """Yields each serialized tf.train.Example, and what it holds: name -> bytes, int, or floats."""
    import tensorflow as tf

    shards = list(dict.fromkeys(c["shard"] for c in clips))
    for shard in shards:
        if not (path / shard).is_file():
            raise DataError(f"{path / shard}: shard is missing; {REMEDY}")
    count = 0
    try:
        for raw in tf.data.TFRecordDataset([str(path / s) for s in shards]).as_numpy_iterator():
            count += 1
            if count <= len(clips):
                yield raw, _parse(tf.train.Example.FromString(raw))
    except tf.errors.DataLossError:
        raise DataError(f"{path}: damaged after record {count}; {REMEDY}") from None
    if count != len(clips):
        raise DataError(f"{path}: {count} records, but the manifest lists {len(clips)}; {REMEDY}")


def _parse(example):
    record: dict = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = getattr(feature, kind).value
        record[name] = np.array(values, np.float32) if kind == "float_list" else values[0]
    return record


def _array(path, record, name, dtype, shape):
    values = np.frombuffer(record[name], dtype)
    if values.size != np.prod(shape):
        raise DataError(
            f"{path}: {record['key'].decode()} has {values.size} values of {name}, "
            f"expected {'x'.join(map(str, shape))}; {REMEDY}"
        )
    return values.reshape(shape)
