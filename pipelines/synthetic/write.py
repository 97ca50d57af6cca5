"""Writes synthetic databases to disk in the layouts of the real ones, with their ground truth.

    generate(out, SynthesisConfig(...))    a database of its own subjects and clips, and `truth.json`
    write_smic(out, table, layout)         faces under the real names and frame numbers of SMIC-HS

A tree is written into a temporary sibling folder and renamed when whole.
"""

import concurrent.futures
import contextlib
import dataclasses
import functools
import json
import multiprocessing
import os
import pathlib
import shutil
import sys
import tempfile

import cv2
import numpy as np
import tqdm

from pipelines.flags import option
from pipelines.schema import CLASSES, DataError
from pipelines.synthetic import clip as clips
from pipelines.synthetic import layouts, motion

TRUTH = "truth.json"
FORMAT = 1
# What a class is called in each layout; CASME II's words are mapped to classes by its protocol.
EMOTIONS = {
    "smic": (("negative",), ("positive",), ("surprise",)),
    "casme2": (("disgust", "repression"), ("happiness",), ("surprise",)),
}
EYE_DISTANCE = {"smic": 94 / 640, "casme2": 130 / 640}  # of the frame's width
CROP = np.float32([(-1.3, -0.95), (1.3, 2.0)])  # SMIC_all_cropped keeps this much, in eye distances
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
CLIPS_PER_JOB = 6


@dataclasses.dataclass(frozen=True)
class SynthesisConfig:
    """The knobs of the synthetic database. Sizes in px are those of the 128 px aligned face."""

    layout: str = option("smic", "on-disk layout and naming", choices=("smic", "casme2"))
    num_subjects: int = option(8, "subjects, each with a face of its own")
    clips_per_class: int = option(4, "clips of each of the three classes for each subject")
    num_frames: int = option(12, "mean number of frames of a clip, onset to offset")
    amplitude_px: float = option(0.6, "mean motion of the face at the apex, px; 0: no expression")
    noise: float = option(2.0, "standard deviation of the sensor noise, grey levels")
    drift: float = option(1.0, "how far the head drifts during a clip, px")
    flicker: float = option(0.01, "amplitude of the lamp's flicker, share of the brightness")
    frame_size: tuple[int, ...] = option((640, 480), "width and height of a frame, px", nargs=2)
    seed: int = option(0, "of all chance: subjects, clips, noise")

    def __post_init__(self):
        if self.layout not in EMOTIONS:
            raise ValueError(f"layout must be one of {', '.join(EMOTIONS)}, got {self.layout!r}")
        for name in ("num_subjects", "clips_per_class"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_frames < 4:
            raise ValueError(f"num_frames must be at least 4, got {self.num_frames}")
        for name in ("amplitude_px", "noise", "drift", "flicker", "seed"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if len(self.frame_size) != 2 or self.frame_size[0] < 160 or self.frame_size[1] < 120:
            raise ValueError(f"frame_size must be at least 160 120, got {self.frame_size}")


@dataclasses.dataclass(frozen=True)
class Job:
    """A clip to write: its specification, which of its frames, and to which paths below the root."""

    spec: clips.ClipSpec
    frames: tuple
    paths: tuple
    crop: bool = False


def draw_spec(config, subject, number, emotion):
    """Draws clip `number` (0-based, of all the subject's clips) of `subject` (1-based)."""
    rng = np.random.default_rng([config.seed, subject, number])
    length = max(4, round(config.num_frames * rng.uniform(0.8, 1.2)))
    apex = int(np.clip(round((length - 1) * rng.normal(0.5, 0.07)), 1, length - 2))
    unit = config.frame_size[0] / 640
    pose = (rng.uniform(0.95, 1.05), rng.normal(0, 2.5), *(unit * rng.uniform(-12, 12, 2)))
    return clips.ClipSpec(
        subject=config.seed * 10007 + subject,
        seed=int(rng.integers(2**31)),
        emotion=emotion,
        units=motion.draw_units(rng, emotion),
        amplitude=config.amplitude_px * round(float(rng.uniform(0.75, 1.25)), 3),
        num_frames=length,
        apex=apex,
        end_level=round(float(rng.uniform(0.1, 0.7)), 3),
        frame_size=tuple(config.frame_size),
        eye_distance=EYE_DISTANCE[config.layout] * config.frame_size[0],
        pose=tuple(round(float(value), 4) for value in pose),
        drift=config.drift,
        flicker=config.flicker,
        noise=config.noise,
    )


def _draw_database(config):
    """Every clip of the database: (subject number, class index, index in class, spec, onset number)."""
    for subject in range(1, config.num_subjects + 1):
        number, frame = 0, 1000 * subject
        for label, words in enumerate(EMOTIONS[config.layout]):
            for i in range(config.clips_per_class):
                spec = draw_spec(config, subject, number, words[i % len(words)])
                yield subject, label, i + 1, spec, frame
                number, frame = number + 1, frame + spec.num_frames + 37


def _plan_smic(config):
    jobs, truth = [], {}
    for subject, label, i, spec, first in _draw_database(config):
        name = f"s{subject:02d}_{layouts.SMIC_TOKENS[label]}_{i:02d}"
        numbers = range(first, first + spec.num_frames)
        paths = tuple(str(layouts.smic_frame("raw", name, label, n)) for n in numbers)
        jobs.append(Job(spec, tuple(range(spec.num_frames)), paths))
        truth[f"s{subject:02d}/{name}"] = spec
    return jobs, truth, []


def _plan_casme2(config):
    jobs, truth, rows = [], {}, []
    for subject, label, i, spec, first in _draw_database(config):
        folder, name = f"sub{subject:02d}", f"EP{label + 1:02d}_{i:02d}"
        first -= 999 * subject  # the real numbers are small: text order and number order differ
        numbers = range(first, first + spec.num_frames)
        paths = tuple(str(layouts.casme2_frame(folder, name, n)) for n in numbers)
        jobs.append(Job(spec, tuple(range(spec.num_frames)), paths))
        truth[f"{folder}/{name}"] = spec
        units = "+".join(spec.action_units)
        units = int(units) if units.isdigit() else units  # the real column mixes numbers and text
        rows.append((folder, name, first, first + spec.apex, numbers[-1], units, spec.emotion))
    return jobs, truth, rows


def _crop(image, spec):
    to_frame = clips.face_to_frame(spec)
    corners = CROP @ to_frame[:2, :2].T * [1, 1] + to_frame[:2, 2]
    (x0, y0), (x1, y1) = np.maximum(np.rint(corners), 0).astype(int)
    return image[min(y0, y1) : max(y0, y1), min(x0, x1) : max(x0, x1)]


def _write_job(root, job):
    """Renders one clip's frames and writes them below `root`; returns how many."""
    for image, path in zip(clips.render(job.spec, job.frames), job.paths):
        path = pathlib.Path(root, path)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = _crop(image, job.spec) if job.crop else image
        options = JPEG if path.suffix == ".jpg" else []
        if not cv2.imwrite(str(path), image[..., ::-1], options):
            raise DataError(f"{path}: cannot be written; is the disk full?")
    return len(job.paths)


def _write_batch(root, batch):
    cv2.setNumThreads(1)  # the processes share the cores already
    return sum(_write_job(root, job) for job in batch)


def _batches(jobs):
    """Jobs of one subject together, so that a process paints each face once for several clips."""
    by_subject = {}
    for job in jobs:
        by_subject.setdefault(job.spec.subject, []).append(job)
    for own in by_subject.values():
        count = max(1, round(len(own) / CLIPS_PER_JOB / 2)) if len(own) > 12 else 1
        size = -(-len(own) // count)
        yield from (own[i : i + size] for i in range(0, len(own), size))


def _write_all(root, jobs, workers):
    batches = sorted(_batches(jobs), key=len, reverse=True)
    workers = min(workers or len(os.sched_getaffinity(0)), len(batches))
    total = sum(len(job.paths) for job in jobs)
    write = functools.partial(_write_batch, root)
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            tqdm.tqdm(total=total, unit="frame", desc="render", disable=not sys.stderr.isatty())
        )
        if workers == 1:
            counts = map(write, batches)
        else:
            spawn = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(workers, spawn)
            counts = stack.enter_context(pool).map(write, batches)
        for count in counts:
            bar.update(count)


@contextlib.contextmanager
def _whole_or_nothing(out):
    """Gives a temporary folder beside `out` that becomes `out` when the block ends well."""
    out = pathlib.Path(out)
    if out.exists() and not (out / TRUTH).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is in use and is not a synthetic database; choose another folder")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = pathlib.Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise DataError(f"{out}: cannot be created ({error.strerror}); choose another folder") from None
    try:
        temporary.chmod(0o755)
        yield temporary
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _write_truth(root, config, truth):
    record = {
        "format": FORMAT,
        "config": dataclasses.asdict(config) if config else None,
        "clips": {key: spec.to_json() for key, spec in truth.items()},
    }
    (root / TRUTH).write_text(json.dumps(record, indent=1) + "\n")


def generate(out, config=None, workers=None):
    """Renders a database into the folder `out`, replacing a synthetic one that is there.

    Args:
        out: folder to make.
        config: `SynthesisConfig`; the defaults when None.
        workers: processes; one per core when None.
    Raises:
        DataError: `out` holds something else, or cannot be written.
    """
    config = config or SynthesisConfig()
    plan = {"smic": _plan_smic, "casme2": _plan_casme2}[config.layout]
    with _whole_or_nothing(out) as root:
        jobs, truth, rows = plan(config)
        _write_all(root, jobs, workers)
        if rows:
            sheet = layouts.casme2_annotation(rows)
            layouts.write_sheet(sheet, root / layouts.CASME2_SHEET, "Sheet1")
        _write_truth(root, config, truth)


def write_smic(out, table, layout="raw", config=None, keep_frames=None, workers=None):
    """Renders SMIC-HS clips under their real names and frame numbers.

    Args:
        out: folder to make: the root of a copy of SMIC.
        table: DataFrame with columns subject ("s01"), clip ("s01_ne_01"), onset, offset, label.
        layout: "raw", "cropped" or "long" (SMIC-HS-E, with its annotation sheet).
        config: `SynthesisConfig`, whose subjects and clip counts the table replaces.
        keep_frames: frames per clip to write, spread evenly with both ends kept; all when None.
        workers: processes; one per core when None.
    """
    if layout not in layouts.SMIC_LAYOUTS:
        raise ValueError(f"layout must be one of {layouts.SMIC_LAYOUTS}, got {layout!r}")
    config = config or SynthesisConfig()
    with _whole_or_nothing(out) as root:
        jobs, truth = [], {}
        for number, row in enumerate(table.itertuples(index=False)):
            onset, offset, label = int(row.onset), int(row.offset), int(row.label)
            length = offset - onset + 1
            spec = draw_spec(config, int(row.subject[1:]), number, CLASSES[label])
            spec = dataclasses.replace(spec, num_frames=length, apex=(length - 1) // 2)
            keep = np.linspace(0, length - 1, min(keep_frames or length, length)).round().astype(int)
            paths = [str(layouts.smic_frame(layout, row.clip, label, onset + i)) for i in keep]
            jobs.append(Job(spec, tuple(keep.tolist()), tuple(paths), layout == "cropped"))
            truth[f"{row.subject}/{row.clip}"] = spec
        _write_all(root, jobs, workers)
        if layout == "long":
            rows = table[["clip", "label", "onset", "offset"]].itertuples(index=False, name=None)
            folder = root / "HS_long"
            sheet = layouts.smic_e_annotation(rows)
            layouts.write_sheet(sheet, folder / layouts.SMIC_E_SHEET, "HS")
        _write_truth(root, None, truth)


def read_truth(root):
    """Ground truth of a generated tree.

    Returns:
        (config, clips): the `SynthesisConfig` (None for a tree of `write_smic`), and a dict from
        "s01/s01_ne_01" to `ClipSpec`.
    Raises:
        DataError: there is no readable `truth.json` in `root`.
    """
    path = pathlib.Path(root, TRUTH)
    try:
        record = json.loads(path.read_text())
        config = record["config"]
        if config:
            config = SynthesisConfig(**{**config, "frame_size": tuple(config["frame_size"])})
        return config, {k: clips.ClipSpec.from_json(v) for k, v in record["clips"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "make the database with `python -m pipelines.synthetic --out DIR`"
        raise DataError(f"{path}: no ground truth of a synthetic database ({error}); {remedy}") from None
