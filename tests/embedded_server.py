"""Runs the embedded server in a process of its own, for tests that talk to it over sockets."""

import contextlib
import dataclasses
import pathlib
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).parents[1]


@contextlib.contextmanager
def in_a_thread(server):
    """Lets a `socketserver` serve beside the test, and ends it."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclasses.dataclass
class Served:
    """A running server: its addresses, the model's name and folder, and the process if ours."""

    rest: str
    grpc: str
    name: str
    folder: pathlib.Path
    process: object = None
    log: pathlib.Path = None

    @property
    def rest_port(self):
        return int(self.rest.rsplit(":", 1)[1])


@contextlib.contextmanager
def serving(folder, log, *options):
    """Runs `python -m me_keras.serve` on free ports; checks that it ends well."""
    command = [sys.executable, "-m", "me_keras.serve", "--model", str(folder)]
    command += ["--rest-port", "0", "--grpc-port", "0", *options]
    with open(log, "w") as file:
        process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=file, text=True
        )
    try:
        too_late = threading.Timer(120, process.kill)
        too_late.start()
        lines = [process.stdout.readline() for _ in range(3)]
        too_late.cancel()
        assert all(lines), "the server did not start: " + pathlib.Path(log).read_text()
        assert "TensorFlow Serving" in lines[0]
        rest = lines[1].split()[1].partition("/v1/")[0]
        yield Served(rest, lines[2].split()[1], folder.name, folder, process, log)
        assert process.poll() is None, "the server died: " + pathlib.Path(log).read_text()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        assert "Traceback" not in pathlib.Path(log).read_text()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def wait_until(condition, seconds=20.0):
    """Waits for `condition()` to be true."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.05)
