"""A short training of the default model on made-up frames: how fast it is, and what its data take.

Pairs are drawn and varied by the code that runs use; only the frames are noise, whose cost is that
of faces.
"""

from __future__ import annotations

import dataclasses
import time

import numpy as np

PARTS = 4  # the steps are measured in so many epochs, after one that traces the graph
CLIPS, FRAMES = 24, 8


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a short training showed."""

    device: str  # where it ran: "CPU", "GPU", "2 GPUs"
    precision: str  # "off" is float32
    batch_size: int
    steps: int  # that were measured
    start: float  # seconds until the first steps were done: building, tracing
    batch: float  # seconds of a training step and its batch, one after another as in a run
    data: float  # seconds of a batch alone
    gpu_memory: int | None = None  # MiB at most, None on a CPU

    @property
    def pairs_per_second(self) -> float:
        """Onset/apex pairs that are trained on in a second."""
        return self.batch_size / self.batch


def train(steps: int, batch_size: int) -> Trial:
    """Trains so many steps, rounded up to a multiple of `PARTS`, and measures them.

    Raises:
        OptionError: a batch that the GPUs cannot share. Whatever TensorFlow raises where it cannot
            train.
    """
    import keras
    import tensorflow as tf

    from me_keras.evaluation import data
    from me_keras.options import Options
    from pipelines import cli

    part, gpus = -(-steps // PARTS), len(tf.config.list_logical_devices("GPU"))
    own = {"strategy": "mirrored" if gpus > 1 else "default"}  # alone, whatever TF_CONFIG says
    options = cli.replace(Options(), batch_size=batch_size, epochs=1 + PARTS, **own)
    options = data.resolved(options, "frames")
    start, ends = time.perf_counter(), []
    clips = _clips(options.data.preparation)
    trainer = data.make_trainer(options, clips, part)
    trainer.reset(0)
    pairs = data.Datasets(clips, options.data).train(range(len(clips)), 0)
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))
    trainer.fit(pairs, [clock])
    peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] >> 20 if gpus else None
    return Trial(
        device=f"{gpus} GPUs" if gpus > 1 else "GPU" if gpus else "CPU",
        precision=options.training.mixed_precision,
        batch_size=batch_size,
        steps=PARTS * part,
        start=ends[0] - start,
        batch=(ends[-1] - ends[0]) / (PARTS * part),
        data=_seconds_a_batch(pairs, PARTS * part),
        gpu_memory=peak,
    )


def _seconds_a_batch(pairs, count):
    batches = iter(pairs)
    next(batches)  # starts the pipeline
    start = time.perf_counter()
    for _ in range(count):
        next(batches)
    return (time.perf_counter() - start) / count


def _clips(preparation):
    """A `Prepared` database of noise, in memory."""
    from pipelines.prepared import Prepared
    from pipelines.schema import CLASSES, REGIONS

    side = preparation.image_size + 2 * preparation.margin
    each = np.arange(CLIPS, dtype=np.int32)
    corner = np.linspace((0.15, 0.1), (0.55, 0.6), len(REGIONS))
    regions = np.concatenate([corner, corner + (0.25, 0.3)], axis=1).astype(np.float32)
    rng = np.random.default_rng(0)
    return Prepared(
        path="",
        kind="frames",
        frame_size=side,
        image_size=preparation.image_size,
        digest="",
        classes=CLASSES,
        frames=rng.integers(0, 256, (CLIPS * FRAMES, side, side), np.uint8),
        first=FRAMES * each,
        onset=0 * each,
        apex=0 * each + FRAMES // 2,
        offset=0 * each + FRAMES - 1,
        num_frames=0 * each + FRAMES,
        labels=each % len(CLASSES),
        regions=np.tile(regions, (CLIPS, 1, 1)),
        keys=each.astype(str),
        subject_keys=(each // len(CLASSES)).astype(str),
        datasets=np.full(CLIPS, "noise"),
    )
