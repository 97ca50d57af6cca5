"""One version in memory, on the stand-in: answers, refusals, hostile messages, warm-up."""

import shutil

import numpy as np
import pytest
import stand_in
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from me_keras.serving.errors import ServingError
from me_keras.serving.loaded_model import LoadedModel, Signature


@pytest.fixture(scope="module")
def model(export):
    return LoadedModel(export / "1", max_batch=8)


@pytest.fixture
def pair(rng):
    onset, apex = rng.random((2, 3, stand_in.SIZE, stand_in.SIZE, 1), np.float32)
    return {"onset": onset, "apex": apex}


def request_of(inputs, signature="", only=()):
    request = PredictRequest(output_filter=only)
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        is_proto = isinstance(value, TensorProto)
        request.inputs[name].CopyFrom(value if is_proto else tf.make_tensor_proto(value))
    return request


def refusal(call):
    with pytest.raises(ServingError) as caught:
        call()
    return caught.value.code, caught.value.message


def test_answers_are_those_worked_out_by_hand(model, pair):
    answer = model.predict(request_of(pair))
    expected = stand_in.probabilities(**pair)
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    assert answer["predicted"].tolist() == [
        stand_in.CLASSES[i].encode() for i in expected.argmax(1)
    ]
    assert set(model.predict(request_of(pair, "serving_default", ["predicted"]))) == {"predicted"}


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda p: p.pop("apex"), "expected apex, onset; got onset"),
        (lambda p: p.update(face=p.pop("apex")), "expected apex, onset; got face, onset"),
        (lambda p: p.update(apex=p["apex"].astype("f8")), "expected float32, got float64"),
        (lambda p: p.update(apex=p["apex"][:2]), "equal 0th-dimension size: apex 2, onset 3"),
        (lambda p: p.update(apex=p["apex"][:, :8]), "expected shape (None, 16, 16, 1), got (3, 8"),
        (lambda p: p.update(apex=p["apex"][..., 0]), "expected shape"),
        (lambda p: p.update(apex=np.full_like(p["apex"], np.nan)), "apex: values must lie"),
        (lambda p: p.update({n: p[n][:0] for n in p}), "the batch is empty"),
        (lambda p: p.update({n: np.repeat(p[n], 3, 0) for n in p}), "9 is larger than maximum"),
    ],
)
def test_wrong_inputs(model, pair, change, said):
    change(pair)
    code, message = refusal(lambda: model.predict(request_of(pair)))
    assert code == "INVALID_ARGUMENT" and said in message and "{{node" not in message


def proto(shape=(1, 16, 16, 1), dtype=1, **fields):
    made = TensorProto(dtype=dtype, **fields)
    for size in shape:
        made.tensor_shape.dim.add().size = size
    return made


@pytest.mark.parametrize(
    "apex, said",
    [
        (proto((10**12, 16, 16, 1), float_val=[1]), "larger than maximum"),
        (proto((2**62, 16, 16, 1), float_val=[1]), "larger than maximum"),
        (proto((-1, 16, 16, 1)), "tensor parsing error"),
        (proto((1, 10**12, 16, 1), float_val=[1]), "expected shape"),
        (proto(()), "expected shape"),
        (proto(dtype=2), "expected float32, got float64"),
        (proto(dtype=0), "got type 0"),
        (proto(dtype=99), "got type 99"),
        (proto(dtype=101), "float32, got float32_ref"),
        (proto(tensor_content=b"123"), "tensor parsing error"),
        (proto(tensor_content=b"1" * 12), "tensor parsing error"),
        (proto(float_val=[0.5] * 257), "tensor parsing error"),
    ],
)
def test_hostile_messages_are_refused_before_memory_is_taken(model, apex, said):
    onset = proto(tuple(dim.size for dim in apex.tensor_shape.dim), float_val=[0.5])
    request = request_of({"onset": onset, "apex": apex})
    code, message = refusal(lambda: model.predict(request))
    assert code == "INVALID_ARGUMENT" and said in message


def test_an_open_rank_is_refused(model):
    apex = proto((), float_val=[0.5])
    apex.tensor_shape.unknown_rank = True
    request = request_of({"onset": proto(float_val=[0.5]), "apex": apex})
    assert "tensor parsing error: apex" in refusal(lambda: model.predict(request))[1]


def test_values_may_be_repeated(model):
    request = request_of({name: proto(float_val=[0.5]) for name in ("onset", "apex")})
    np.testing.assert_allclose(model.predict(request)["probabilities"], [[1 / 3] * 3], atol=1e-6)


def test_unknown_names(model, pair):
    assert refusal(lambda: model.predict(request_of(pair, "x"))) == (
        "FAILED_PRECONDITION",
        'Serving signature key "x" not found.',
    )
    # The graph's own initialisation is in the file beside the signatures, and is none.
    assert refusal(lambda: model.predict(request_of({}, "__saved_model_init_op")))[0] == (
        "FAILED_PRECONDITION"
    )
    assert "alias" in refusal(lambda: model.predict(request_of(pair, "", ["x"])))[1]


def test_its_files_may_go(export, tmp_path, pair):
    folder = shutil.copytree(export / "1", tmp_path / "1")
    model = LoadedModel(folder, 8)
    shutil.rmtree(folder)
    model.predict(request_of(pair))


@pytest.fixture
def folder(export, tmp_path):
    return shutil.copytree(export / "1", tmp_path / "1")


@pytest.mark.parametrize("name", ["saved_model.pb", "variables/variables.index"])
@pytest.mark.parametrize("damage", ["missing", "empty", "torn", "garbage"])
def test_a_broken_version(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        kept = {"empty": b"", "torn": content[: len(content) // 2], "garbage": b"\xff" * 99}
        path.write_bytes(kept[damage])
    code, message = refusal(lambda: LoadedModel(folder, 8))
    assert str(folder) in message and "cannot be loaded" in message


def log_of(inputs, signature="serving_default"):
    log = PredictionLog()
    log.predict_log.request.CopyFrom(request_of(inputs, signature))
    return log.SerializeToString()


def write_records(folder, records):
    (folder / "assets.extra").mkdir(exist_ok=True)
    path = folder / "assets.extra" / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


def test_warm_up_requests_are_replayed(folder, pair, monkeypatch):
    write_records(folder, [log_of(pair)] * 3)
    seen = []
    real = Signature.run
    monkeypatch.setattr(Signature, "run", lambda *args: seen.append(args[1]) or real(*args))
    LoadedModel(folder, 8)
    assert len(seen) == 3
    np.testing.assert_array_equal(seen[0]["apex"], pair["apex"])


@pytest.mark.parametrize(
    "records, code, said",
    [
        (lambda pair: [log_of(pair, "x")], "FAILED_PRECONDITION", '"x" not found'),
        (lambda pair: [log_of({"onset": pair["onset"]})], "INVALID_ARGUMENT", "got onset"),
        (lambda pair: [b"\xff"], "DATA_LOSS", "verify"),
        (lambda pair: [b""], "INVALID_ARGUMENT", "got none"),
    ],
)
def test_a_warm_up_that_fails_fails_the_version(folder, pair, records, code, said):
    path = write_records(folder, records(pair))
    found, message = refusal(lambda: LoadedModel(folder, 8))
    assert found == code and said in message and str(path) in message


def test_a_warm_up_file_of_another_format(folder):
    write_records(folder, []).write_bytes(b"not records at all" * 10)
    assert refusal(lambda: LoadedModel(folder, 8))[0] == "DATA_LOSS"
