"""What changing the fold costs, as a share of a fold, and the time of a whole run by proportion.

Trains folds of SMIC-sized random data with a few epochs each. Changing the fold is all that comes
on top of epochs and prediction: weights and optimizer reset in place, new datasets, their first
batch.
"""

import dataclasses
import sys
import time

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchConfig
from me_keras import console
from pipelines import cli

EPOCHS = {"warmup_epochs": 3, "epochs": 4}  # of a measured fold
SUBJECTS = 16


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(BenchConfig, argv, "python -m benchmarks.folds", __doc__)
    console.quiet_tensorflow()
    return console.guarded(measure, config)


def measure(config):
    """Measures and prints the figures."""
    from me_keras import loso
    from me_keras.evaluation import folds

    whole = setting.loso_config(config)
    options = dataclasses.replace(whole, **EPOCHS)
    prepared = setting.prepared(options, config.quick)
    trainer = loso.make_trainer(options, prepared)
    datasets = loso.Datasets(prepared, options)
    splits = folds.leave_one_subject_out(prepared.subject_keys)
    # the first fold traces the graphs that all share
    first = timed_fold(trainer, splits[0], datasets)
    rounds = [
        timed_fold(trainer, splits[1 + number % (len(splits) - 1)], datasets)
        for number in range(config.repeats)
    ]
    switch = np.array([row["switch"] for row in rounds])
    epoch = {name: np.array([row[name] for row in rounds]) for name in ("warmup", "joint")}
    epochs = whole.warmup_epochs * epoch["warmup"] + whole.epochs * epoch["joint"]
    fold = switch + epochs + np.array([row["prediction"] for row in rounds])
    tracing = np.full(len(fold), first["switch"] + first["prediction"])
    run = tracing + SUBJECTS * fold
    figures = [
        report.figure("changing fold", switch, "a fold", fold, "s", "ratio <= 0.03"),
        report.figure(
            "a run of 16 folds", run, "its epochs", SUBJECTS * epochs, "s", "value <= 720"
        ),
        report.figure("tracing, once", tracing, "a fold", fold, "s"),
    ]
    notes = {
        "fold": f"{whole.warmup_epochs} + {whole.epochs} epochs of {trainer.steps_per_epoch} "
        f"batches, by proportion from {options.warmup_epochs} + {options.epochs} measured",
        "data": f"{len(prepared)} clips, {options.image_size} px",
    }
    report.finish(config, figures, notes)


def timed_fold(trainer, fold, datasets):
    """Runs a fold as `me_keras.loso` does, and tells its seconds apart.

    The first epoch of each phase waits for the first batch; what it takes longer than the median
    of the others counts as changing the fold.

    Returns:
        dict of seconds: `warmup` and `joint`, an epoch of each; `prediction`, all after the last
        epoch; `switch`, all the rest.
    """
    from me_keras.evaluation import folds

    ends = [time.perf_counter()]
    folds.run_fold(trainer, fold, 0, datasets, lambda _: ends.append(time.perf_counter()))
    prediction = time.perf_counter() - ends[-1]
    epochs, count = np.diff(ends), trainer.config.warmup_epochs
    phases = {"warmup": epochs[:count], "joint": epochs[count:]}
    usual = {name: float(np.median(phase[1:])) for name, phase in phases.items()}
    rest = sum(phase.sum() - len(phase) * usual[name] for name, phase in phases.items())
    return {**usual, "prediction": prediction, "switch": max(float(rest), 0.0)}


if __name__ == "__main__":
    sys.exit(main())
