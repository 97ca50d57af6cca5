"""Writes small prepared databases, in the form `pipelines.prepare` writes, for tests to read."""

import pathlib

import numpy as np

from pipelines import schema
from pipelines.prepared import manifest as manifests
from pipelines.prepared import records

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
    writer = records.Writer(path)
    for i, clip in enumerate(clips):
        writer.write(_record(i, clip, size, kind))
    writer.close()
    manifest = {
        "format": manifests.FORMAT,
        "dataset": "made",
        "kind": kind,
        "parameters": {},
        "digest": writer.digest,
        "versions": {},
        "frame_size": size,
        "image_size": image_size,
        "margin": margin,
        "clips": writer.entries,
        "skipped": [],
        "regions": schema.REGIONS,
        "classes": schema.CLASSES,
    }
    if edit:
        edit(manifest)
    manifests.write_manifest(path, manifest)
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
    }
    features = {"regions": np.float32(clip.get("regions", BOXES)).ravel()}
    if kind == "frames":
        features |= {"frames": frames.tobytes(), "landmarks": np.zeros(956, np.float32)}
    else:
        features["motion"] = clip["motion"].astype("<f4").tobytes()
    return records.Record(entry, features)
