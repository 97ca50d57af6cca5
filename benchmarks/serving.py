"""Load on a server: many clients at once, a version swapped under them, no call failed.

Without --address, the model is served by `python -m me_keras.serve` in a process of its own, and
half-way through version 2 appears beside version 1. The clients are threads of one process on the
same cores: its work is in the figures, and JSON's and Python's more than gRPC's.
"""

import contextlib
import dataclasses
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

from benchmarks import report, setting
from benchmarks.measure import BenchOptions, Output, python
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
class ServingOptions(Output):
    """Which server, how much load, and where the figures go."""

    address: Optional[str] = option(None, "a server that runs (default: our own)", metavar="URL")
    model: Optional[str] = option(
        None,
        "folder of an export to serve, copied first (default: FRL-DGT of random weights, 128 px)",
        metavar="DIR",
    )
    name: str = option("frl_dgt", "the model's name at --address")
    transports: tuple[str, ...] = option(
        ("grpc", "rest"), "what the clients speak", ("grpc", "rest"), nargs="+"
    )
    clients: int = option(8, "clients at once", metavar="N", least=1)
    seconds: float = option(120.0, "length of the load on each transport", within="(0, inf)")
    signature: str = option("serving_bytes", "what is asked", SIGNATURES)
    batch: int = option(1, "pairs in a request", metavar="N", least=1)
    swap: bool = option(True, "put version 2 beside version 1 half-way, where we serve")

    def __post_init__(self):
        cli.check(self)


def measure(options):
    """Measures each transport."""
    rows, failed = {}, ""
    with tempfile.TemporaryDirectory() as folder:
        for transport in [options.address] if options.address else options.transports:
            row, errors = _measure(options, transport, pathlib.Path(folder))
            rows[transport] = row
            failed = f"{len(errors)} calls failed, the first: {errors[0]}" if errors else failed
    notes = {
        "load": f"{options.clients} clients on {os.cpu_count()} cores, {options.signature}, "
        f"{options.batch} pairs a request, retries off",
        "swap": "version 2 served after half the time" if options.swap else "none",
    }
    return report.Result(notes=notes, rows=rows, failed=failed)


def _measure(options, transport, folder):
    if options.address:
        return load(options, options.address, options.name)
    base = folder / transport / "frl_dgt"
    place_model(options, base)
    with server(base, folder / f"{transport}.log") as addresses:
        swap = (lambda: put_second(base)) if options.swap else None
        return load(options, addresses[transport], base.name, swap)


def load(options, address, name, swap=None):
    """Keeps the server at `address` busy for `options.seconds`.

    Args:
        swap: function that makes the server take over another version, called half-way.
    Returns:
        tuple of a dict of figures, times as a client sees them; and the errors, as texts.
    Raises:
        ServingError: the server does not reply to a first request.
    """
    half = (min(options.seconds, 10.0) if options.quick else options.seconds) / 2
    with connect(address, name, timeout=60.0, retries=0) as client:
        inputs = request(options, client.metadata()["signatures"])
        client.predict(inputs, options.signature)
        version = client.metadata()["version"]
        stop, times, errors = threading.Event(), [], []

        def ask():
            while not stop.is_set():
                start = time.perf_counter()
                try:
                    client.predict(inputs, options.signature)
                except ServingError as error:
                    errors.append(str(error))
                times.append(time.perf_counter() - start)

        threads = [threading.Thread(target=ask) for _ in range(options.clients)]
        start = time.perf_counter()
        for thread in threads:
            thread.start()
        try:
            time.sleep(half)
            if swap:
                swap()
            time.sleep(half)
            if swap:
                _wait_for_other_version(client, version)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        seconds = time.perf_counter() - start
    p50, p99, longest = 1e3 * np.percentile(times, [50, 99, 100])
    return {
        "seconds": seconds,
        "requests": len(times),
        "errors": len(errors),
        "requests/s": len(times) / seconds,
        "p50 ms": float(p50),
        "p99 ms": float(p99),
        "longest ms": float(longest),
    }, errors


def _wait_for_other_version(client, version):
    until = time.monotonic() + SWAP_SECONDS
    while client.metadata()["version"] == version:
        if time.monotonic() > until:
            raise DataError(f"version {version} is still served {SWAP_SECONDS:g} s after a newer")
        time.sleep(0.2)


def request(options, signatures):
    """Inputs of `options.batch` pairs of noise, of the size that the server's model takes."""
    size = signatures["serving_default"]["inputs"]["onset"]["shape"][1]
    rng = np.random.default_rng(0)
    pairs = rng.integers(0, 256, (2, options.batch, size, size, 1), np.uint8)
    if options.signature == "serving_bytes":
        import cv2

        coded = [[cv2.imencode(".png", image)[1].tobytes() for image in part] for part in pairs]
        return {"onset_bytes": coded[0], "apex_bytes": coded[1]}
    if options.signature == "serving_default":
        return {"onset": pairs[0] / np.float32(255), "apex": pairs[1] / np.float32(255)}
    return {"onset": pairs[0], "apex": pairs[1]}


def place_model(options, base):
    """Version 1 under `base`: a copy of `options.model`, or a model of random weights."""
    from me_keras.exporting.versions import newest_version

    base.mkdir(parents=True)
    if options.model:
        shutil.copytree(newest_version(options.model), base / "1")
        return
    # In a process of its own: its memory and threads are gone before anything is measured.
    code = f"from benchmarks import serving; serving.write_fresh({str(base)!r}, {options.quick})"
    python(["-c", code])


def write_fresh(base, quick):
    """Writes an export of the default model at random weights as version 1, and its warm-up."""
    from me_keras.exporting import signatures, versions, warmup
    from pipelines.schema import CLASSES, MIRRORED_REGIONS

    model = setting.predictor(setting.options_of(BenchOptions(quick=quick)))
    answers = signatures.Signatures(model, CLASSES, setting.boxes(), MIRRORED_REGIONS)
    with versions.new_version(base, 1) as (folder, _):
        signatures.save(answers, folder)
        warmup.write(answers, folder, "frl_dgt")


def put_second(base):
    """Version 2, a copy of version 1 that appears whole."""
    from me_keras.exporting.versions import new_version

    with new_version(base, 2) as (folder, _):
        shutil.copytree(base / "1", folder, dirs_exist_ok=True)


@contextlib.contextmanager
def server(base, log):
    """Runs `python -m me_keras.serve` on free ports; gives transport -> address.

    Raises:
        DataError: it does not start.
    """
    command = [sys.executable, "-m", "me_keras.serve", "--model", str(base)]
    command += ["--rest-port", "0", "--grpc-port", "0"]
    with open(log, "w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
    too_late = threading.Timer(START_SECONDS, process.kill)
    too_late.start()
    try:
        assert process.stdout
        lines = [process.stdout.readline().split() for _ in range(3)]
        if not all(lines):
            last = pathlib.Path(log).read_text().strip().splitlines()[-1:] or ["no message"]
            raise DataError(f"the server did not start: {last[0]}")
        too_late.cancel()
        yield {"rest": lines[1][1].partition("/v1/")[0], "grpc": lines[2][1]}
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    finally:
        too_late.cancel()
        process.kill()
        process.communicate()


main = report.command(measure, ServingOptions, __spec__.name, __doc__, EXAMPLES)
if __name__ == "__main__":
    sys.exit(main())
