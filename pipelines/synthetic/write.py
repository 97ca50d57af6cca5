"""Writes a synthetic database to disk in the layout of a real one, with its ground truth.

It is written into a folder beside and renamed when whole.
"""

import dataclasses
import functools
import json
import pathlib

import cv2

from pipelines import files, parallel
from pipelines.progress import Progress
from pipelines.schema import DataError
from pipelines.synthetic import clip as clips
from pipelines.synthetic import layouts
from pipelines.synthetic import plan as plans

TRUTH = "truth.json"
FORMAT = 1
JPEG = [cv2.IMWRITE_JPEG_QUALITY, 95]
CLIPS_PER_BATCH = 12


def generate(out, config=None, jobs: int = 0) -> None:
    """Renders a database into the folder `out`, replacing a synthetic one that is there.

    Args:
        config: `options.SynthesisConfig`; the defaults when None.
        jobs: processes; 0 for one per core.
    Raises:
        DataError: `out` holds something else, or cannot be written.
    """
    config = config or plans.SynthesisConfig()
    planned = plans.plan(config)
    with new_folder(out) as root:
        write_frames(root, planned, jobs)
        layout = layouts.LAYOUTS[config.layout]
        if layout.sheet:
            cells = [layout.cells(job.row) for job in planned]
            layouts.write_sheet(root / layout.sheet, layout.tab, layout.columns, cells)
        write_truth(root, planned, config)


def new_folder(out):
    """As `files.replaced_whole`. Raises DataError if `out` is in use as something else."""
    out = pathlib.Path(out).expanduser()
    if out.exists() and not (out / TRUTH).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is in use and is not a synthetic database; choose another folder")
    return files.replaced_whole(out)


def write_frames(root, planned, jobs: int = 0) -> None:
    """Renders the frames of `plan.Job`s below `root`, in parallel processes."""
    batches = sorted(_batches(planned), key=len, reverse=True)
    write = functools.partial(_write_batch, root)
    with Progress(sum(len(job.paths) for job in planned), "render", "frame") as progress:
        for _, count in parallel.run(write, batches, min(jobs or parallel.cores(), len(batches))):
            progress.update(count)


def _batches(planned):
    """Clips of one subject together: a process paints a face once for `CLIPS_PER_BATCH` of them."""
    by_subject: dict[int, list] = {}
    for job in planned:
        by_subject.setdefault(job.spec.subject, []).append(job)
    for own in by_subject.values():
        yield from (own[i : i + CLIPS_PER_BATCH] for i in range(0, len(own), CLIPS_PER_BATCH))


def _write_batch(root, batch):
    for job in batch:
        for image, path in zip(clips.render(job.spec, list(job.paths)), job.paths.values()):
            write_image(pathlib.Path(root, path), image)
    return sum(len(job.paths) for job in batch)


def write_image(path: pathlib.Path, image) -> None:
    """Writes (h, w, 3) uint8 RGB. Raises OSError if it cannot be written."""
    options = JPEG if path.suffix == ".jpg" else []
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, image[..., ::-1], options)[1].tobytes())


def write_truth(root, planned, config=None) -> None:
    """Writes the ground truth of `plan.Job`s beside their frames."""
    record = {
        "format": FORMAT,
        "config": dataclasses.asdict(config) if config else None,
        "clips": {f"{job.row.subject}/{job.row.clip}": job.spec.to_json() for job in planned},
    }
    pathlib.Path(root, TRUTH).write_text(json.dumps(record, indent=1) + "\n")


def read_truth(root):
    """Ground truth of a synthetic database.

    Returns:
        (config, clips): the `SynthesisConfig` (None where clips were listed one by one), and a dict
        from "s01/s01_ne_01" to `ClipSpec`.
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


def is_there(root, config=None) -> bool:
    """Whether `root` holds a synthetic database, made with `config` if that is given."""
    if not pathlib.Path(root, TRUTH).is_file():
        return False
    try:
        return config is None or read_truth(root)[0] == config
    except DataError:
        return False  # written by another version: made anew
