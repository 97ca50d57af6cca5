"""The development server: loads a model, opens both ports, and ends without dropping a request."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import signal
import socket

from me_keras import parallel
from me_keras.serving.client import target
from pipelines.progress import say
from pipelines.schema import OptionError

NOTE = "development server; in production run TensorFlow Serving (deploy/README.md)"
MAX_MESSAGE = 32 * 2**20  # bytes of a request, and over gRPC of an answer
DRAIN_SECONDS = 10.0  # for the requests under way when the server is stopped
POLL_SECONDS = 1.0  # between looks for new versions; TF Serving's default


def serve(
    model: str,
    name: str | None = None,
    labels: dict[str, int] | None = None,
    host: str = "127.0.0.1",
    rest_port: int = 8501,
    grpc_port: int = 8500,
    max_batch: int = 64,
) -> None:
    """Serves until SIGTERM or Ctrl-C; the requests under way are answered first.

    Args:
        model: folder of the versions, or one version's folder.
        name: the model's name to clients; None for the folder's.
        labels: label -> version.
        host: address to listen on.
        rest_port, grpc_port: 0 for any free port.
        max_batch: clips that one request may hold.
    Raises:
        DataError: no model, or one that cannot be loaded.
        OptionError: a port that cannot be had.
    """
    print(NOTE, flush=True)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before grpc is imported
    from me_keras.exporting.versions import newest_version

    folder = newest_version(model).absolute()  # what can be said before TensorFlow is loaded
    _check_port(host, rest_port, "--rest-port")
    _check_port(host, grpc_port, "--grpc-port")
    import tensorflow as tf

    parallel.limit_threads()
    from me_keras.serving.loaded_model import LoadedModel
    from me_keras.serving.models import Models

    # The optimiser of graphs doubles the time of loading, and warns of each crop of regions.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    gc.freeze()  # so that unloading a version need not look through all of TensorFlow
    name = name or folder.parent.name
    models = Models(model, name, lambda folder: LoadedModel(folder, max_batch), labels)
    models.start()
    asyncio.run(_serve(models, host, rest_port, grpc_port))


async def _serve(models, host, rest_port, grpc_port):
    """As with TF Serving, the ports open when the model is there."""
    from aiohttp import web

    from me_keras.serving import grpc_server, rest_server

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # A thread a core is enough: TensorFlow lets go of Python's lock while it computes.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count(), "predict") as pool:
        server = grpc_server.make_server(models, pool, MAX_MESSAGE)
        application = rest_server.make_application(models, pool, MAX_MESSAGE)
        # No access log: requests hold people's faces and come by the thousand.
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=DRAIN_SECONDS)
        try:
            grpc_port = server.add_insecure_port(target(host, grpc_port))
            await runner.setup()
            await web.TCPSite(runner, host, rest_port).start()
        except (OSError, RuntimeError) as error:  # taken since it was checked
            raise OptionError(f"{host}: a port cannot be listened on ({error})") from None
        server.start()
        rest = target(host, runner.addresses[0][1])
        print(f"REST http://{rest}/v1/models/{models.name}", flush=True)
        print(f"gRPC grpc://{target(host, grpc_port)}", flush=True)
        polling = asyncio.create_task(_poll(models))
        await stop.wait()
        print("stopping", flush=True)
        polling.cancel()
        ended = server.stop(DRAIN_SECONDS)
        await runner.cleanup()
        await loop.run_in_executor(None, ended.wait)


async def _poll(models):
    while True:
        await asyncio.sleep(POLL_SECONDS)
        try:
            await asyncio.get_running_loop().run_in_executor(None, models.poll)
        except Exception as error:  # polling must outlive whatever a folder holds
            say(f"looking for versions failed: {error}")


def _check_port(host, port, flag):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        raise OptionError(
            f"{host}:{port} cannot be listened on ({reason}): choose another {flag}"
        ) from None
