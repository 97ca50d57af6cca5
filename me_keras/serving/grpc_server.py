"""The gRPC API of TensorFlow Serving: Predict, GetModelMetadata, GetModelStatus."""

from __future__ import annotations

import concurrent.futures
import logging

import grpc
import tensorflow as tf
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from me_keras.serving.errors import ServingError, bug, invalid
from me_keras.serving.models import Models

WAITING = 64  # calls at once, those that wait included; beyond it RESOURCE_EXHAUSTED


def make_server(
    models: Models, pool: concurrent.futures.ThreadPoolExecutor, max_message: int
) -> grpc.Server:
    """A server, not started yet; its calls run on the threads of `pool`.

    Args:
        max_message: bytes of a request or an answer.
    """
    logging.getLogger("grpc").setLevel(logging.CRITICAL)  # garbage on the wire is no news
    options = (
        ("grpc.max_receive_message_length", max_message),
        ("grpc.max_send_message_length", max_message),
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, not a lottery
    )
    server = grpc.server(pool, options=options, maximum_concurrent_rpcs=WAITING)
    services = {
        "PredictionService": {
            "Predict": _method(PredictRequest, lambda r: _predict(models, r)),
            "GetModelMetadata": _method(GetModelMetadataRequest, lambda r: _metadata(models, r)),
        },
        "ModelService": {
            "GetModelStatus": _method(GetModelStatusRequest, lambda r: models.status(r.model_spec))
        },
    }
    for name, methods in services.items():
        handler = grpc.method_handlers_generic_handler(f"tensorflow.serving.{name}", methods)
        server.add_generic_rpc_handlers([handler])
    return server


def _method(kind, function):
    """A method: `function` of a request of this kind gives the answer, or raises ServingError.

    Messages are read here: where grpc's own reading fails, it keeps 16 kB for ever.
    """

    def answer(content, context):
        if not context.is_active():  # the client has gone while this call waited
            return b""
        try:
            try:
                request = kind.FromString(content)
            except Exception:  # protobuf's DecodeError, as a rule
                raise invalid(f"these bytes are no {kind.__name__}") from None
            if not request.HasField("model_spec"):
                raise invalid("Missing ModelSpec")
            return function(request).SerializeToString()
        except Exception as error:
            known = error if isinstance(error, ServingError) else bug("a gRPC call", error)
            context.abort(grpc.StatusCode[known.code], known.message)

    return grpc.unary_unary_rpc_method_handler(answer)


def _predict(models, request):
    version, model = models.find(request.model_spec)
    outputs = model.predict(request)
    answer = PredictResponse(outputs={n: tf.make_tensor_proto(a) for n, a in outputs.items()})
    answer.model_spec.name = request.model_spec.name
    answer.model_spec.signature_name = request.model_spec.signature_name or "serving_default"
    answer.model_spec.version.value = version
    return answer


def _metadata(models, request):
    if list(request.metadata_field) != ["signature_def"]:
        raise invalid("metadata_field must be signature_def: no other metadata is supported")
    return models.metadata(request.model_spec)
