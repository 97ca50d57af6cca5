"""The input pipeline alone and with the model, beside what training consumes in the same run.

SMIC-sized data of random frames: the pipeline's work does not depend on what they show.
"""

import dataclasses
import sys

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchConfig, in_turns
from me_keras import console
from pipelines import cli

STEPS = 20  # training steps of a call
BATCHES = 100  # batches of a call of the pipeline alone


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(BenchConfig, argv, "python -m benchmarks.input", __doc__)
    console.quiet_tensorflow()
    return console.guarded(measure, config)


def measure(config):
    """Measures and prints the figures."""
    import tensorflow as tf

    from pipelines import dataset

    options = setting.one_epoch(setting.loso_config(config))
    steps, batches = (2, 3) if config.quick else (STEPS, BATCHES)
    prepared = setting.prepared(options, config.quick)
    rows = np.arange(len(prepared))
    trainer = setting.trainer(options, steps)
    constant = tf.data.Dataset.from_tensors(setting.batch(options)).repeat()
    sources = {
        "pipeline": dataset.make_train(prepared, rows, options, 0),
        "pipeline with noise": dataset.make_train(
            prepared, rows, dataclasses.replace(options, noise=0.01), 0
        ),
        "wide pairs of the warm-up": dataset.make_pairs(prepared, rows, options, 0),
    }
    iterators = {name: iter(source) for name, source in sources.items()}
    work = {name: _take(iterator, batches) for name, iterator in iterators.items()}
    work["training, fed"] = lambda: trainer.fit(sources["pipeline"])
    work["training"] = lambda: trainer.fit(constant)
    seconds = in_turns(work, config.repeats, config.least)
    taken = {name: batches if name in sources else steps for name in work}
    rate = {name: taken[name] * options.batch_size / seconds[name] for name in work}  # pairs/s
    figures = [
        report.figure(name, rate[name], "training", rate["training"], "pairs/s", aim)
        for name, aim in (("pipeline", "ratio >= 15"), ("pipeline with noise", ""))
    ]
    name = "wide pairs of the warm-up"
    figures.append(report.figure(name, rate[name], "training", rate["training"], "pairs/s"))
    figures.append(
        report.figure(
            "training, fed by the pipeline",
            rate["training, fed"],
            "by one repeated batch",
            rate["training"],
            "pairs/s",
        )
    )
    notes = {
        "data": f"{len(prepared)} clips of {options.image_size} px, {prepared.frames.nbytes >> 20} "
        f"MiB in memory, batches of {options.batch_size}"
    }
    report.finish(config, figures, notes)


def _take(iterator, count):
    return lambda: [next(iterator) for _ in range(count)]


if __name__ == "__main__":
    sys.exit(main())
