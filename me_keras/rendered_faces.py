"""Rendered faces in memory, aligned as recorded ones are: what the shipped weights learn from."""

import functools

import numpy as np

from pipelines import parallel
from pipelines.faces import align
from pipelines.prepared.arrays import Prepared, aligned_empty
from pipelines.progress import Progress
from pipelines.schema import CLASSES, REGIONS
from pipelines.synthetic import clip, plan
from pipelines.synthetic.options import SynthesisConfig

MARGIN = 8  # px around the image, room for random shifts
FRAMES = 3  # of a clip: onset, half-way, apex
CLIPS = 2  # of a person
SEED = 7  # of all people: those of the demo and of the benchmarks have others


def rendered_faces(num_subjects, image_size=128, jobs=0):
    """A `Prepared` database of people who are rendered, each with two expressions.

    Args:
        num_subjects: int.
        image_size: int, px.
        jobs: processes; 0 for one per core.
    """
    people = range(1, num_subjects + 1)
    task = functools.partial(_person, image_size=image_size)
    side = image_size + 2 * MARGIN
    count = CLIPS * num_subjects
    frames = aligned_empty((count * FRAMES, side, side), np.uint8)
    with Progress(num_subjects, "rendering", "person") as progress:
        for i, (_, found) in enumerate(parallel.run(task, people, jobs, ordered=True, retries=1)):
            if isinstance(found, parallel.Died):
                raise ChildProcessError(f"a process was {found}: try fewer --jobs")
            frames[i * CLIPS * FRAMES :][: CLIPS * FRAMES] = found
            progress.update()
    numbers = np.arange(count, dtype=np.int32)
    keys = np.array([f"rendered/s{i // CLIPS + 1:03d}" for i in numbers])
    return Prepared(
        path="",
        kind="frames",
        frame_size=side,
        image_size=image_size,
        digest=f"rendered {SEED} {num_subjects}",
        classes=CLASSES,
        frames=frames,
        first=FRAMES * numbers,
        onset=0 * numbers,
        apex=0 * numbers + FRAMES - 1,
        offset=0 * numbers + FRAMES - 1,
        num_frames=0 * numbers + FRAMES,
        labels=numbers % len(CLASSES),
        regions=np.tile(np.array([0, 0, 1, 1], np.float32), (count, len(REGIONS), 1)),
        keys=np.array([f"{key}/c{i}" for i, key in enumerate(keys)]),
        subject_keys=keys,
        datasets=np.full(count, "rendered"),
    )


def _person(subject, image_size):
    """`(CLIPS * FRAMES, S, S)` uint8 of one person."""
    frames: list = []
    for number in range(CLIPS):
        emotion = CLASSES[(subject + number) % len(CLASSES)]
        config = SynthesisConfig(seed=SEED, blend=0.0)
        spec = plan.draw_spec(config, subject, number, emotion)
        chosen = [0, max(1, spec.apex // 2), max(2, spec.apex)]
        aligned = align.align_clip(clip.render(spec, chosen), 0, image_size, MARGIN)
        frames.extend(aligned.frames[..., 0])
    return np.stack(frames)
