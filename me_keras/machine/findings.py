"""What slows or stops training on a machine, each with a remedy.

Severity "error": a device cannot be used; "warning": training is slower than it could be, or may
run out of memory; "note": known, nothing has to be done.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
import textwrap
import typing

if typing.TYPE_CHECKING:
    from me_keras.machine.report import Machine
    from me_keras.machine.trial import Trial

ERROR, WARNING, NOTE = "error", "warning", "note"

# The oldest driver for Linux that runs programs of a CUDA version: NVIDIA, CUDA Toolkit release
# notes, "CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version Compatibility".
DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580"}
VISIBLE = "CUDA_VISIBLE_DEVICES"
GPU_PACKAGES = "pip install -r requirements-gpu.txt"


@dataclasses.dataclass(frozen=True)
class Finding:
    """One thing that is slow or wrong."""

    severity: str
    text: str
    remedy: str


def memory_for(batch_size: int) -> int:
    """MiB that a process which trains the default model needs; of a GPU's, as an estimate.

    Measured in float32 on a CPU, with some room: 1061 MiB with 32 pairs, 1688 with 128.
    """
    return 1024 + 8 * batch_size


def of_machine(machine: Machine, batch_size: int) -> list[Finding]:
    """What is wrong with a machine, before anything is trained."""
    found = [*_gpus(machine), *_gpu_memory(machine, batch_size), *_cores(machine)]
    found += [*_memory(machine.memory, batch_size), *_packages(machine)]
    return sorted(found, key=lambda one: (ERROR, WARNING, NOTE).index(one.severity))


def _gpus(machine):
    """GPUs that TensorFlow cannot use: one finding, of the first reason that holds."""
    shown, left, seen = len(machine.gpus), len(_visible(machine)), len(machine.devices)
    oldest = DRIVERS.get(int(machine.cuda.split(".")[0]), "") if machine.cuda else ""
    driver = machine.gpus[0].driver if shown else ""
    if machine.gpu_trouble:
        yield Finding(
            ERROR,
            f"nvidia-smi: {machine.gpu_trouble}",
            "restart the machine; if it stays so, install NVIDIA's driver again",
        )
    elif shown and not machine.cuda:
        yield Finding(ERROR, "this TensorFlow was built without GPUs", GPU_PACKAGES)
    elif _version(driver) and _version(driver) < _version(oldest):
        yield Finding(
            ERROR,
            f"NVIDIA's driver {driver} is too old for CUDA {machine.cuda}, which TensorFlow uses",
            f"install driver {oldest} or later",
        )
    elif seen < left:
        yield Finding(
            ERROR, f"TensorFlow sees {seen} GPUs, and nvidia-smi shows {left}", GPU_PACKAGES
        )
    elif left < shown:
        yield Finding(
            NOTE if left else ERROR,
            f"CUDA_VISIBLE_DEVICES={machine.variables[VISIBLE]} hides {shown - left} of {shown} "
            "GPUs",
            "unset CUDA_VISIBLE_DEVICES, unless a batch system has set it",
        )


def _visible(machine):
    """Numbers of the GPUs that CUDA_VISIBLE_DEVICES leaves: up to the first that is not there."""
    shown = range(len(machine.gpus))
    if VISIBLE not in machine.variables:
        return list(shown)
    words = [word.strip() for word in machine.variables[VISIBLE].split(",")]
    if words[0].startswith(("GPU-", "MIG-")):  # named otherwise: which they are is not known
        return list(shown[: len(words)])
    good = itertools.takewhile(lambda word: word.isdigit() and int(word) in shown, words)
    return [int(word) for word in good]


def _version(text):
    return [int(part) for part in re.findall(r"\d+", text)]


def _gpu_memory(machine, batch_size):
    for number in _visible(machine) if machine.devices else ():
        free = machine.gpus[number].free
        if free is None or free >= memory_for(batch_size):
            continue
        fits = (free - memory_for(0)) // (memory_for(1) - memory_for(0))
        smaller = f"use --batch-size {fits} or less, or " if fits > 0 else ""
        yield Finding(
            WARNING,
            f"GPU {number} has {free} MiB free, batches of {batch_size} pairs need about "
            f"{memory_for(batch_size)}",
            f"{smaller}end what else uses it: nvidia-smi lists it",
        )


def _cores(machine):
    processor = machine.processor
    if processor.quota is not None and processor.quota < processor.usable:
        threads = max(1, int(processor.quota))
        yield Finding(
            WARNING,
            f"the container may use the time of {processor.quota:g} cores, and TensorFlow starts "
            f"{processor.usable} threads, which then wait for each other",
            f"train with --threads {threads}, or give the container more",
        )
    elif processor.usable < processor.cores:
        yield Finding(
            NOTE,
            f"{processor.usable} of {processor.cores} cores may be used by this process",
            "nothing, unless it has fewer than you asked of taskset or the batch system",
        )
    if machine.load > 0.5 * processor.cores:
        yield Finding(
            NOTE,
            f"other programs keep about {machine.load:.0f} cores busy: speeds are lower for it",
            "nothing, or try again when they are done",
        )


def _memory(memory, batch_size):
    needed = memory_for(batch_size) / 1024
    if memory.available is not None and memory.available < needed:
        swapped = f", {memory.swap:.1f} GiB are swapped out already" if memory.swap >= 0.1 else ""
        yield Finding(
            WARNING,
            f"{memory.available:.1f} GiB of memory are available, training needs about "
            f"{needed:.1f}{swapped}",
            "end other programs, or use a smaller --batch-size",
        )


def _packages(machine):
    if machine.variables.get("TF_ENABLE_ONEDNN_OPTS", "").lower() in ("0", "false"):
        yield Finding(
            WARNING,
            "TF_ENABLE_ONEDNN_OPTS turns off oneDNN, the fast operations for CPUs",
            "unset TF_ENABLE_ONEDNN_OPTS",
        )
    wheels = [name for name in machine.packages if name.startswith("opencv")]
    if len(wheels) > 1:
        names = " ".join(wheels)
        yield Finding(
            WARNING,
            f"{' and '.join(wheels)} share one folder, cv2: which files are there is chance",
            f"pip uninstall {names}, then pip install opencv-contrib-python",
        )


def of_trial(trial: Trial) -> list[Finding]:
    """What a short training showed."""
    if trial.data < 0.8 * trial.batch:
        return []
    text = (
        f"training waits for data: of the {1000 * trial.batch:.0f} ms of a step, making its batch "
        f"takes {1000 * trial.data:.0f}"
    )
    return [Finding(WARNING, text, "train folds side by side: --jobs 2 or more")]


def of_failure(error: Exception, machine: Machine) -> Finding | None:
    """That a short training failed; None where that is the program's fault, and a bug."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith("[[")] or [type(error).__name__]
    # TensorFlow tells the reason first, or, with the stack of the program, last.
    reason = told[-1] if told[0].startswith("Graph execution error") else told[0]
    text = f"training failed: {textwrap.shorten(reason, 200)}"
    if type(error).__name__ in ("ResourceExhaustedError", "MemoryError"):
        return Finding(ERROR, text, "use a smaller --batch-size, or end other programs")
    if not machine.devices:
        return None
    return Finding(ERROR, text, f"{GPU_PACKAGES}; {VISIBLE}=-1 trains on the CPU meanwhile")
