"""The input pipeline alone and with the model, beside what training consumes in the same run.

SMIC-sized data of random frames: the pipeline's work does not depend on what they show.
"""

import sys

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchOptions, in_turns
from pipelines import cli

STEPS = 20  # training steps of a call
BATCHES = 100  # batches of a call of the pipeline alone


def measure(bench):
    """Measures the pipeline and training, fed by it and by one repeated batch."""
    from pipelines import dataset

    options = setting.options_of(bench, epochs=1, warmup_epochs=1)
    data = options.data
    steps, batches = (2, 3) if bench.quick else (STEPS, BATCHES)
    prepared = setting.prepared(options, bench.quick)
    rows = np.arange(len(prepared))
    trainer, constant = setting.trainer(options, steps), setting.batches(options)
    sources = {
        "pipeline": dataset.make_train(prepared, rows, data, 0),
        "pipeline with noise": dataset.make_train(prepared, rows, cli.replace(data, noise=0.01), 0),
        "wide pairs of the warm-up": dataset.make_pairs(prepared, rows, data, 0),
    }
    calls = {name: _take(iter(source), batches) for name, source in sources.items()}
    calls["training, fed"] = lambda: trainer.fit(sources["pipeline"])
    calls["training"] = lambda: trainer.fit(constant)
    seconds = in_turns(calls, bench.rounds, bench.least)
    taken = {name: batches if name in sources else steps for name in calls}
    rate = {name: taken[name] * data.batch_size / seconds[name] for name in calls}  # pairs/s
    figures = [
        report.figure(name, rate[name], "training", rate["training"], "pairs/s", aim)
        for name, aim in zip(sources, ("ratio >= 15", "", ""))
    ]
    fed = ("training, fed by the pipeline", rate["training, fed"])
    repeated = ("by one repeated batch", rate["training"])
    figures.append(report.figure(*fed, *repeated, "pairs/s"))
    note = (
        f"{len(prepared)} clips of {prepared.image_size} px, {prepared.frames.nbytes >> 20} "
        f"MiB in memory, batches of {data.batch_size}"
    )
    return report.Result(figures, {"data": note})


def _take(iterator, count):
    return lambda: [next(iterator) for _ in range(count)]


main = report.command(measure, BenchOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
