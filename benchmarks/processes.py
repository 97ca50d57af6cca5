"""Start of `import me_keras` and of every `--help`, and peak memory: each in a fresh process.

Seconds are those from start to end, beside bare Python's. Memory is the largest resident set beside
that of `import tensorflow`; training: SMIC-sized data in memory, warm-up and joint steps at the
default batch; prediction: one pair after another.
"""

import functools
import pathlib
import resource
import sys

from benchmarks import report, setting
from benchmarks.measure import BenchOptions, in_turns, python

COMMANDS = [f"me_keras.{name}" for name in ("loso", "tune", "export", "predict", "serve")]
COMMANDS += [f"pipelines.{name}" for name in ("prepare", "doctor", "synthetic")]
STEPS = 5
KINDS = ("import", "prediction", "training")


def measure(bench):
    """Measures time and memory."""
    options = setting.options_of(bench)  # a wrong option is named before any process starts
    arguments = {"bare": ["-c", "pass"], "import me_keras": ["-c", "import me_keras"]}
    commands = COMMANDS[:1] if bench.quick else COMMANDS
    arguments |= {f"{name} --help": ["-m", name, "--help"] for name in commands}
    calls = {name: functools.partial(python, words) for name, words in arguments.items()}
    seconds = in_turns(calls, bench.rounds, least=0.0)
    bare = ("python -c pass", seconds.pop("bare"), "s", "value <= 0.4")
    figures = [report.figure(name, values, *bare) for name, values in seconds.items()]
    rounds = 1 if bench.quick else bench.rounds  # memory varies little
    peaks = {kind: [peak(bench, kind) for _ in range(rounds)] for kind in KINDS}
    alone = ("memory of import tensorflow", peaks.pop("import"), "MiB")
    figures += [report.figure(f"memory of {kind}", peaks[kind], *alone) for kind in peaks]
    frames = setting.prepared(options, bench.quick).frames.nbytes >> 20
    return report.Result(figures, {"training": f"holds {frames} MiB of frames"})


def peak(bench, kind):
    """MiB of the largest resident set of a process that does `kind`."""
    code = "from benchmarks.processes import BenchOptions, do; print(do({!r}, {!r}))"
    return float(python(["-c", code.format(kind, bench)]).split()[-1])


def do(kind, bench):
    """Does `kind` in this process; returns its largest resident set, MiB."""
    options = setting.options_of(bench, epochs=1, warmup_epochs=1)
    import tensorflow as tf  # after the options: a wrong one is named at once

    if kind == "prediction":
        recognise = setting.recogniser(setting.predictor(options))
        inputs = setting.batch(options, 1)[0]
        for _ in range(STEPS):
            recognise(*(tf.constant(inputs[name]) for name in ("onset", "apex", "regions")))
    elif kind == "training":
        from me_keras.evaluation import data

        prepared = setting.prepared(options, bench.quick)
        trainer = data.make_trainer(options, prepared, STEPS)
        datasets = data.Datasets(prepared, options.data)
        rows = range(len(prepared))
        trainer.warm_up(datasets.pairs(rows, 0))
        trainer.fit(datasets.train(rows, 0))
    return _largest()


def _largest():
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # Linux; there `getrusage` may be of the process that started this one
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


main = report.command(measure, BenchOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
