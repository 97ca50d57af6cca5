"""Serves an exported model on this machine, for development and tests.

Answers the REST and gRPC calls of TensorFlow Serving 2.15 (predict, metadata, status), after its
sources; the newest version under the folder is served, and a newer one taken over while running.
In production run TensorFlow Serving itself: deploy/README.md.
"""

import dataclasses
import gc
import os
import pathlib
import signal
import socket
import sys
import threading
from typing import Optional

from me_keras import console
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import DataError

EXAMPLES = """examples:
  python -m me_keras.serving.local --model saved_models/frl_dgt
  python -m me_keras.serving.local --model saved_models/frl_dgt --rest-port 0 --grpc-port 0
  curl http://127.0.0.1:8501/v1/models/frl_dgt
  curl -d @request.json http://127.0.0.1:8501/v1/models/frl_dgt:predict

Port 0 takes any free one; the addresses are printed when the model is loaded. Stops on Ctrl-C or
SIGTERM, after the requests under way. Exit codes: 0 stopped, 2 wrong use."""

FIRST_LINE = "development server; in production run TensorFlow Serving (deploy/README.md)"
DRAIN_SECONDS = 10.0  # for the requests under way when the server is stopped


@dataclasses.dataclass(frozen=True)
class LocalConfig:
    """Options of `python -m me_keras.serving.local`."""

    model: str = option(
        "saved_models/frl_dgt", "folder of the versions, or one version's folder", metavar="DIR"
    )
    name: Optional[str] = option(
        None, "the model's name to clients (default: the folder's name)", metavar="NAME"
    )
    host: str = option("127.0.0.1", "address to listen on; there is no TLS and no log-in")
    rest_port: int = option(8501, "port of REST", metavar="N")
    grpc_port: int = option(8500, "port of gRPC", metavar="N")
    seconds: float = option(30.0, "the longest that a prediction may take", metavar="S")
    max_message_mb: int = option(32, "the longest request, MiB", metavar="MB")
    max_batch: int = option(256, "clips in a request", metavar="N")
    workers: int = option(0, "predictions at once; 0: one for each core", metavar="N")
    waiting: int = option(64, "predictions that may wait beyond these", metavar="N")

    def __post_init__(self):
        for name in ("rest_port", "grpc_port"):
            if not 0 <= getattr(self, name) <= 65535:
                raise ValueError(f"{name} must lie in 0..65535, got {getattr(self, name)}")
        for name in ("seconds", "max_message_mb", "max_batch"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}")
        for name in ("workers", "waiting"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(LocalConfig, argv, "python -m me_keras.serving.local", __doc__, EXAMPLES)
    console.quiet_tensorflow()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before grpc is imported
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return console.guarded(serve, config, stopped)


def serve(config, stopped):
    """Serves until the event `stopped` is set.

    Raises:
        DataError: a port that cannot be had, or a model that cannot be loaded.
    """
    print(FIRST_LINE, flush=True)
    from me_keras.exporting.versions import newest_version
    from me_keras.serving.http_server import HttpServer

    newest_version(config.model)  # said at once if there is none
    _check_port(config.host, config.grpc_port, "--grpc-port")
    try:
        rest = HttpServer((config.host, config.rest_port), config.max_message_mb * 2**20)
    except OSError as error:
        raise _port_error(config.host, config.rest_port, "--rest-port", error) from None
    try:
        _serve(config, rest, stopped)
    finally:
        rest.server_close()


def _serve(config, rest, stopped):
    from me_keras.serving import grpc_service
    from me_keras.serving.model_store import ModelStore, log
    from me_keras.serving.predictor import Gate, Predictor
    from me_keras.serving.rest_service import RestService
    from me_keras.serving.servable import Servable

    gc.freeze()  # so that unloading a version need not look through all of TensorFlow
    gc.collect()  # and what requests leave behind is weighed against little
    name = config.name or _default_name(config.model)
    workers = config.workers or os.cpu_count()
    store = ModelStore(config.model, name, lambda folder: Servable(folder, config.max_batch))
    store.start()
    gate = Gate(workers, config.waiting)
    predictor = Predictor(store, name)
    # As with TF Serving, the ports open when the model is there.
    server = grpc_service.make_server(
        predictor,
        gate,
        config.seconds,
        log,
        config.max_message_mb * 2**20,
        workers + config.waiting + 8,
    )
    try:
        port = server.add_insecure_port(_address(config.host, config.grpc_port))
    except RuntimeError as error:
        raise _port_error(config.host, config.grpc_port, "--grpc-port", error) from None
    server.start()
    try:
        rest.listen(RestService(predictor, gate, config.seconds, log))
    except OSError as error:
        raise _port_error(config.host, config.rest_port, "--rest-port", error) from None
    threading.Thread(target=rest.serve_forever, args=(0.1,), daemon=True).start()
    print(f"REST http://{_address(config.host, rest.server_port)}/v1/models/{name}", flush=True)
    print(f"gRPC grpc://{_address(config.host, port)}", flush=True)

    stopped.wait()
    print("stopping", flush=True)
    refused = server.stop(DRAIN_SECONDS)
    rest.shutdown()
    rest.drain(DRAIN_SECONDS)
    refused.wait()
    gate.close()
    store.stop()


def _default_name(model):
    folder = pathlib.Path(model).absolute()
    return folder.parent.name if (folder / "saved_model.pb").is_file() else folder.name


def _address(host, port):
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_port(host, port, flag):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _port_error(host, port, flag, error) from None


def _port_error(host, port, flag, error):
    reason = getattr(error, "strerror", None) or error
    return DataError(f"{host}:{port} cannot be listened on ({reason}): choose another {flag}")


if __name__ == "__main__":
    sys.exit(main())
