"""The gRPC client against services that answer anything; right answers are test_contract's."""

import concurrent.futures
import contextlib
import pathlib
import socket
import threading
import time

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from me_keras.serving import TLS, ServingError, connect


class Service(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Fails with `failures` in turn, then gives `outputs`."""

    def __init__(self, failures=(), outputs=None, hang=0.0):
        self.failures, self.outputs, self.hang = list(failures), outputs or {}, hang
        self.requests = []

    def Predict(self, request, context):
        self.requests.append(request)
        time.sleep(self.hang)
        if self.failures:
            context.abort(self.failures.pop(0), "sorry\nfor that")
        outputs = {name: tf.make_tensor_proto(value) for name, value in self.outputs.items()}
        return predict_pb2.PredictResponse(outputs=outputs)

    def GetModelStatus(self, request, context):
        answer = get_model_status_pb2.GetModelStatusResponse()
        answer.model_version_status.add(version=3, state=30)
        return answer


@contextlib.contextmanager
def running(service, port=0, credentials=None):
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    if credentials is None:
        port = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        port = server.add_secure_port(f"localhost:{port}", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(0).wait()


def refusal(call):
    with pytest.raises(ServingError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return caught.value.code, caught.value.message


def test_what_is_sent_and_what_comes_back():
    outputs = {"name": np.array(["é", "b"]), "map_bytes": [b"\xff\x00"], "p": np.float32([1, 2])}
    service = Service(outputs=outputs)
    with running(service) as port, connect(f"grpc://127.0.0.1:{port}", "m", version=4) as made:
        answer = made.predict({"x": [0.5, 1.0], "i": [b"\x00a\x00"]}, "sig")
    assert answer["name"].tolist() == ["é", "b"] and answer["p"].dtype == np.float32
    assert answer["map_bytes"].tolist() == [b"\xff\x00"]
    [request] = service.requests
    spec = request.model_spec
    assert (spec.name, spec.version.value, spec.signature_name) == ("m", 4, "sig")
    assert tf.make_ndarray(request.inputs["x"]).tolist() == [0.5, 1.0]
    assert list(request.inputs["i"].string_val) == [b"\x00a\x00"]


def test_unavailable_is_tried_again_and_nothing_else():
    unavailable = grpc.StatusCode.UNAVAILABLE
    service = Service([unavailable] * 2, {"p": np.float32([1])})
    with running(service) as port, connect(f"grpc://127.0.0.1:{port}") as made:
        assert made.predict({})["p"] == 1 and len(service.requests) == 3
        service.failures = [grpc.StatusCode.RESOURCE_EXHAUSTED]
        assert refusal(lambda: made.predict({})) == ("RESOURCE_EXHAUSTED", "sorry for that")
        assert len(service.requests) == 4


def test_a_server_that_is_down_and_comes_back():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with connect(f"grpc://127.0.0.1:{port}", retries=1) as made:
        code, message = refusal(made.status)
        assert code == "UNAVAILABLE" and f"grpc://127.0.0.1:{port}" in message
        assert "Connection refused" in message and "python -m me_keras.serve" in message
    answers = []
    with connect(f"grpc://127.0.0.1:{port}", retries=4, timeout=20) as patient:
        asking = threading.Thread(target=lambda: answers.append(patient.status()))
        asking.start()
        time.sleep(0.2)
        with running(Service(), port):
            asking.join(20)
    assert answers == [[{"version": 3, "state": "AVAILABLE"}]]


def test_the_deadline():
    with running(Service(hang=2)) as port:
        with connect(f"grpc://127.0.0.1:{port}", timeout=0.3) as made:
            start = time.monotonic()
            code, message = refusal(lambda: made.predict({}))
            assert code == "DEADLINE_EXCEEDED" and "within 0.3 s" in message
            assert time.monotonic() - start < 1.5


def test_messages_beyond_the_limit_both_ways():
    service = Service(outputs={"p": np.zeros(5000, np.float32)})
    with (
        running(service) as port,
        connect(f"grpc://127.0.0.1:{port}", max_message_bytes=10000) as made,
    ):
        assert refusal(lambda: made.predict({}))[0] == "RESOURCE_EXHAUSTED"
        assert refusal(lambda: made.predict({"x": np.zeros(5000)}))[0] == "RESOURCE_EXHAUSTED"
    service.outputs = {"p": np.zeros(2 * 2**20, np.float32)}  # beyond gRPC's own default
    with running(service) as port, connect(f"grpc://127.0.0.1:{port}") as made:
        assert made.predict({})["p"].shape == (2 * 2**20,)


def test_tls_with_a_client_certificate(certificates):
    certificate, key = certificates
    pair = [(pathlib.Path(key).read_bytes(), pathlib.Path(certificate).read_bytes())]
    credentials = grpc.ssl_server_credentials(pair, pair[0][1], require_client_auth=True)
    with running(Service(), credentials=credentials) as port:
        with connect(f"grpcs://localhost:{port}", tls=TLS(certificate, certificate, key)) as made:
            assert made.status() == [{"version": 3, "state": "AVAILABLE"}]
        with connect(f"grpcs://localhost:{port}", retries=0, timeout=5) as made:
            assert refusal(made.status)[0] == "UNAVAILABLE"


@pytest.fixture
def dead_proxy(monkeypatch):
    """Every variable names a proxy that nobody runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
    for name in ("grpc_proxy", "https_proxy", "http_proxy", "no_proxy", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, address)


def test_this_machine_is_asked_past_the_proxy(dead_proxy):
    with running(Service()) as port:
        for host in ("127.0.0.1", "localhost"):
            with connect(f"grpc://{host}:{port}", retries=0) as made:
                assert made.status() == [{"version": 3, "state": "AVAILABLE"}]


def test_an_error_through_a_proxy_names_its_variable(dead_proxy, monkeypatch):
    with connect("grpc://serving.example:8500", retries=0, timeout=5) as made:
        code, message = refusal(made.status)
        assert code == "UNAVAILABLE" and "the proxy of https_proxy" in message
        assert "no_proxy=serving.example" in message and "me_keras.serve " not in message
    monkeypatch.setenv("no_proxy", "serving.example")
    with connect("grpc://serving.example:8500", retries=0, timeout=5) as made:
        assert "proxy" not in refusal(made.status)[1]


def test_the_port_of_rest_is_named_as_such():
    def refuse(listener):
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=refuse, args=[listener], daemon=True).start()
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with connect(f"grpc://{target}", retries=0, timeout=5) as made:
            code, message = refusal(made.status)
    assert code == "UNAVAILABLE" and f"ask http://{target}" in message


def test_long_requests_are_tried_again_too():
    service = Service([grpc.StatusCode.UNAVAILABLE], {"p": np.float32([1])})
    with running(service) as port, connect(f"grpc://127.0.0.1:{port}") as made:
        made.predict({"x": np.zeros(500_000, np.float32)})  # beyond gRPC's own retry buffer
    assert len(service.requests) == 2
