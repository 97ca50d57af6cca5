"""Peak memory of training and of answering, beside a process that only imports TensorFlow.

Each is a process of its own that says its largest resident set. Training: SMIC-sized data in
memory, warm-up and joint steps at the default batch; answering: one pair after another.
"""

import concurrent.futures
import dataclasses
import functools
import pathlib
import resource
import shlex
import subprocess
import sys

from benchmarks import report, setting
from benchmarks.measure import BenchConfig
from me_keras import console
from pipelines import cli
from pipelines.cli import option

ROOT = pathlib.Path(__file__).parents[1]
STEPS = 5
KINDS = ("import", "answering", "training")


@dataclasses.dataclass(frozen=True)
class MemoryConfig(BenchConfig):
    """What a process does."""

    only: str = option("", "print the peak memory of doing this, MiB, and end", ("", *KINDS))
    jobs: int = option(2, "processes at a time: memory is no matter of speed")


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(MemoryConfig, argv, "python -m benchmarks.memory", __doc__)
    console.quiet_tensorflow()
    return console.guarded(_do if config.only else measure, config)


def measure(config):
    """Measures and prints the figures."""
    options = setting.loso_config(config)  # a wrong option is said before any process starts
    with concurrent.futures.ThreadPoolExecutor(config.jobs) as pool:
        rounds = KINDS * config.repeats
        peaks = list(pool.map(functools.partial(peak, config), rounds))  # MiB
    of = {kind: peaks[index :: len(KINDS)] for index, kind in enumerate(KINDS)}
    alone = ("import tensorflow", of["import"], "MiB")
    figures = [report.figure(kind, of[kind], *alone) for kind in ("answering", "training")]
    frames = setting.prepared(options, config.quick).frames.nbytes >> 20
    report.finish(config, figures, {"training": f"holds {frames} MiB of frames"})


def peak(config, kind):
    """MiB of the largest resident set of a process that does `kind`.

    Raises:
        ValueError: if it fails.
    """
    command = [sys.executable, "-m", "benchmarks.memory", "--only", kind, f"--loso={config.loso}"]
    command += ["--quick"] * config.quick
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(f"{shlex.join(command[1:])} failed: {done.stderr.strip()[-500:]}")
    return float(done.stdout.split()[-1])


def _do(config):
    _WORK[config.only](config)
    print(_largest())


def _largest():
    """MiB of this process's largest resident set."""
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # Linux; there `getrusage` may tell of the process that started this one
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes on macOS


def _import(config):
    import tensorflow  # noqa: F401


def _answering(config):
    import tensorflow as tf

    options = setting.loso_config(config)
    recognise = setting.recogniser(setting.predictor(options))
    inputs = setting.batch(options, 1)[0]
    for _ in range(STEPS):
        recognise(*(tf.constant(inputs[name]) for name in ("onset", "apex", "regions")))


def _training(config):
    import numpy as np

    from me_keras import loso

    options = setting.one_epoch(setting.loso_config(config))
    prepared = setting.prepared(options, config.quick)
    trainer = loso.make_trainer(options, prepared, STEPS)
    datasets = loso.Datasets(prepared, options)
    rows = np.arange(len(prepared))
    trainer.warm_up(datasets.pairs(rows, 0))
    trainer.fit(datasets.train(rows, 0))


_WORK = {"import": _import, "answering": _answering, "training": _training}


if __name__ == "__main__":
    sys.exit(main())
