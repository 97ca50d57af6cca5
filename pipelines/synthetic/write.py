"""Writes synthetic databases to disk in the layouts of the real ones, with their ground truth.

    generate(out, SynthesisConfig(...))    a database of its own subjects and clips, and truth.json
    write_census(out, "samm")              as many clips of each emotion as a real database has
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
import typing

import cv2
import numpy as np
import tqdm

from pipelines.schema import DataError
from pipelines.synthetic import census, layouts
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan as plans

TRUTH = "truth.json"
FORMAT = 1
CROP = np.array([(-1.3, -0.95), (1.3, 2.0)])  # SMIC_all_cropped keeps this much, in eye distances
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
CLIPS_PER_BATCH = 12


def _crop(image, spec):
    """The part of a frame around the face, as face detectors cut it."""
    to_frame = clips.face_to_frame(spec)
    upright = np.hypot(to_frame[0, 0], to_frame[1, 0])  # as large as the face, but not turned
    corners = CROP * upright + to_frame[:2, 2]
    (x0, y0), (x1, y1) = np.maximum(np.rint(corners), 0).astype(int)
    return image[y0:y1, x0:x1]


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
    """Jobs of one subject together: a process paints a face once for up to `CLIPS_PER_BATCH`."""
    by_subject: dict[int, list] = {}
    for job in jobs:
        by_subject.setdefault(job.spec.subject, []).append(job)
    for own in by_subject.values():
        yield from (own[i : i + CLIPS_PER_BATCH] for i in range(0, len(own), CLIPS_PER_BATCH))


def _write_all(root, jobs, workers):
    batches = sorted(_batches(jobs), key=len, reverse=True)
    workers = min(workers or len(os.sched_getaffinity(0)), len(batches))
    total = sum(len(job.paths) for job in jobs)
    write = functools.partial(_write_batch, root)
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(
            tqdm.tqdm(total=total, unit="frame", desc="render", disable=not sys.stderr.isatty())
        )
        mapped: typing.Callable = map
        if workers > 1:
            spawn = multiprocessing.get_context("spawn")
            pool = concurrent.futures.ProcessPoolExecutor(workers, spawn)
            mapped = stack.enter_context(pool).map
        for count in mapped(write, batches):
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
        raise DataError(
            f"{out}: cannot be created ({error.strerror}); choose another folder"
        ) from None
    try:
        temporary.chmod(0o755)
        yield temporary
        if out.exists():
            shutil.rmtree(out)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_plan(out, plan, config=None, workers=None):
    """Renders a `Plan` into the folder `out`; `config` is recorded with the ground truth."""
    with _whole_or_nothing(out) as root:
        _write_all(root, plan.jobs, workers)
        for path, name, table in plan.sheets:
            layouts.write_sheet(table, root / path, name)
        record = {
            "format": FORMAT,
            "config": dataclasses.asdict(config) if config else None,
            "clips": {key: spec.to_json() for key, spec in plan.truth.items()},
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
    config = config or plans.SynthesisConfig()
    write_plan(out, plans.plan_database(config), config, workers)


def write_census(out, database, rows=None, config=None, workers=None):
    """Renders a whole database, or `rows` of it, with its real totals, names' pattern and errata.

    Args:
        out: folder to make: the root of a copy.
        database: a key of `copies.COPIES`.
        rows: list of `copies.Row`; all of `census.rows(database)` when None.
        config: `SynthesisConfig`, whose layout, subjects and clip counts the rows replace.
        workers: processes; one per core when None.
    """
    config = dataclasses.replace(config or plans.SynthesisConfig(), layout=database)
    rows = census.rows(database) if rows is None else rows
    write_plan(out, plans.plan_rows(config, rows), None, workers)


def write_smic(out, table, layout="raw", config=None, keep_frames=None, workers=None):
    """Renders SMIC-HS clips under their real names and frame numbers.

    What a real release lacks is not written: "cropped" is without s18_sur_03 and five frames,
    "long" without three clips; and its sheet has the real sheet's errors.

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
    plan = plans.plan_table(table, layout, config or plans.SynthesisConfig(), keep_frames)
    write_plan(out, plan, None, workers)


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
        if record["format"] != FORMAT:
            raise ValueError(f"format {record['format']}, expected {FORMAT}")
        config = record["config"]
        if config:
            config["frame_size"] = tuple(config["frame_size"])
            config = plans.SynthesisConfig(**config)
        return config, {k: clips.ClipSpec.from_json(v) for k, v in record["clips"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "make the database with `python -m pipelines.synthetic --out DIR`"
        message = f"{path}: no ground truth of a synthetic database ({error}); {remedy}"
        raise DataError(message) from None
