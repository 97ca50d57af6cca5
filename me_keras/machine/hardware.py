"""Processor, memory and NVIDIA's GPUs, as the operating system and `nvidia-smi` tell them."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import platform
import re
import signal
import subprocess

from pipelines.parallel import cores

PROC = pathlib.Path("/proc")
CGROUP = pathlib.Path("/sys/fs/cgroup")
TIMEOUT = 15.0  # seconds that nvidia-smi may take: a broken driver can hang it for ever
QUERY = ("name", "driver_version", "memory.total", "memory.free")  # that old drivers know, too


@dataclasses.dataclass(frozen=True)
class Processor:
    """The processor, and how much of it this process may use."""

    name: str
    cores: int  # of the machine
    usable: int  # by the process's affinity: TensorFlow starts as many threads
    quota: float | None  # cores' worth of time that its container may use; None: no limit


@dataclasses.dataclass(frozen=True)
class Memory:
    """Main memory, GiB; None where the system does not tell."""

    total: float | None  # of the machine, or of the container where that has less
    available: float | None
    swap: float = 0.0  # in use


@dataclasses.dataclass(frozen=True)
class Gpu:
    """A GPU as `nvidia-smi` shows it; its memory in MiB, None where it does not tell."""

    name: str
    driver: str
    memory: int | None
    free: int | None


def processor() -> Processor:
    """The processor of this machine."""
    named = re.search(r"^model name\s*: (.+)$", _text(PROC / "cpuinfo"), re.MULTILINE)
    name = named[1] if named else platform.processor() or platform.machine()
    quotas = [
        float(words[0]) / float(words[1])
        for words in (text.split() for text in _limits("cpu.max"))
        if len(words) == 2 and words[0] != "max"
    ]
    old = [_text(CGROUP / f"cpu/cpu.cfs_{what}_us").strip() for what in ("quota", "period")]
    if all(old) and old[0] != "-1":
        quotas.append(float(old[0]) / float(old[1]))
    return Processor(name, os.cpu_count() or 1, cores(), min(quotas, default=None))


def memory() -> Memory:
    """The memory of this machine, or of the container."""
    found = re.findall(r"^(\w+):\s+(\d+) kB$", _text(PROC / "meminfo"), re.MULTILINE)
    gib = {name: int(count) / 2**20 for name, count in found}
    limits = [*_limits("memory.max"), _text(CGROUP / "memory/memory.limit_in_bytes")]
    limit = min((int(text) / 2**30 for text in limits if text.strip().isdigit()), default=None)
    total, available = (
        min((value for value in (gib.get(name), limit) if value is not None), default=None)
        for name in ("MemTotal", "MemAvailable")
    )
    return Memory(total, available, gib.get("SwapTotal", 0.0) - gib.get("SwapFree", 0.0))


def _limits(name):
    """What the file of that name says in this process's control group and those above it."""
    own = re.search(r"^0::/(.*)$", _text(PROC / "self/cgroup"), re.MULTILINE)
    folder = CGROUP / (own[1] if own else "")
    return [_text(at / name) for at in (folder, *folder.parents) if at.is_relative_to(CGROUP)]


def _text(path):
    """The text of a file; "" where it cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""


def gpus() -> tuple[tuple[Gpu, ...], str]:
    """The GPUs that `nvidia-smi` shows.

    Returns:
        tuple of them, and why there may be more than these: "" where all is well, also on a
        machine without `nvidia-smi`.
    """
    command = ["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader,nounits"]
    try:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # so that it can be ended with all that it started
        )
    except FileNotFoundError:
        return (), ""
    except OSError as error:
        return (), f"cannot be run: {error.strerror}"
    try:
        printed, _ = process.communicate(timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it may hang in the driver
            process.wait(1)
        if process.stdout:
            process.stdout.close()
        return (), f"gave no answer in {TIMEOUT:g} s"
    rows = [re.split(r"\s*,\s*", line) for line in printed.splitlines() if line.strip()]
    if process.returncode or any(len(row) != len(QUERY) for row in rows):
        lines = printed.strip().splitlines() or [f"ended with code {process.returncode}"]
        return (), lines[0]
    return tuple(Gpu(a, b, _number(c), _number(d)) for a, b, c, d in rows), ""


def _number(text):
    return int(text) if text.isdigit() else None
