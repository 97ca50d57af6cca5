"""The gRPC client, on the official TensorFlow Serving stubs (which import TensorFlow)."""

from __future__ import annotations

import json
import os
import pathlib
import urllib.request

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from me_keras.serving.client import Client, on_this_machine
from me_keras.serving.errors import ServingError
from pipelines.schema import OptionError

PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")  # where gRPC looks, in this order


class GrpcClient(Client):
    """A channel to one server; see `connect`."""

    def __post_init__(self):
        super().__post_init__()
        options = [
            ("grpc.max_receive_message_length", self.max_message_bytes),
            ("grpc.max_send_message_length", self.max_message_bytes),
            # The channel's own pauses, after which a retry finds a server that came back.
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
            ("grpc.enable_http_proxy", int(not on_this_machine(self.host))),
            ("grpc.enable_retries", int(self.retries > 0)),
            ("grpc.per_rpc_retry_buffer_size", self.max_message_bytes),  # longer ones: no retry
        ]
        if self.retries:
            options.append(("grpc.service_config", _retry_policy(self.retries)))
        if self.tls is None:
            self.channel = grpc.insecure_channel(self.target, options)
        else:
            self.channel = grpc.secure_channel(self.target, _credentials(self.tls), options)
        self._predictions = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self.channel)

    def close(self):
        self.channel.close()

    def _predict(self, inputs, signature):
        tensors = {name: tf.make_tensor_proto(value) for name, value in inputs.items()}
        request = predict_pb2.PredictRequest(model_spec=self._spec(signature), inputs=tensors)
        answer = self._call(self._predictions.Predict, request)
        return {name: _array(name, proto) for name, proto in answer.outputs.items()}

    def _metadata(self):
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec(), metadata_field=["signature_def"]
        )
        answer = self._call(self._predictions.GetModelMetadata, request)
        return MessageToDict(answer, preserving_proto_field_name=True)

    def _status(self):
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=self._spec())
        answer = self._call(self._models.GetModelStatus, request)
        return MessageToDict(answer, preserving_proto_field_name=True)

    def _spec(self, signature=""):
        spec = model_pb2.ModelSpec(name=self.model, signature_name=signature)
        if self.version is not None:
            spec.version.value = self.version
        return spec

    def _call(self, method, request):
        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            code, details = error.code(), error.details()
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            raise self._late(self._proxy_remark())
        if code != grpc.StatusCode.UNAVAILABLE:
            raise ServingError(code.name, details)
        if "http1.x server" in details:
            raise self._unreachable(f"it speaks HTTP, not gRPC: ask http://{self.target}")
        reason = details.rpartition("last error: ")[2].removeprefix("UNKNOWN: ")
        raise self._unreachable(reason, self._proxy_remark())

    def _proxy_remark(self):
        if on_this_machine(self.host) or urllib.request.proxy_bypass(self.host):
            return ""
        variable = next((name for name in PROXIES if os.environ.get(name)), None)
        remark = f"; gRPC goes through the proxy of {variable}: no_proxy={self.host} avoids it"
        return remark if variable else ""


def _retry_policy(retries):
    policy = {
        "maxAttempts": retries + 1,
        "initialBackoff": "0.1s",
        "maxBackoff": "2s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": policy}]})


def _credentials(tls):
    paths = (tls.root_certificate, tls.client_key, tls.client_certificate)
    try:
        return grpc.ssl_channel_credentials(*(p and pathlib.Path(p).read_bytes() for p in paths))
    except OSError as error:
        raise OptionError(f"{tls} cannot be used: {error}") from None


def _array(name, proto):
    array = tf.make_ndarray(proto)
    if array.dtype == object and not name.endswith("_bytes"):
        return np.char.decode(array.astype(bytes), "utf-8")
    return array
