"""Routes, status codes and bodies of the REST API, over models that are plain objects."""

import asyncio
import concurrent.futures
import contextlib
import gzip
import json
import socket
import sys
import threading
import time

import numpy as np
import pytest
import requests
import tensorflow as tf
from aiohttp import web

from me_keras.serving import rest_server
from me_keras.serving.errors import ServingError
from me_keras.serving.models import Models

LIMIT = 100_000


class Doubler:
    """A signature that answers twice its input; "broken" and "slow" do what they say."""

    inputs = {"x": tf.TensorSpec(None, tf.float32)}
    go = threading.Event()

    def __init__(self, kind=""):
        self.kind = kind

    def check(self, given):
        assert given["x"][0] == tf.float32.as_datatype_enum

    def run(self, inputs):
        if self.kind == "broken":
            raise RuntimeError("secret detail")
        if self.kind == "slow":
            self.go.wait(20)
        return {"y": inputs["x"] * 2}


class Doubled:
    definitions: dict = {}
    signatures = {n: Doubler(n) for n in ("broken", "slow")} | {"serving_default": Doubler()}


def load(folder):
    if folder.name == "2":
        raise ServingError("INTERNAL", "broken")
    return Doubled()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    base = tmp_path_factory.mktemp("models") / "m"
    (base / "3").mkdir(parents=True)
    made = Models(base, "m", load, {"stable": 3})
    made.start()
    (base / "2").mkdir()
    made.poll()
    return made


@contextlib.contextmanager
def running(models, workers=1):
    """The application on a free port, its loop in a thread of its own; gives the address."""
    loop, started, port = asyncio.new_event_loop(), threading.Event(), []
    pool = concurrent.futures.ThreadPoolExecutor(workers)

    async def start():
        runner = web.AppRunner(rest_server.make_application(models, pool, LIMIT))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port.append(runner.addresses[0][1])
        started.set()
        return runner

    def run():
        runner = loop.run_until_complete(start())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(20)
    try:
        yield f"http://127.0.0.1:{port[0]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        pool.shutdown()


@pytest.fixture(scope="module")
def address(models):
    with running(models) as found:
        yield found


def ask(address, method, path, body=b"", **options):
    answer = requests.request(method, address + path, data=body, timeout=30, **options)
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.status_code, answer.json()


ROW = b'{"instances": [1, 2]}'


@pytest.mark.parametrize(
    "at", ["", "/versions/3", "/labels/stable", pytest.param("", id="with a query")]
)
def test_predict(address, at, request):
    path = f"/v1/models/m{at}:predict" + ("?x=y" if "query" in request.node.name else "")
    assert ask(address, "POST", path, ROW) == (200, {"predictions": [2, 4]})
    assert ask(address, "POST", path, b'{"inputs": [1]}') == (200, {"outputs": [2]})


@pytest.mark.parametrize(
    "method, path, status, said",
    [
        ("POST", "/v1/models/m:PREDICT", 400, "Malformed request: POST /v1/models/m:PREDICT"),
        ("POST", "/v1/models/m", 400, "Malformed request"),
        ("GET", "/v1/models/m:predict", 400, "Malformed request"),
        ("PUT", "/v1/models/m:predict", 400, "Malformed request"),
        ("POST", "/v1/models/a/b:predict", 400, "Malformed request"),
        ("POST", "/v1/models/..%2F..%2Fetc:predict", 404, "Latest(../../etc)"),
        ("POST", "/v1/models/c:predict", 404, "Latest(c)"),
        ("POST", "/v1/models/m/versions/4:predict", 404, "Specific(m, 4)"),
        ("POST", "/v1/models/m/versions/-1:predict", 400, "Malformed request"),
        ("POST", f"/v1/models/m/versions/{'9' * 5000}:predict", 400, "Malformed request"),
        ("POST", "/v1/models/m/versions/%D9%A3:predict", 400, "Malformed request"),
        ("POST", "/v1/models/m/labels/x%20y:predict", 400, "label: x y"),
        ("GET", "/v1/models", 400, "Malformed request"),
        ("GET", "/v1/models/m/METADATA", 400, "Malformed request"),
        ("GET", "/", 404, "Not Found"),
    ],
)
def test_what_leads_nowhere(address, method, path, status, said):
    found, answer = ask(address, method, path, ROW)
    assert found == status and said in answer["error"]


def test_status(address):
    status, answer = ask(address, "GET", "/v1/models/m")
    ok = {"error_code": "OK", "error_message": ""}
    broken = {"error_code": "INTERNAL", "error_message": "broken"}
    assert status == 200 and answer["model_version_status"] == [
        {"version": "3", "state": "AVAILABLE", "status": ok},
        {"version": "2", "state": "END", "status": broken},
    ]
    labelled = ask(address, "GET", "/v1/models/m/labels/stable")[1]["model_version_status"]
    assert [each["version"] for each in labelled] == ["3"]


def test_an_unknown_signature_has_rests_own_words(address):
    status, answer = ask(address, "POST", "/v1/models/m:predict", b'{"signature_name": "z"}')
    assert status == 400
    assert answer["error"] == 'Serving signature name: "z" not found in signature def'


def test_an_error_of_our_own_is_for_the_log_not_for_the_client(address, capsys):
    body = b'{"signature_name": "broken", "instances": [1]}'
    status, answer = ask(address, "POST", "/v1/models/m:predict", body)
    assert status == 500 and "secret" not in answer["error"]
    assert "RuntimeError: secret detail" in capsys.readouterr().err


def test_numbers_are_written_so_that_they_read_back(address):
    values = np.array([0.1, 1e-30, 1e38], np.float32)
    body = json.dumps({"inputs": values.tolist()}).encode()
    _, answer = ask(address, "POST", "/v1/models/m:predict", body)
    np.testing.assert_array_equal(np.array(answer["outputs"], np.float32), values * 2)


def test_gzip_bodies_are_unpacked(address):
    """As TF Serving does."""
    packed = {"Content-Encoding": "gzip"}
    path = "/v1/models/m:predict"
    assert ask(address, "POST", path, gzip.compress(ROW), headers=packed) == (
        200,
        {"predictions": [2, 4]},
    )
    for wrong in (ROW, gzip.compress(ROW)[:-12], b""):
        assert ask(address, "POST", path, wrong, headers=packed)[0] == 400


def test_bodies_beyond_the_limit(address):
    path, long = "/v1/models/m:predict", b" " * (LIMIT + 1)
    assert ask(address, "POST", path, long)[0] == 413
    assert ask(address, "POST", path, iter([long[:LIMIT], long[LIMIT:]]))[0] == 413
    bomb = gzip.compress(b" " * 10**8)
    refused = 413 if sys.version_info >= (3, 10) else 400  # the last aiohttp for 3.9 sees it first
    assert ask(address, "POST", path, bomb, headers={"Content-Encoding": "gzip"})[0] == refused
    assert ask(address, "POST", path, ROW)[0] == 200


def test_too_many_at_once_and_the_time_limit(models, monkeypatch):
    monkeypatch.setattr(rest_server, "WAITING", 2)
    monkeypatch.setattr(rest_server, "SECONDS", 3.0)
    slow = b'{"signature_name": "slow", "instances": [1]}'
    Doubler.go.clear()
    with running(models) as address, concurrent.futures.ThreadPoolExecutor(2) as clients:
        path, start = "/v1/models/m:predict", time.monotonic()
        held = [clients.submit(ask, address, "POST", path, slow) for _ in range(2)]
        time.sleep(1)
        status, answer = ask(address, "POST", path, ROW)
        assert status == 503 and "try again" in answer["error"] and time.monotonic() - start < 3
        assert ask(address, "GET", "/v1/models/m")[0] == 200  # does not wait behind them
        assert [each.result()[0] for each in held] == [504, 504]
        Doubler.go.set()
        assert ask(address, "POST", path, ROW)[0] == 200


def test_a_body_that_drips_in_ends_at_the_time_limit(models, monkeypatch):
    monkeypatch.setattr(rest_server, "SECONDS", 1.0)
    head = b"POST /v1/models/m:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
    with running(models) as address:
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), 0.1) as connection:
            connection.sendall(head)
            start, answer = time.monotonic(), b""
            while not answer and time.monotonic() - start < 10:
                connection.sendall(b" ")
                with contextlib.suppress(TimeoutError, socket.timeout):
                    answer = connection.recv(100)
        assert answer.startswith(b"HTTP/1.1 504") and time.monotonic() - start < 5
