"""A run in TensorBoard, also while it trains: `tensorboard --logdir RUN`.

    tensorboard/seed-0-<group>   curves of warm-up and training, an epoch at a time, and at the end
                                 the displacement of a few held-out clips; no face is shown
    tensorboard/seed-0           confusion matrix and scores of the seed, at the end of the run
    tensorboard/scores           decisive options and mean scores, for HParams: `--logdir runs`
                                 compares runs there

A fold that is trained again replaces what was there. Events are written by TensorBoard's own
writer, in a thread beside the training: `tf.summary` takes ten times as long for an epoch.
"""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import tempfile
import time

import keras
import numpy as np

from me_keras import colours
from me_keras.models.recognizer import DisplacementModel

SCORES = ("uf1", "uar", "accuracy")
CLIPS = 6  # held-out clips of a fold whose displacement is shown
LEAST = 0.5  # length that the full colour stands for at least, in the displacement's unit
FLUSH = 2.0  # seconds after which others see an epoch


class FoldLog(keras.callbacks.Callback):
    """Writes the curves of a fold while it trains, into an empty folder.

    Args:
        out: folder of the run.
        seed, group: of the fold.
    """

    def __init__(self, out, seed, group):
        super().__init__()
        self._folder, self._writer = fold_folder(out, seed, group), None

    def on_epoch_end(self, epoch, logs=None):
        warms_up = isinstance(self.model, DisplacementModel)
        self.write_epoch("warmup" if warms_up else "training", epoch + 1, logs or {})

    def write_epoch(self, phase, epoch, values):
        """Writes a point of each curve.

        Args:
            phase: "warmup" or "training".
            epoch: int, from 1.
            values: dict of numbers by name.
        Raises:
            OSError: the folder cannot be written.
        """
        with _writable(self._folder):
            if self._writer is None:
                self._writer = _Writer(self._folder)
            self._writer.scalars({f"{phase}/{name}": v for name, v in values.items()}, epoch)

    def finish(self, seen=None):
        """Writes pictures of what the model looked at, and closes the file.

        Args:
            seen: dict of arrays, as `results.read_seen` returns it.
        """
        if self._writer is None:
            return
        with _writable(self._folder):
            if seen and "displacement" in seen:
                self._writer.images("displacement", *_pictures(seen["displacement"]))
            self._writer.close()
        self._writer = None


def log_fold(record, seen, out):
    """Writes a fold after its end: for one trained where the run's folder may be out of reach.

    Args:
        record, seen: what `folds.run_fold` returned.
        out: folder of the run.
    Raises:
        OSError: the folder cannot be written.
    """
    log = FoldLog(out, record["seed"], record["group"])
    for phase, part in (("warmup", "warmup"), ("training", "history")):
        for epoch, values in enumerate(record[part], start=1):
            log.write_epoch(phase, epoch, values)
    log.finish(seen)


def log_results(results, predictions, options, out):
    """Writes the scores and confusion matrix of each seed, and what HParams compares runs by.

    Args:
        results: what results.json holds.
        predictions: table of `folds.pool`.
        options: dict of the decisive options by name.
        out: folder of the run.
    Raises:
        OSError: the folder cannot be written.
    """
    import cv2

    from me_keras import metrics
    from me_keras.evaluation import report

    folder = pathlib.Path(out, "tensorboard")
    for place, (seed, rows) in enumerate(predictions.groupby("seed")):
        scores = {name: results[name]["per_seed"][place] for name in SCORES}
        matrix = metrics.confusion(rows["label"], rows["prediction"], len(results["classes"]))
        of_seed = {**results, "confusion": matrix, "uf1": {"mean": scores["uf1"]}}
        with tempfile.TemporaryDirectory() as scratch:
            drawn = pathlib.Path(scratch, "confusion.png")
            report.confusion_figure(of_seed, drawn)
            picture = cv2.imread(str(drawn))[..., ::-1]  # (h, w, 3)
        with _new_writer(folder / f"seed-{seed}") as writer:
            writer.scalars({f"scores/{name}": value for name, value in scores.items()}, 0)
            writer.images("confusion", [picture], "shares of each true class, and counts")
    means = {name: results[name]["mean"] for name in SCORES}
    if results["dgm_gain"] is not None:
        means["dgm_gain"] = results["dgm_gain"]
    log_session(folder / "scores", options, means)


def log_session(folder, options, scores):
    """Writes a row of TensorBoard's HParams tab in place of an earlier one.

    Args:
        folder: of its own.
        options: dict of values by name; what is no number, bool or text is shown as text.
        scores: dict of numbers by name.
    Raises:
        OSError: the folder cannot be written.
    """
    from tensorboard.plugins.hparams import api

    shown = {name: _plain(value) for name, value in options.items()}
    with _new_writer(folder) as writer:
        writer.add(api.hparams_pb(shown, trial_id=pathlib.Path(folder).as_posix()), 0)
        writer.scalars(scores, 0)


def fold_folder(out, seed, group):
    """Where the curves of a fold are: out/tensorboard/seed-0-smic_s01."""
    return pathlib.Path(out, "tensorboard", f"seed-{seed}-{group.replace('/', '_')}")


def _pictures(displacement):
    """Pictures of the fields `(n, h, w, 2)` of a few clips, the wheel last, and what they show."""
    rows = np.unique(np.linspace(0, len(displacement) - 1, CLIPS).round().astype(int))
    fields = displacement[rows].astype(np.float32)
    limit = colours.nice_limit(np.linalg.norm(fields, axis=-1), LEAST)
    wheel = colours.legend(fields.shape[1])  # (h, h, 4)
    wheel = 1 - wheel[..., 3:] * (1 - wheel[..., :3])  # on white
    shown = [*colours.wheel(fields, limit), wheel]
    pictures = [np.round(255 * np.clip(one, 0, 1)).astype(np.uint8) for one in shown]
    text = "from onset to apex, of a few held-out clips; the wheel is their legend: its full colour"
    return pictures, f"{text} is {limit:g} px of the aligned face (flow images: of their unit)"


def _plain(value):
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value))
    return value if isinstance(value, (bool, int, float, str)) else str(value)


class _Writer:
    """An event file in an empty folder: two curves in one would lie over each other."""

    def __init__(self, folder):
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        shutil.rmtree(folder, ignore_errors=True)
        self._file = EventFileWriter(str(folder), flush_secs=FLUSH)
        self.close = self._file.close

    def add(self, summary, step):
        from tensorboard.compat.proto.event_pb2 import Event

        self._file.add_event(Event(wall_time=time.time(), step=step, summary=summary))

    def scalars(self, values, step):
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.scalar.summary_v2 import scalar_pb

        summary = Summary()
        for name, value in values.items():
            summary.MergeFrom(scalar_pb(name, float(value)))
        self.add(summary, step)

    def images(self, name, images, text):
        """Adds images (h, w, 3) uint8, RGB, of the same size."""
        import cv2
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.plugins.image.metadata import create_summary_metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        height, width, _ = images[0].shape
        encoded = [cv2.imencode(".png", one[..., ::-1])[1].tobytes() for one in images]
        sizes = [str(size).encode() for size in (width, height)]
        metadata = create_summary_metadata(display_name=None, description=text)
        summary = Summary()
        tensor = make_tensor_proto(np.array([*sizes, *encoded], object))
        summary.value.add(tag=name, tensor=tensor, metadata=metadata)
        self.add(summary, 0)


@contextlib.contextmanager
def _new_writer(folder):
    with _writable(folder), contextlib.closing(_Writer(folder)) as writer:
        yield writer


@contextlib.contextmanager
def _writable(folder):
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, OSError) as error:
        raise OSError(f"{folder} cannot be written ({error})") from None
