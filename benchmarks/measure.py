"""How the benchmarks measure: in turns, so that noise of the machine hits all sides alike."""

import dataclasses
import math
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import time
from typing import Optional

import numpy as np

from pipelines.cli import option

LEAST = 0.2  # seconds that a repetition lasts at least; fast functions are called several times
SGEMM = 2048  # side of the matrices whose product tells the machine's speed


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """How it is measured."""

    repeats: int = option(7, "times each side is measured, in turns; medians are shown")
    quick: bool = option(False, "tiny sizes and 2 repetitions: shows that it works, not how fast")
    loso: str = option(
        "",
        "options of me_keras.loso, as one string: --loso='--batch-size 16 --no-face-fusion'",
        metavar="FLAGS",
    )

    def __post_init__(self):
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}")
        if self.quick:
            object.__setattr__(self, "repeats", min(self.repeats, 2))

    @property
    def least(self):
        """Seconds that a repetition lasts at least."""
        return 0.0 if self.quick else LEAST


@dataclasses.dataclass(frozen=True)
class BenchConfig(RunConfig):
    """What every benchmark takes that runs alone."""

    json: Optional[str] = option(None, "write the figures there as well", metavar="FILE")


def in_turns(work, repeats, least=LEAST):
    """Seconds that a call of each function takes, measured in turns: A B C A B C …

    Each is called twice before: to trace, and to see how many calls make a repetition.

    Args:
        work: dict of name -> function without arguments, which returns when its result is there.
        repeats: int, number of rounds.
        least: float, seconds that a repetition lasts at least.
    Returns:
        dict of name -> `(repeats,)` float64 seconds of one call; entry i of all names is of the
        same round.
    """
    calls = {name: _calls(function, least) for name, function in work.items()}
    rounds = [
        {name: _seconds(function, calls[name]) for name, function in work.items()}
        for _ in range(repeats)
    ]
    return {name: np.array([seconds[name] for seconds in rounds]) for name in work}


def _calls(function, least):
    function()
    return max(1, math.ceil(least / max(_seconds(function, 1), 1e-7)))


def _seconds(function, calls):
    start = time.perf_counter()
    for _ in range(calls):
        function()
    return (time.perf_counter() - start) / calls


def sgemm(size=SGEMM):
    """A function that multiplies two float32 matrices in TensorFlow, and GFLOP of a call."""
    import tensorflow as tf

    matrix = tf.random.stateless_normal((size, size), (0, 0))
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    return lambda: product().numpy(), 2 * size**3 / 1e9


def machine():
    """What the figures depend on: processor, its flags, memory, load, versions, date, commit."""
    cpu = _cpu_info()
    flags = cpu.get("flags", cpu.get("Features", "")).split()
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "processor": cpu.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "cores_usable": usable_cores(),
        "flags": {name: name in flags for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16")},
        "memory_gib": _memory_gib(),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "versions": versions(),
    }


def usable_cores():
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def versions():
    """Versions of what the figures depend on; None for what is not installed."""
    import importlib.metadata

    found: dict[str, Optional[str]] = {"python": sys.version.split()[0]}
    for name in ("tensorflow", "keras", "numpy", "opencv-contrib-python", "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def _cpu_info():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return {}
    pairs = [line.split(":", 1) for line in lines if ":" in line]
    return {name.strip(): value.strip() for name, value in pairs}


def _memory_gib():
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def _commit():
    git = shutil.which("git")
    if not git:
        return None
    command = [git, "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() or None
