"""Every test starts from the same seeds, and TensorFlow keeps quiet."""

import collections
import contextlib
import gc
import os
import shutil
import socket
import sys
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # as `me_keras.parallel` on two cores

import numpy as np
import pytest


def pytest_collection_modifyitems(items):
    """Files with slow tests first: a long one that came last would be waited for by all workers."""
    slow = collections.Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # stable: a file stays in one piece


@pytest.fixture(autouse=True)
def _seeds():
    np.random.seed(0)


@pytest.fixture(scope="module", autouse=True)
def _forgets_models():
    """A worker that kept the graphs of all files would need ten gigabytes."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].backend.clear_session()
        with warnings.catch_warnings():  # of others' garbage, which would count as this file's
            warnings.simplefilter("ignore")
            gc.collect()


@pytest.fixture(scope="module")
def short_solves():
    """Fewer steps of the displacement's solver, where any displacement will do: half the graph."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("me_keras.layers.displacement.ITERATIONS", (1, 2))
        yield


@pytest.fixture(scope="module")
def browser():
    """Chromium, to see HTML pages as people do; without one these tests are skipped."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if path is None:
        pytest.skip("chromium is not installed")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=path, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def free_ports():
    """Function: so many ports that nobody listens on."""

    def find(count):
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            return [one.getsockname()[1] for one in sockets]

    return find
