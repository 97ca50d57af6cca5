import collections

import numpy as np
import pytest
import tensorflow as tf

from me_keras.exporting import warmup


def test_a_record_per_signature_and_batch(version, loaded):
    found = collections.Counter()
    for request in warmup.read(version):
        assert request.model_spec.name == "tiny"
        sizes = {tensor.tensor_shape.dim[0].size for tensor in request.inputs.values()}
        (batch,) = sizes
        found[request.model_spec.signature_name, batch] += 1
        wanted = loaded.signatures[request.model_spec.signature_name]
        assert set(request.inputs) == set(wanted.structured_input_signature[1])
    assert found == {(name, size): 1 for name in loaded.signatures for size in warmup.BATCHES}


def test_long_batches_take_no_room(version):
    """One value stands for a whole grey batch: 64 pairs of noise of 32 px would take 0.5 MiB."""
    [request] = [
        request
        for request in warmup.read(version)
        if request.model_spec.signature_name == "serving_default"
        and request.inputs["onset"].tensor_shape.dim[0].size == 64
    ]
    assert request.ByteSize() < 1000
    onset = tf.make_ndarray(request.inputs["onset"])
    assert onset.shape == (64, 32, 32, 1) and (onset == 0.5).all()


def test_the_file_is_what_the_server_reads(version):
    """A plain TFRecord: length, checksum, data, checksum; no compression."""
    data = (version / warmup.PATH).read_bytes()
    length = int.from_bytes(data[:8], "little")
    assert 0 < length < len(data)
    assert tf.io.gfile.exists(str(version / "assets.extra" / "tf_serving_warmup_requests"))


def test_replay_runs_every_record(version, loaded):
    before = tf.config.optimizer.get_experimental_options()
    warmup.replay(version, loaded)
    after = tf.config.optimizer.get_experimental_options()
    assert after.get("disable_meta_optimizer", False) == before.get("disable_meta_optimizer", False)


def test_replay_finds_a_request_that_the_model_refuses(version, loaded, tmp_path):
    from tensorflow_serving.apis import prediction_log_pb2

    (tmp_path / "assets.extra").mkdir()
    request = warmup.read(version)[0]
    values = np.full((1, 32, 32, 1), 9, np.float32)
    request.inputs["onset"].CopyFrom(tf.make_tensor_proto(values))
    log = prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
    with tf.io.TFRecordWriter(str(tmp_path / warmup.PATH)) as writer:
        writer.write(log.SerializeToString())
    with pytest.raises(tf.errors.InvalidArgumentError, match="onset: values must be numbers"):
        warmup.replay(tmp_path, loaded)


def test_a_model_that_answers_no_number_is_not_exported(version):
    class Broken:
        signatures = collections.defaultdict(
            lambda: lambda **inputs: {"probabilities": np.array([[np.nan]])}
        )

    with pytest.raises(FloatingPointError, match="serving_default: the model answers with no"):
        warmup.replay(version, Broken)
