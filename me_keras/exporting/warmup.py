"""Warm-up requests: TensorFlow Serving runs them before a version answers its first caller.

Without them the first request of each signature and batch size pays for graph optimisation and
memory. The frames are noise: no image of a licensed database leaves with a model.
"""

import contextlib
import pathlib

import numpy as np
import tensorflow as tf

PATH = pathlib.Path("assets.extra", "tf_serving_warmup_requests")
BATCHES = (1, 8)


def requests(answers, name, batches=BATCHES):
    """Yields a `PredictionLog` per signature and batch size.

    Args:
        answers: `signatures.Signatures`.
        name: what the server calls the model.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    for signature, specs in answers.specs().items():
        for batch in batches:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for spec in specs:
                values = _example(spec, answers, batch)
                request.inputs[spec.name].CopyFrom(tf.make_tensor_proto(values, spec.dtype))
            log = prediction_log_pb2.PredictLog(request=request)
            yield prediction_log_pb2.PredictionLog(predict_log=log)


def write(answers, folder, name):
    """Writes the requests where the server looks for them: a plain TFRecord of `PredictionLog`."""
    path = pathlib.Path(folder) / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in requests(answers, name):
            writer.write(record.SerializeToString())


def read(folder):
    """list of the `PredictRequest` in a version folder."""
    from tensorflow_serving.apis import prediction_log_pb2

    records = tf.data.TFRecordDataset(str(pathlib.Path(folder) / PATH)).as_numpy_iterator()
    logs = [prediction_log_pb2.PredictionLog.FromString(record) for record in records]
    return [log.predict_log.request for log in logs]


def replay(folder, loaded):
    """Runs each request of a version folder, since the server refuses a version if one fails.

    Args:
        loaded: what `tf.saved_model.load` gave.
    Raises:
        tf.errors.InvalidArgumentError: a request that the model refuses.
        FloatingPointError: an answer that is not a number.
    """
    with _unoptimised():
        for request in read(folder):
            signature = loaded.signatures[request.model_spec.signature_name]
            inputs = {n: tf.constant(tf.make_ndarray(t)) for n, t in request.inputs.items()}
            outputs = signature(**inputs)
            if not np.isfinite(outputs["probabilities"]).all():
                raise FloatingPointError(
                    f"{request.model_spec.signature_name}: the model answers with no number; "
                    "train it with a lower --learning-rate"
                )


def _example(spec, answers, batch):
    """Input values of a request: noise, encoded where encoded images are asked for."""
    shape = (batch, *answers.shape)
    noise = np.random.default_rng(batch).integers(0, 256, shape).astype(np.uint8)
    if spec.name == "regions":
        return np.tile(np.asarray(answers.regions, np.float32), (batch, 1, 1))
    if spec.dtype == tf.string:
        return [tf.io.encode_png(frame).numpy() for frame in noise]
    return noise if spec.dtype == tf.uint8 else noise.astype(np.float32) / 255


@contextlib.contextmanager
def _unoptimised():
    """Without graph optimisation: its cost model warns of crops whose number it does not know."""
    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    try:
        yield
    finally:
        restored = {"disable_meta_optimizer": before.get("disable_meta_optimizer", False)}
        tf.config.optimizer.set_experimental_options(restored)
