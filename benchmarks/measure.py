"""How the benchmarks measure: in turns, so that noise of the machine hits all sides alike."""

import dataclasses
import math
import pathlib
import subprocess
import sys
import time
from typing import Optional

import numpy as np

from pipelines import cli
from pipelines.cli import option

ROOT = pathlib.Path(__file__).parents[1]
LEAST = 0.2  # seconds that a repetition lasts at least; fast functions are called several times
SGEMM = 2048  # side of the matrices whose product gives the speed of the processor


@dataclasses.dataclass(frozen=True)
class Output:
    """Where the figures go."""

    json: Optional[str] = option(None, "write the figures there as well", metavar="FILE")
    quick: bool = option(False, "tiny sizes: shows that it works, not how fast or how well")


@dataclasses.dataclass(frozen=True)
class BenchOptions(Output):
    """How it is measured."""

    repeats: int = option(7, "times each side is measured, in turns; medians are shown", least=1)
    loso: str = option(
        "",
        "options of me_keras.loso, as one string: --loso='--batch-size 16 --no-face-fusion'",
        metavar="FLAGS",
    )

    def __post_init__(self):
        cli.check(self)

    @property
    def rounds(self):
        """Number of repetitions."""
        return min(self.repeats, 2) if self.quick else self.repeats

    @property
    def least(self):
        """Seconds that a repetition lasts at least."""
        return 0.0 if self.quick else LEAST


def in_turns(functions, repeats, least=LEAST):
    """Seconds that a call of each function takes, measured in turns: A B C A B C …

    Each is called twice before: to trace, and to see how many calls make a repetition.

    Args:
        functions: dict of name -> function without arguments, which returns when its result is
            there.
        repeats: int, number of rounds.
        least: float, seconds that a repetition lasts at least.
    Returns:
        dict of name -> `(repeats,)` float64 seconds of one call; entry i of all names is of the
        same round.
    """
    calls = {name: _calls(function, least) for name, function in functions.items()}
    rounds = [
        {name: _seconds(function, calls[name]) for name, function in functions.items()}
        for _ in range(repeats)
    ]
    return {name: np.array([seconds[name] for seconds in rounds]) for name in functions}


def _calls(function, least):
    function()
    return max(1, math.ceil(least / max(_seconds(function, 1), 1e-7)))


def _seconds(function, calls):
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def sgemm(size=SGEMM):
    """A function that multiplies two float32 matrices in NumPy's BLAS, and GFLOP of a call."""
    matrix = np.random.default_rng(0).standard_normal((size, size), np.float32)
    return lambda: matrix @ matrix, 2 * size**3 / 1e9


def python(arguments, timeout=None):
    """What Python prints when it runs with these arguments, in a process of its own.

    Raises:
        ChildProcessError: it failed, or took longer than `timeout` seconds; with its last line.
    """
    command = [sys.executable, *arguments]
    limits = {"timeout": timeout, "capture_output": True, "text": True}
    try:
        done = subprocess.run(command, cwd=ROOT, **limits)
    except subprocess.TimeoutExpired:
        raise ChildProcessError(f"not done after {timeout:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ChildProcessError(f"{arguments[1]} failed: {lines[-1].removeprefix('error: ')}")
    return done.stdout
