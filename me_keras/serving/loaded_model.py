"""One version of a model in memory: loaded, warmed up, and run under its signatures."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from me_keras.exporting import warmup
from me_keras.serving.errors import CODES, ServingError, invalid


class LoadedModel:
    """A SavedModel, read whole: its files may go afterwards.

    Attributes:
        definitions: name -> `SignatureDef` proto, as metadata requests hand them out.
        signatures: name -> `Signature`.
    """

    def __init__(self, folder, max_batch: int):
        """Loads and warms up.

        Args:
            folder: path of the version folder.
            max_batch: clips that one request may hold.
        Raises:
            ServingError: it cannot be loaded, or one of its warm-up requests fails.
        """
        folder = pathlib.Path(folder)
        try:
            self.definitions = _signature_definitions(folder)
            self._model = tf.saved_model.load(str(folder))  # keeps the functions' variables
            functions = dict(self._model.signatures)
        except Exception as error:  # a broken file can raise anything
            raise ServingError("INTERNAL", f"{folder}: cannot be loaded ({error})") from None
        self.signatures = {n: Signature(function, max_batch) for n, function in functions.items()}
        self._warm_up(folder)

    def predict(self, request) -> dict[str, np.ndarray]:
        """The outputs that a `PredictRequest` asks for; raises ServingError.

        Types and shapes are checked before any array is made: a message of twenty bytes may
        announce a tensor of terabytes.
        """
        name = request.model_spec.signature_name or "serving_default"
        if name not in self.signatures:
            message = f'Serving signature key "{name}" not found.'
            raise ServingError("FAILED_PRECONDITION", message)
        given = {}
        for key, proto in request.inputs.items():
            shape = tuple(dim.size for dim in proto.tensor_shape.dim)
            if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape):
                raise invalid(f"tensor parsing error: {key}")
            given[key] = (proto.dtype, shape)
        self.signatures[name].check(given)
        inputs = {key: _from_proto(key, proto) for key, proto in request.inputs.items()}
        return self.signatures[name].run(inputs, request.output_filter)

    def _warm_up(self, folder):
        """Answers the recorded requests, as TF Serving does before a version is available."""
        path = folder / warmup.PATH
        try:
            for request in warmup.read(folder) if path.is_file() else ():
                self.predict(request)
        except ServingError as error:
            raise ServingError(error.code, f"{path}: {error.message}") from None
        except Exception as error:
            text = f"{path}: please verify that the warm-up data is in TFRecord format ({error})"
            raise ServingError("DATA_LOSS", text) from None


class Signature:
    """One way to ask a model.

    Attributes:
        inputs, outputs: name -> `tf.TensorSpec`.
    """

    def __init__(self, function, max_batch: int):
        self.inputs: dict[str, tf.TensorSpec] = function.structured_input_signature[1]
        self.outputs: dict[str, tf.TensorSpec] = function.structured_outputs
        self._function = function
        self._max_batch = max_batch

    def check(self, given: dict[str, tuple[int, tuple]]) -> None:
        """Checks inputs before the model runs, as TF Serving with batching does.

        Without the check of the first dimensions a batch of one beside a batch of two would be
        broadcast, and answered.

        Args:
            given: name -> number of a `DataType`, and shape.
        Raises:
            ServingError: names, a type, a shape, or batches that differ or are too large.
        """
        if set(given) != set(self.inputs):
            raise invalid(
                f"input names do not match signature: expected {', '.join(sorted(self.inputs))}; "
                f"got {', '.join(sorted(given)) or 'none'}"
            )
        for name, (dtype, shape) in given.items():
            spec = self.inputs[name]
            if dtype != spec.dtype.as_datatype_enum:
                raise invalid(f"{name}: expected {spec.dtype.name}, got {_dtype_name(dtype)}")
            if not spec.shape.is_compatible_with(shape):
                raise invalid(f"{name}: expected shape {spec.shape}, got {shape}")
        batches = {name: shape[0] for name, (_, shape) in sorted(given.items()) if shape}
        if len(set(batches.values())) > 1:
            found = ", ".join(f"{name} {size}" for name, size in batches.items())
            raise invalid(f"input tensors must have equal 0th-dimension size: {found}")
        size = max(batches.values(), default=0)
        if size > self._max_batch:
            text = f"Task size {size} is larger than maximum input batch size {self._max_batch}"
            raise invalid(text)

    def run(self, inputs: dict[str, np.ndarray], only=()) -> dict[str, np.ndarray]:
        """The model's outputs, or those named in `only`; raises ServingError if it refuses."""
        wanted = list(only) or list(self.outputs)
        for name in wanted:
            if name not in self.outputs:
                raise invalid(
                    f"output tensor alias not found in signature: {name}; "
                    f"it has {', '.join(sorted(self.outputs))}"
                )
        try:
            outputs = self._function(**{name: tf.constant(inputs[name]) for name in inputs})
        except tf.errors.OpError as error:
            raise ServingError(CODES[error.error_code], error.message) from None
        except (TypeError, ValueError) as error:
            raise invalid(error) from None
        return {name: outputs[name].numpy() for name in wanted}


def _signature_definitions(folder):
    """name -> `SignatureDef` proto of the graph tagged "serve"."""
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((folder / "saved_model.pb").read_bytes())
    for graph in stored.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            return dict(graph.signature_def)
    raise ValueError('no graph is tagged "serve"')


def _dtype_name(number):
    try:
        return tf.dtypes.as_dtype(number).name
    except TypeError:  # a message may hold any number
        return f"type {number}"


def _from_proto(name, proto):
    try:
        return np.asarray(tf.make_ndarray(proto))
    except Exception as error:  # fewer values than the shape says, content of odd length, …
        raise invalid(f"tensor parsing error: {name} ({error})") from None
