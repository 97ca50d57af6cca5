"""Serves the page until it is stopped, in a folder of its own that goes with it."""

from __future__ import annotations

import contextlib
import getpass
import importlib.util
import os
import pathlib
import shutil
import socket
import sys
import tempfile
import threading
import typing

from me_keras.prediction.displacement_only import DisplacementOnly
from me_keras.prediction.model import Model, open_model
from me_keras.webpage.uploads import Uploads
from pipelines import files
from pipelines.progress import say
from pipelines.schema import DataError, OptionError

SWEEP_SECONDS = 20.0  # between looks for uploads that were broken off
PRIVATE = 0o700  # nobody else on this machine reads the films


def serve(
    model: typing.Sequence[str] = (),
    host: str = "127.0.0.1",
    port: int = 7860,
    max_mb: int = 100,
    max_seconds: float = 10.0,
) -> None:
    """Serves until Ctrl-C or SIGTERM; the folder with the uploads is removed then.

    Args:
        model: folders of exported models; none: the displacement generator that ships answers.
        host, port: address to listen on; port 0: any free one.
        max_mb, max_seconds: of a film, at most.
    Raises:
        DataError: no such model.
        OptionError: Gradio is not installed, or the port cannot be had.
    """
    if importlib.util.find_spec("gradio") is None:
        raise OptionError(
            "the page needs Gradio: python -m pip install 'me-keras[web]', on Python 3.10 or newer"
        )
    models = [open_model(folder) for folder in model] or [DisplacementOnly()]
    port = port_to_use(host, port)
    with own_folder() as folder, contextlib.ExitStack() as stack:
        for each in models:
            stack.callback(each.close)
            threading.Thread(target=warm_up, args=(each,), daemon=True).start()
        uploads = Uploads(folder)
        page = _launch(models, uploads, host, port, max_mb, max_seconds)
        stack.callback(page.close, verbose=False)
        stack.callback(shutil.rmtree, folder, ignore_errors=True)  # first, whoever is waited for
        print(f"page on {page.local_url}", flush=True)
        stop = threading.Event()
        while not stop.wait(SWEEP_SECONDS):  # until a signal interrupts it
            uploads.sweep()


@contextlib.contextmanager
def own_folder() -> typing.Iterator[pathlib.Path]:
    """A folder for this process alone; what killed processes of this user left is removed."""
    name = f"me_keras-web-{getpass.getuser()}"
    parent = pathlib.Path(tempfile.gettempdir())
    folder = files.hidden(parent, name, name, parent / name)
    folder.chmod(PRIVATE)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def warm_up(model: Model) -> None:
    """Loads a model and the face detector before the first film; a problem is said."""
    import numpy as np

    from pipelines.faces import landmarks

    with contextlib.suppress(landmarks.NoFace):
        landmarks.detect(np.zeros((64, 64, 3), np.uint8))
    try:
        model.load()  # type: ignore[attr-defined]
    except DataError as error:
        say(str(error))


def _launch(models, uploads, host, port, max_mb, max_seconds):
    """The page, served from a thread."""
    quiet(uploads.folder)
    from me_keras.webpage import page

    built = page.build(models, uploads, max_seconds, max_mb)
    with contextlib.redirect_stdout(sys.stderr):
        built.launch(
            server_name=host,
            server_port=port,
            max_file_size=max_mb * 10**6,
            theme=page.THEME,
            css_paths=page.CSS,
            share=False,
            quiet=True,
            ssr_mode=False,
            enable_monitoring=False,
            footer_links=[],
            prevent_thread_lock=True,
        )
    return built


def quiet(folder) -> None:
    """Tells Gradio, before it is imported, where to put uploads and to call nobody."""
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def port_to_use(host: str, port: int) -> int:
    """The port, or a free one for 0; OptionError if it cannot be listened on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.create_server((host, port), family=family) as one:
            return one.getsockname()[1]
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
        raise OptionError(
            f"{host}:{port} cannot be listened on ({reason}): choose another --port or --host"
        ) from None
