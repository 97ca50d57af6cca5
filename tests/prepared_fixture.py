"""Writes small prepared databases, in the form `pipelines.prepare` writes, for tests to read."""

import hashlib
import json
import pathlib

import numpy as np
import tensorflow as tf

from pipelines import schema

# Boxes that no mirror maps onto themselves, so that a forgotten mirror shows.
BOXES = np.stack(
    [(0.1 + 0.05 * r, 0.15 + 0.03 * r, 0.3 + 0.05 * r, 0.4 + 0.04 * r) for r in range(9)]
).astype(np.float32)


def frames_of(clip, num_frames, size):
    """(t, S, S) uint8: pixel 0,0 is the clip's number, pixel 0,1 the frame's, the rest noise."""
    frames = np.random.default_rng(clip).integers(0, 256, (num_frames, size, size), np.uint8)
    frames[:, 0, 0] = clip
    frames[:, 0, 1] = np.arange(num_frames)
    return frames


def write_prepared(path, clips, image_size=16, margin=2, kind="frames", edit=None):
    """Writes a prepared database and returns its path.

    Args:
        clips: list of dicts: subject, label and, as wanted, frames (t, S, S) uint8 or
            motion (S, S, 3) float32, onset, apex, offset, num_frames, regions.
        edit: a function that changes the manifest before it is written.
    """
    path = pathlib.Path(path)
    path.mkdir(parents=True)
    size = image_size + 2 * margin
    entries, hasher = [], hashlib.sha256()
    with tf.io.TFRecordWriter(str(path / "shard-00000.tfrecord")) as writer:
        for i, clip in enumerate(clips):
            entry, raw = _record(i, clip, size, kind)
            writer.write(raw)
            hasher.update(raw)
            entries.append(entry)
    manifest = {
        "format": 1,
        "dataset": "made",
        "kind": kind,
        "parameters": {},
        "digest": hasher.hexdigest(),
        "versions": {},
        "frame_size": size,
        "image_size": image_size,
        "margin": margin,
        "clips": entries,
        "skipped": [],
        "regions": schema.REGIONS,
        "classes": schema.CLASSES,
    }
    if edit:
        edit(manifest)
    (path / "manifest.json").write_text(json.dumps(manifest))
    return path


def _record(i, clip, size, kind):
    subject = f"s{clip['subject']:02d}"
    key = f"made/{subject}/c{i:03d}"
    count = clip.get("num_frames", 12) if kind == "frames" else 1
    frames = clip.get("frames", None if kind != "frames" else frames_of(i, count, size))
    count = count if frames is None else len(frames)
    spans = {"onset": 0, "apex": None, "offset": count - 1} | {
        k: clip[k] for k in ("onset", "apex", "offset") if k in clip
    }
    features = {
        "key": _bytes(key.encode()),
        "num_frames": _ints(count),
        "label": _ints(clip["label"]),
        "regions": _floats(clip.get("regions", BOXES)),
        **{k: _ints(-1 if v is None else v) for k, v in spans.items()},
    }
    if kind == "frames":
        features["frames"] = _bytes(frames.tobytes())
        features["landmarks"] = _floats(np.zeros(956))
    else:
        features["motion"] = _bytes(clip["motion"].astype(np.float32).tobytes())
    raw = tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString(
        deterministic=True
    )
    entry = {
        "key": key,
        "dataset": "made",
        "subject": subject,
        "subject_key": f"made/{subject}",
        "clip": f"c{i:03d}",
        "label": clip["label"],
        "emotion": schema.CLASSES[clip["label"]],
        "action_units": [],
        **spans,
        "num_frames": count,
        "numbers": list(range(count)),
        "shard": "shard-00000.tfrecord",
    }
    return entry, raw


def _bytes(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _ints(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def _floats(value):
    return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(value)))
