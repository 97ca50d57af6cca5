"""Cores and memory that a container leaves, and nvidia-smi: well, missing, hanging, broken."""

import os
import time

import pytest

from me_keras.machine import hardware
from me_keras.machine.hardware import Gpu


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Function: makes these files, path -> text, all that the system tells."""
    monkeypatch.setattr(hardware, "PROC", tmp_path / "proc")
    monkeypatch.setattr(hardware, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(hardware, "cores", lambda: 6)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)

    def write(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return write


CPUINFO = "processor\t: 0\nmodel name\t: Xeon 8480\n\nprocessor\t: 1\nmodel name\t: Xeon 8480\n"
MEMINFO = (
    "MemTotal:       33554432 kB\nMemFree:         1048576 kB\nMemAvailable:   16777216 kB\n"
    "SwapTotal:       4194304 kB\nSwapFree:        1048576 kB\nHugePages_Total:       0\n"
)


@pytest.mark.parametrize(
    "files, quota",
    [
        ({}, None),
        ({"cgroup/cpu.max": "max 100000\n"}, None),
        ({"cgroup/cpu.max": "250000 100000\n"}, 2.5),
        ({"cgroup/cpu/cpu.cfs_quota_us": "-1", "cgroup/cpu/cpu.cfs_period_us": "100000"}, None),
        ({"cgroup/cpu/cpu.cfs_quota_us": "150000", "cgroup/cpu/cpu.cfs_period_us": "50000"}, 3.0),
        (
            {
                "proc/self/cgroup": "0::/batch/job7\n",
                "cgroup/batch/job7/cpu.max": "max 100000\n",
                "cgroup/batch/cpu.max": "400000 100000\n",
            },
            4.0,
        ),
    ],
)
def test_a_processor_and_what_the_container_leaves_of_it(system, files, quota):
    system({"proc/cpuinfo": CPUINFO, **files})
    assert hardware.processor() == hardware.Processor("Xeon 8480", 8, 6, quota)


@pytest.mark.parametrize(
    "files, total, available",
    [
        ({}, 32.0, 16.0),
        ({"cgroup/memory.max": "max\n"}, 32.0, 16.0),
        ({"cgroup/memory.max": str(20 * 2**30)}, 20.0, 16.0),
        ({"cgroup/memory/memory.limit_in_bytes": str(2 * 2**30)}, 2.0, 2.0),
        ({"cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 32.0, 16.0),
    ],
)
def test_memory_is_what_the_container_leaves(system, files, total, available):
    system({"proc/meminfo": MEMINFO, **files})
    assert hardware.memory() == hardware.Memory(total, available, swap=3.0)


def test_a_system_without_proc_tells_little(system):
    assert hardware.memory() == hardware.Memory(None, None)
    assert hardware.processor().name and hardware.processor().quota is None


@pytest.fixture
def nvidia_smi(tmp_path, monkeypatch):
    """Function: puts a shell script in place of nvidia-smi."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def put(script, mode=0o755):
        path = tmp_path / "nvidia-smi"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(mode)

    return put


def test_nvidia_smi_shows_gpus(nvidia_smi):
    nvidia_smi(
        '[ "$1" = "--query-gpu=name,driver_version,memory.total,memory.free" ] || exit 2\n'
        "echo 'NVIDIA H100 80GB HBM3, 535.104.05, 81559, 80992'\n"
        "echo 'NVIDIA GB10, 580.95.05, [N/A], [N/A]'"
    )
    assert hardware.gpus() == (
        (
            Gpu("NVIDIA H100 80GB HBM3", "535.104.05", 81559, 80992),
            Gpu("NVIDIA GB10", "580.95.05", None, None),
        ),
        "",
    )


FAILED = (
    "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that "
    "the latest NVIDIA driver is installed and running."
)


@pytest.mark.parametrize(
    "script, trouble",
    [
        (f'echo "{FAILED}"; echo; exit 9', FAILED),
        ("echo 'No devices were found'", "No devices were found"),
        ("echo 'version mismatch' >&2; exit 18", "version mismatch"),
        ("exit 12", "ended with code 12"),
    ],
)
def test_an_error_of_nvidia_smi_is_told(nvidia_smi, script, trouble):
    nvidia_smi(script)
    assert hardware.gpus() == ((), trouble)


def test_an_nvidia_smi_that_hangs_is_ended_with_what_it_started(nvidia_smi, monkeypatch, tmp_path):
    monkeypatch.setattr(hardware, "TIMEOUT", 0.5)
    nvidia_smi(f"(sleep 2; echo late > {tmp_path}/late) & wait")
    start = time.monotonic()
    assert hardware.gpus() == ((), "gave no answer in 0.5 s")
    assert time.monotonic() - start < 1.9
    time.sleep(2.2)
    assert not (tmp_path / "late").exists()


def test_no_nvidia_smi_is_no_trouble(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware.gpus() == ((), "")


def test_an_nvidia_smi_that_is_no_program_is_told(nvidia_smi, monkeypatch, tmp_path):
    nvidia_smi("", mode=0o644)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware.gpus() == ((), "cannot be run: Permission denied")
