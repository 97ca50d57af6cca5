"""Warm-up requests: TensorFlow Serving runs them before a version answers its first caller.

Without them the first request of each signature and batch size pays for graph optimisation and
memory. The frames are noise, or grey: no image of a licensed database leaves with a model.
"""

import contextlib
import pathlib

import numpy as np
import tensorflow as tf

PATH = pathlib.Path("assets.extra", "tf_serving_warmup_requests")
BATCHES = (1, 2, 4, 8, 16, 32, 64)  # allowed_batch_sizes of deploy/tf_serving/batching.config
NOISE_UP_TO = 8  # pairs; longer batches are grey, one value in the file in place of megabytes


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
                request.inputs[spec.name].CopyFrom(_example(spec, answers, batch))
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
    """A `TensorProto` of frames, encoded where encoded images are asked for, or of boxes."""
    shape = (batch, *answers.shape)
    if spec.name == "regions":
        return tf.make_tensor_proto(np.tile(np.float32(answers.regions), (batch, 1, 1)))
    if batch > NOISE_UP_TO and spec.dtype != tf.string:
        grey = 128 if spec.dtype == tf.uint8 else 0.5
        return tf.make_tensor_proto(grey, spec.dtype, shape)
    noise = np.random.default_rng(batch).integers(0, 256, shape).astype(np.uint8)
    if spec.dtype == tf.string:
        return tf.make_tensor_proto([tf.io.encode_png(frame).numpy() for frame in noise])
    return tf.make_tensor_proto(noise if spec.dtype == tf.uint8 else noise.astype(np.float32) / 255)


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
