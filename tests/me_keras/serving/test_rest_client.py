"""The REST client against servers that answer anything; right answers are test_contract's."""

import base64
import contextlib
import http.server
import json
import socket
import ssl
import threading
import time

import numpy as np
import pytest
from embedded_server import in_a_thread

from me_keras.serving import TLS, ServingError, connect


@contextlib.contextmanager
def answering(*answers, tls=None, port=0):
    """A server that gives these (status, body) in turn, the last one for ever; counts requests."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = answers[min(len(server.seen), len(answers) - 1)]
            server.seen.append((self.command, self.path))
            if callable(body):
                body = body(self.path)
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_):
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        def handle_error(self, *_):
            pass

        def get_request(self):
            found = super().get_request()
            self.connections.append(found[0])
            return found

        def close_kept(self):
            for connection in self.connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    server = Quiet(("127.0.0.1", port), Handler)
    server.seen, server.connections = [], []
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    with in_a_thread(server):
        yield server


def client(server, scheme="http", **options):
    return connect(f"{scheme}://localhost:{server.server_port}", **{"timeout": 5, **options})


def refusal(call):
    with pytest.raises(ServingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.code, caught.value.message


def metadata(**outputs):
    """What a TF Serving tells of a model with one signature."""
    spec = {"name": "m", "signature_name": "", "version": "7"}
    shape = {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False}
    entry = {
        "inputs": {"x": {"dtype": "DT_FLOAT", "tensor_shape": shape, "name": "x:0"}},
        "outputs": {
            name: {"dtype": dtype, "tensor_shape": shape, "name": "y:0"}
            for name, dtype in outputs.items()
        },
        "method_name": "tensorflow/serving/predict",
    }
    table = {"signature_def": {"signature_def": {"serving_default": entry}}}
    return {"model_spec": spec, "metadata": table}


def serving(outputs, **types):
    def body(path):
        return json.dumps(
            metadata(**types) if "metadata" in path else {"outputs": outputs}
        ).encode()

    return 200, body


def test_a_single_output_gets_its_name_and_type_back():
    with answering(serving([1, 2], gain="DT_FLOAT")) as server, client(server) as made:
        answer = made.predict({"x": [0.5]})
        assert list(answer) == ["gain"] and answer["gain"].dtype == np.float32
        made.predict({"x": [0.5]})
        assert [path.rpartition("/")[2] for _, path in server.seen] == [
            "frl_dgt:predict",
            "metadata",
            "frl_dgt:predict",
        ]


def test_bytes_and_text_among_the_outputs():
    coded = {"b64": base64.b64encode(b"\xff\x00").decode()}
    outputs = {"map_bytes": [[coded]], "name": ["é"], "count": [3]}
    types = {"map_bytes": "DT_STRING", "name": "DT_STRING", "count": "DT_INT64"}
    with answering(serving(outputs, **types)) as server, client(server) as made:
        answer = made.predict({"x": [0.5]})
    assert answer["map_bytes"][0, 0] == b"\xff\x00" and answer["name"].tolist() == ["é"]
    assert answer["count"].dtype == np.int64


def test_a_server_that_is_busy_is_asked_again():
    busy = (503, {"error": "busy"})
    good = (200, {"model_version_status": [{"version": "1", "state": "AVAILABLE"}]})
    with answering(busy, busy, good) as server, client(server) as made:
        assert made.status() == [{"version": 1, "state": "AVAILABLE"}]
        assert len(server.seen) == 3
    for retries in (0, 2):
        with answering(busy) as server, client(server, retries=retries) as made:
            assert refusal(made.status) == ("UNAVAILABLE", "busy")
            assert len(server.seen) == retries + 1


def test_pauses_double_and_retries_keep_the_deadline():
    with answering((503, {"error": "busy"})) as server:
        with client(server, timeout=1.2, retries=4) as made:  # pauses of 0, 0.2, 0.4, 0.8 s
            start = time.monotonic()
            assert refusal(made.status) == ("UNAVAILABLE", "busy")
            assert time.monotonic() - start < 1.5 and 3 <= len(server.seen) <= 4


@pytest.mark.parametrize(
    "status, code", [(400, "INVALID_ARGUMENT"), (404, "NOT_FOUND"), (500, "INTERNAL")]
)
def test_other_errors_are_not_asked_again(status, code):
    with answering((status, {"error": "a\nb"})) as server, client(server) as made:
        assert refusal(made.status) == (code, "a b") and len(server.seen) == 1


@pytest.mark.parametrize(
    "status, body, code",
    [
        (200, b"<html>", "UNKNOWN"),
        (200, b"", "UNKNOWN"),
        (200, [1], "UNKNOWN"),
        (200, b"[" * 100000, "UNKNOWN"),
        (502, b"<html>bad gateway", "UNKNOWN"),
        (302, b"", "UNKNOWN"),
        (404, {"error": 5}, "NOT_FOUND"),
    ],
)
def test_what_is_no_tf_serving_is_said(status, body, code):
    with answering((status, body)) as server, client(server) as made:
        got, message = refusal(made.status)
        assert got == code and f"HTTP {status} without the JSON of TF Serving" in message


@pytest.mark.parametrize("call", ["status", "metadata"])
@pytest.mark.parametrize("body", [{}, {"model_version_status": 5}, {"model_spec": {}}])
def test_json_of_another_kind(call, body):
    with answering((200, body)) as server, client(server) as made:
        code, message = refusal(getattr(made, call))
        assert code == "UNKNOWN" and "not what TF Serving sends" in message


@pytest.mark.parametrize("outputs", [5, None, {"gain": [1, [2]]}, {"gain": ["x"]}])
def test_a_prediction_of_another_kind(outputs):
    types = {"gain": "DT_FLOAT", "more": "DT_FLOAT"}
    with answering(serving(outputs, **types)) as server, client(server) as made:
        assert refusal(lambda: made.predict({"x": [1.0]}))[0] == "UNKNOWN"


def test_an_answer_too_long():
    with answering((200, b" " * 100000)) as server:
        with client(server, max_message_bytes=1000) as made:
            assert refusal(made.status)[0] == "RESOURCE_EXHAUSTED"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_server_that_is_down():
    port = free_port()
    start = time.monotonic()
    with connect(f"http://127.0.0.1:{port}", retries=2) as made:
        code, message = refusal(made.status)
    assert code == "UNAVAILABLE" and f"no answer from http://127.0.0.1:{port} (" in message
    assert "Connection refused" in message and "python -m me_keras.serve" in message
    assert time.monotonic() - start < 5


def test_a_server_that_comes_back_is_asked_again():
    port, found = free_port(), []
    with connect(f"http://127.0.0.1:{port}", retries=4) as made:
        asking = threading.Thread(target=lambda: found.append(made.status()))
        asking.start()
        time.sleep(0.2)
        with answering((200, {"model_version_status": []}), port=port):
            asking.join(20)
    assert found == [[]]


def test_the_port_of_grpc_is_named_as_such():
    """It answers HTTP/1 with a frame of HTTP/2: control characters."""

    def frame(listener):
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"\x00\x00\x18\x04\x00\x00\x00\x00\x00\x00\x04\x00?\xff\xff")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=frame, args=[listener], daemon=True).start()
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with connect(f"http://{target}", retries=1) as made:
            code, message = refusal(made.status)
    assert code == "UNAVAILABLE" and f"ask grpc://{target}" in message
    assert "\\x" not in message and "?" not in message


def test_a_proxy_in_the_environment_is_not_used(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    good = (200, {"model_version_status": []})
    with answering(good) as server, client(server, retries=0) as made:
        assert made.status() == []


def test_outputs_that_a_newer_version_adds_get_their_type():
    types = {"a": "DT_FLOAT", "b": "DT_FLOAT"}
    first, known = serving({"a": [1], "b": [2]}, **types), serving({}, **types)
    types["c"] = "DT_INT64"
    second, known_then = serving({"a": [1], "b": [2], "c": [3]}, **types), serving({}, **types)
    with answering(first, known, second, known_then) as server, client(server) as made:
        assert set(made.predict({"x": [0.5]})) == {"a", "b"}
        answer = made.predict({"x": [0.5]})
        assert answer["c"].dtype == np.int64 and answer["a"].dtype == np.float32


def test_a_kept_connection_that_the_server_closed_is_made_anew():
    good = (200, {"model_version_status": []})
    with answering(good) as server:
        with client(server, retries=0) as made:
            made.status()
            server.close_kept()
            assert made.status() == [] and len(server.seen) == 2


def test_a_host_that_is_none():
    with connect("http://no-such-host.invalid", retries=0) as made:
        assert refusal(made.status)[0] == "UNAVAILABLE"


@pytest.mark.parametrize("drip", [False, True])
def test_a_server_that_hangs(drip):
    """The deadline holds whether nothing comes, or a byte now and then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def serve():
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                if drip:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not ended.wait(0.05):
                    if drip:
                        connection.sendall(b" ")

        thread = threading.Thread(target=serve)
        thread.start()
        start = time.monotonic()
        port = listener.getsockname()[1]
        with connect(f"http://127.0.0.1:{port}", timeout=0.6) as made:
            code, message = refusal(made.status)
        ended.set()
        thread.join()
    assert code == "DEADLINE_EXCEEDED" and "within 0.6 s" in message
    assert 0.4 < time.monotonic() - start < 5


def test_tls_with_a_client_certificate(certificates):
    certificate, key = certificates
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    good = (200, {"model_version_status": []})
    with answering(good, tls=context) as server:
        tls = TLS(certificate, certificate, key)
        with client(server, "https", tls=tls) as made:
            assert made.status() == []
        for wrong in (TLS(), TLS(certificate)):
            with client(server, "https", tls=wrong, retries=0) as made:
                assert refusal(made.status)[0] == "UNAVAILABLE"
