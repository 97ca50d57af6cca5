"""What the change from one fold to the next costs, and the time of a whole run by proportion.

Trains folds of SMIC-sized random data with a few epochs each. The change is all that comes on top
of epochs and prediction: weights and optimizer reset in place, new datasets, their first batch.
"""

import sys
import time

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchOptions
from pipelines import cli

EPOCHS = {"warmup_epochs": 3, "epochs": 4}  # of a measured fold
SUBJECTS = 16


def measure(bench):
    """Measures a few folds."""
    from me_keras.evaluation import data, folds

    whole = setting.options_of(bench)
    options = cli.replace(whole, **EPOCHS)
    prepared = setting.prepared(options, bench.quick)
    trainer = data.make_trainer(options, prepared)
    datasets = data.Datasets(prepared, options.data)
    splits = folds.leave_one_subject_out(prepared.subject_keys)
    # the first fold traces the graphs that all share
    first = timed_fold(trainer, splits[0], datasets)
    rounds = [
        timed_fold(trainer, splits[1 + number % (len(splits) - 1)], datasets)
        for number in range(bench.rounds)
    ]
    column = {name: np.array([row[name] for row in rounds]) for name in rounds[0]}
    change, training = column["change"], whole.training
    epochs = training.warmup_epochs * column["warmup"] + training.epochs * column["joint"]
    fold = change + epochs + column["prediction"]
    tracing = np.full(len(fold), first["change"] + first["prediction"])
    run, all_epochs = tracing + SUBJECTS * fold, SUBJECTS * epochs
    return report.Result(
        [
            report.figure("change of fold", change, "a fold", fold, "s", "ratio <= 0.03"),
            report.figure("a run of 16 folds", run, "its epochs", all_epochs, "s", "value <= 720"),
            report.figure("tracing, once", tracing, "a fold", fold, "s"),
        ],
        {
            "fold": f"{training.warmup_epochs} + {training.epochs} epochs of "
            f"{trainer.steps_per_epoch} batches, by proportion from fewer that were measured",
            "data": f"{len(prepared)} clips, {prepared.image_size} px",
        },
    )


def timed_fold(trainer, fold, datasets):
    """Runs a fold as `me_keras.loso` does; see `split` for what it returns."""
    import keras

    from me_keras.evaluation import folds

    ends = [time.perf_counter()]

    def note(*_):
        ends.append(time.perf_counter())

    folds.run_fold(trainer, fold, 0, datasets, [keras.callbacks.LambdaCallback(on_epoch_end=note)])
    return split(ends, time.perf_counter(), EPOCHS["warmup_epochs"])


def split(ends, end, warmup_epochs):
    """The seconds of a fold apart, from the times at which it began, its epochs ended, and its end.

    The first epoch of each phase waits for the first batch; what it takes longer than the median
    of the others counts as the change of fold.

    Returns:
        dict of seconds: `warmup` and `joint`, an epoch of each; `prediction`, all after the last
        epoch; `change`, all the rest.
    """
    epochs = np.diff(ends)
    phases = {"warmup": epochs[:warmup_epochs], "joint": epochs[warmup_epochs:]}
    usual = {name: float(np.median(phase[1:])) for name, phase in phases.items()}
    rest = sum(phase.sum() - len(phase) * usual[name] for name, phase in phases.items())
    return {**usual, "prediction": end - ends[-1], "change": max(float(rest), 0.0)}


main = report.command(measure, BenchOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
