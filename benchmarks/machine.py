"""What the figures depend on: processor, memory, load, versions, date and commit."""

import contextlib
import importlib.metadata
import os
import pathlib
import platform
import subprocess
import sys
import time

from benchmarks.measure import ROOT

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
PACKAGES = ("tensorflow", "keras", "numpy", "opencv-contrib-python", "torch")


def facts():
    """dict of all that is known, for the JSON file."""
    from pipelines.parallel import cores

    processor, versions = _processor(), {"python": sys.version.split()[0]}
    for package in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    flags = processor.get("flags", processor.get("Features", "")).split()
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _commit(),
        "processor": processor.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "cores_usable": cores(),
        "flags": {name: name in flags for name in FLAGS},
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "versions": versions,
    }


def line(found):
    """The facts for a person, in one line."""
    flags = ", ".join(f"{name} {'yes' if on else 'no'}" for name, on in found["flags"].items())
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        f"{found['date']}, commit {found['commit']}: {found['processor']}, "
        f"{found['cores_usable']} of {found['cores']} cores, {flags}; {versions}; "
        f"load {found['load_before']:.1f} before"
    )


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        return {}
    return {k.strip(): v.strip() for k, v in (line.split(":", 1) for line in lines if ":" in line)}


def _commit():
    command = ["git", "describe", "--always", "--dirty"]
    with contextlib.suppress(OSError):  # there may be no git
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip() or None
