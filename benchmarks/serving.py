"""Load on a server: many clients at once, a version swapped under them, no call failed.

Without --address, the model is served by `python -m me_keras.serving.local` in a process of its
own, and half-way through version 2 appears beside version 1. The clients are threads of one
process on the same cores: its work is in the figures, and JSON's and Python's more than gRPC's.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from typing import Optional

import numpy as np

from me_keras import console
from me_keras.serving import ServingError, connect
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import DataError

EXAMPLES = """examples:
  python -m benchmarks.serving                              two minutes each of gRPC and REST
  python -m benchmarks.serving --model saved_models/frl_dgt --transports grpc
  python -m benchmarks.serving --address grpc://host:8500   a TensorFlow Serving that runs

Exit codes: 0 done, 1 a call failed, 2 wrong use."""

START_SECONDS = 180.0  # for a server to load its model on a busy machine
SWAP_SECONDS = 60.0  # for the second version to be served
SIGNATURES = ("serving_bytes", "serving_uint8", "serving_default")


@dataclasses.dataclass(frozen=True)
class ServingConfig:
    """Options of `python -m benchmarks.serving`."""

    address: Optional[str] = option(
        None, "a server that runs (default: the embedded one)", metavar="URL"
    )
    model: Optional[str] = option(
        None,
        "folder of an export to serve, copied first (default: FRL-DGT of random weights, 128 px)",
        metavar="DIR",
    )
    name: str = option("frl_dgt", "the model's name at --address", metavar="NAME")
    transports: tuple[str, ...] = option(
        ("grpc", "rest"), "what the clients speak", ("grpc", "rest"), nargs="+"
    )
    clients: int = option(8, "clients at once", metavar="N")
    seconds: float = option(120.0, "length of the load on each transport", metavar="S")
    signature: str = option("serving_bytes", "what is asked", SIGNATURES)
    batch: int = option(1, "pairs in a request", metavar="N")
    swap: bool = option(True, "put version 2 beside version 1 half-way, where we serve")
    quick: bool = option(False, "ten seconds, a small model: shows that it works, not how fast")
    out: Optional[str] = option(None, "write the figures there as JSON", metavar="FILE")

    def __post_init__(self):
        for name in ("clients", "seconds", "batch"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        if self.quick:
            object.__setattr__(self, "seconds", min(self.seconds, 10.0))


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(ServingConfig, argv, "python -m benchmarks.serving", __doc__, EXAMPLES)
    console.quiet_tensorflow()
    figures = []
    code = console.guarded(run, config, figures)
    return code or int(any(figure["errors"] for figure in figures))


def run(config, figures):
    """Measures each transport, prints its line, and appends its figures to `figures`."""
    with tempfile.TemporaryDirectory() as folder:
        for transport in [config.address] if config.address else config.transports:
            found = _measure(config, transport, pathlib.Path(folder))
            figures.append(found)
            print(line(found), flush=True)
    if config.out:
        pathlib.Path(config.out).write_text(json.dumps(figures, indent=1) + "\n")


def _measure(config, transport, folder):
    """Figures of one transport; `transport` is an address where the server is not ours."""
    if config.address:
        return load(config, config.address, config.name)
    base = folder / transport / "frl_dgt"
    place_model(config, base)
    with embedded(base, folder / f"{transport}.log") as addresses:
        swap = (lambda: put_second(base)) if config.swap else None
        return load(config, addresses[transport], base.name, swap)


def line(figures):
    """The figures for a person."""
    swapped = ", version 2 served after" if figures["swapped"] else ""
    first = f" (the first: {figures['first_error']})" if figures["errors"] else ""
    return (
        f"{figures['transport']}: {figures['clients']} clients, {figures['seconds']:.0f} s, "
        f"{figures['requests']} requests, {figures['errors']} errors{first}, "
        f"{figures['requests_per_second']:.0f} requests/s, "
        f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.1f} ms{swapped}"
    )


def load(config, address, name, swap=None):
    """Keeps the server at `address` busy for `config.seconds`.

    Args:
        swap: function that makes the server take over another version, called half-way.
    Returns:
        dict of figures; times are of calls as a client sees them, retries off.
    Raises:
        ServingError: the server does not answer a first request.
    """
    with connect(address, name, timeout=60.0, retries=0) as client:
        inputs = request(config, client.metadata()["signatures"])
        client.predict(inputs, config.signature)
        version = client.metadata()["version"]
        stop, times, errors = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                start = time.perf_counter()
                try:
                    client.predict(inputs, config.signature)
                except ServingError as error:
                    errors.append(str(error))
                times.append(time.perf_counter() - start)

        threads = [threading.Thread(target=ask) for _ in range(config.clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        try:
            time.sleep(config.seconds / 2)
            if swap is not None:
                swap()
            time.sleep(config.seconds / 2)
            if swap is not None:
                _wait_for_other_version(client, version)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        seconds = time.perf_counter() - start
    milliseconds = 1e3 * np.array(times)
    return {
        "transport": address.partition(":")[0],
        "signature": config.signature,
        "batch": config.batch,
        "clients": config.clients,
        "seconds": seconds,
        "requests": len(times),
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "requests_per_second": len(times) / seconds,
        "p50_ms": float(np.percentile(milliseconds, 50)),
        "p99_ms": float(np.percentile(milliseconds, 99)),
        "max_ms": float(milliseconds.max()),
        "swapped": swap is not None,
        "cores": os.cpu_count(),
        "quick": config.quick,
    }


def _wait_for_other_version(client, version):
    until = time.monotonic() + SWAP_SECONDS
    while client.metadata()["version"] == version:
        if time.monotonic() > until:
            raise DataError(f"version {version} is still served {SWAP_SECONDS:g} s after a newer")
        time.sleep(0.2)


def request(config, signatures):
    """Inputs of `config.batch` pairs of noise, of the size that the server's model takes."""
    size = signatures["serving_default"]["inputs"]["onset"]["shape"][1]
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 256, (2, config.batch, size, size, 1), np.uint8)
    if config.signature == "serving_bytes":
        import cv2

        coded = [[cv2.imencode(".png", image)[1].tobytes() for image in part] for part in pairs]
        return {"onset_bytes": coded[0], "apex_bytes": coded[1]}
    if config.signature == "serving_default":
        pairs = pairs.astype(np.float32) / 255
    return {"onset": pairs[0], "apex": pairs[1]}


def place_model(config, base):
    """Version 1 under `base`: a copy of `config.model`, or a model of random weights.

    Raises:
        DataError: there is no version in `config.model`.
    """
    from me_keras.exporting.versions import newest_version

    base.mkdir(parents=True)
    if config.model:
        shutil.copytree(newest_version(config.model), base / "1")
        return
    # In a process of its own: its memory and threads are gone before anything is measured.
    code = f"from benchmarks import serving; serving.write_fresh({str(base)!r}, {config.quick})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise DataError(f"no model could be made: {done.stderr.strip().splitlines()[-1]}")


def write_fresh(base, quick):
    """Writes an export of the default model at random weights as version 1, and its warm-up."""
    console.quiet_tensorflow()
    from benchmarks import measure, setting
    from me_keras.exporting import signatures, versions, warmup
    from pipelines.schema import CLASSES, MIRRORED_REGIONS

    model = setting.predictor(setting.loso_config(measure.BenchConfig(quick=quick)))
    answers = signatures.Answers(model, CLASSES, setting.boxes(), MIRRORED_REGIONS)
    with versions.new_version(base, 1) as (folder, _):
        signatures.save(answers, folder)
        warmup.write(answers, folder, "frl_dgt")


def put_second(base):
    """Version 2, a copy of version 1 that appears whole."""
    from me_keras.exporting.versions import new_version

    with new_version(base, 2) as (folder, _):
        shutil.copytree(base / "1", folder, dirs_exist_ok=True)


@contextlib.contextmanager
def embedded(base, log):
    """Runs the embedded server on free ports; gives transport -> address.

    Raises:
        DataError: it does not start.
    """
    command = [sys.executable, "-m", "me_keras.serving.local", "--model", str(base)]
    command += ["--rest-port", "0", "--grpc-port", "0"]
    with open(log, "w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    too_late = threading.Timer(START_SECONDS, process.kill)
    too_late.start()
    try:
        lines = [process.stdout.readline().split() for _ in range(3)]
        too_late.cancel()
        if not all(lines):
            said = pathlib.Path(log).read_text().strip().splitlines() or ["nothing"]
            raise DataError(f"the embedded server did not start: {said[-1]}")
        yield {"rest": lines[1][1].partition("/v1/")[0], "grpc": lines[2][1]}
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        too_late.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


if __name__ == "__main__":
    sys.exit(main())
