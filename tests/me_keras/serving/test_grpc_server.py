"""The gRPC API on the wire, where a client of ours would not go."""

import concurrent.futures
import threading

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from me_keras.serving import grpc_server
from me_keras.serving.errors import ServingError


@pytest.fixture(scope="module")
def channel(served):
    with grpc.insecure_channel(served.grpc.partition("://")[2]) as made:
        yield made


@pytest.fixture
def predictions(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


@pytest.fixture
def model_service(channel):
    return model_service_pb2_grpc.ModelServiceStub(channel)


def refusal(method, request):
    with pytest.raises(grpc.RpcError) as caught:
        method(request, timeout=20)
    return caught.value.code().name, caught.value.details()


def pair():
    images = np.full((1, 16, 16, 1), 0.5, np.float32)
    return {name: tf.make_tensor_proto(images) for name in ("onset", "apex")}


def test_an_answer_says_which_model_gave_it(predictions):
    request = predict_pb2.PredictRequest(inputs=pair(), output_filter=["predicted"])
    request.model_spec.name = "frl_dgt"
    answer = predictions.Predict(request, timeout=20)
    spec = answer.model_spec
    assert (spec.name, spec.signature_name, spec.version.value) == ("frl_dgt", "serving_default", 1)
    assert list(answer.outputs) == ["predicted"]


def test_requests_without_a_model(predictions, model_service):
    missing = ("INVALID_ARGUMENT", "Missing ModelSpec")
    assert refusal(predictions.Predict, predict_pb2.PredictRequest()) == missing
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    assert refusal(predictions.GetModelMetadata, request) == missing
    request = get_model_status_pb2.GetModelStatusRequest()
    assert refusal(model_service.GetModelStatus, request) == missing
    request = predict_pb2.PredictRequest(inputs=pair())
    request.model_spec.signature_name = "serving_default"
    assert "no name" in refusal(predictions.Predict, request)[1]


@pytest.mark.parametrize("fields", [[], ["weights"], ["signature_def", "weights"]])
def test_metadata_is_of_signatures(predictions, fields):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=fields)
    request.model_spec.name = "frl_dgt"
    code, message = refusal(predictions.GetModelMetadata, request)
    assert code == "INVALID_ARGUMENT" and "metadata_field must be signature_def" in message


def test_what_is_not_served(predictions, model_service):
    request = classification_pb2.ClassificationRequest()
    assert refusal(predictions.Classify, request)[0] == "UNIMPLEMENTED"
    request = model_management_pb2.ReloadConfigRequest()
    assert refusal(model_service.HandleReloadConfigRequest, request)[0] == "UNIMPLEMENTED"


@pytest.mark.parametrize("content", [b"\xff" * 50, b"\x0a\x7f", b"", b"\x00"])
def test_bytes_that_are_no_message(channel, content):
    method = channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    code, message = refusal(method, content)
    assert code == "INVALID_ARGUMENT"
    assert message == ("these bytes are no PredictRequest" if content else "Missing ModelSpec")


class Failing:
    """Models that raise; `status` waits for `go` first."""

    def __init__(self, error):
        self.error = error
        self.go = threading.Event()
        self.calls = 0

    def status(self, spec):
        self.calls += 1
        self.go.wait(20)
        raise self.error


@pytest.fixture
def serving_models():
    """Function: the stub of a server in this process that serves these models on one thread."""
    ended = []

    def serve(models):
        pool = concurrent.futures.ThreadPoolExecutor(1)
        server = grpc_server.make_server(models, pool, 2**20)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)])
        ended.extend([channel.close, lambda: server.stop(0).wait(), pool.shutdown])
        return model_service_pb2_grpc.ModelServiceStub(channel)

    yield serve
    for end in ended:
        end()


def status_request():
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "m"
    return request


@pytest.mark.parametrize(
    "error, answered, logged",
    [
        (ServingError("NOT_FOUND", "no"), ("NOT_FOUND", "no"), False),
        (RuntimeError("secret"), ("INTERNAL", "internal error; the server's log says more"), True),
    ],
)
def test_errors_become_the_status(serving_models, capsys, error, answered, logged):
    models = Failing(error)
    models.go.set()
    assert refusal(serving_models(models).GetModelStatus, status_request()) == answered
    assert ("RuntimeError: secret" in capsys.readouterr().err) == logged


def test_a_call_whose_client_has_gone_is_not_worked_on(serving_models):
    models = Failing(ServingError("NOT_FOUND", "no"))
    stub = serving_models(models)
    first = stub.GetModelStatus.future(status_request(), timeout=20)  # holds the only thread
    with pytest.raises(grpc.RpcError) as caught:
        stub.GetModelStatus(status_request(), timeout=0.5)
    assert caught.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    models.go.set()
    assert first.code() == grpc.StatusCode.NOT_FOUND
    assert refusal(stub.GetModelStatus, status_request())[0] == "NOT_FOUND"
    assert models.calls == 2
