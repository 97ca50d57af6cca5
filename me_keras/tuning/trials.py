"""One trial: a set of options trained on the inner folds of its search, in whatever process."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from me_keras.evaluation import data
from me_keras.evaluation.data import ClipsOnDisk
from me_keras.evaluation.folds import Fold, pool, run_fold
from me_keras.options import Options


@dataclasses.dataclass(frozen=True, eq=False)
class Trial:
    """The inner folds of a search, to be trained with the options of a trial.

    Attributes:
        search: name of the trial's search.
        trial_id: its number there.
        clips: what the rows of the folds mean. No other row is read.
    """

    search: str
    trial_id: str
    options: Options
    folds: tuple[Fold, ...]
    seed: int
    clips: ClipsOnDisk

    def __str__(self):
        return f"{self.search}, trial {self.trial_id}"


def try_out(task: Trial):
    """Trains the inner folds of a trial anew and scores the predictions pooled over them.

    Returns:
        dict of `uf1`, `uar`, `accuracy`; `loss`, the mean cross-entropy of the held-out clips; and
        `seconds`. Where the trial failed, the reason in one line.
    """
    start = time.perf_counter()
    prepared, trainer = clips_of(task.clips), None
    fold_size = np.mean([len(fold.train) for fold in task.folds])
    steps = max(1, round(fold_size / task.options.data.batch_size))  # once through those clips
    try:
        trainer = data.make_trainer(task.options, prepared, steps)
        datasets = data.Datasets(prepared, task.options.data)
        made = [run_fold(trainer, fold, task.seed, datasets) for fold in task.folds]
        records = [record for record, _ in made]
        found = scores(records, prepared, task.folds)
    except Exception as error:  # whatever it is, the search goes on with other options
        return why(error)
    finally:
        del trainer
        data.forget_trainers()
    return {**found, "seconds": time.perf_counter() - start}


_CLIPS: dict = {}  # the clips that this process has in memory, by where they lie


def clips_of(clips: ClipsOnDisk):
    """The clips, read from disk once in each process."""
    if clips not in _CLIPS:
        keep(clips, clips.read())
    return _CLIPS[clips]


def keep(clips: ClipsOnDisk, prepared):
    """Spares this process to read clips that it has in memory."""
    _CLIPS.clear()
    _CLIPS[clips] = prepared


def scores(records, prepared, folds) -> dict[str, float]:
    """Scores of the pooled predictions of the records of folds."""
    from me_keras import metrics

    group = np.full(len(prepared), "", object)
    for fold in folds:
        group[fold.test] = fold.group
    pooled = pool(records, {**prepared.table, "group": group}, prepared.classes)
    labels = pooled["label"].to_numpy().astype(int)
    matrix = metrics.confusion(labels, pooled["prediction"].to_numpy(), len(prepared.classes))
    found = {name: float(score(matrix)) for name, score in metrics.SCORES.items()}
    columns = pooled[[f"p_{name}" for name in prepared.classes]].to_numpy()  # (n, k)
    likelihood = np.maximum(columns[np.arange(len(labels)), labels], 1e-7)
    return {**found, "loss": float(-np.log(likelihood).mean())}


def why(error) -> str:
    """One line on what went wrong in a trial."""
    import tensorflow as tf

    if isinstance(error, (MemoryError, tf.errors.ResourceExhaustedError)):
        return "out of memory"
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, FloatingPointError):
        return f"diverged: {first}"
    return f"{type(error).__name__}: {first}"
