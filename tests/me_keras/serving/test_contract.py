"""The serving contract, over real sockets: gRPC and REST give the SavedModel's own answers.

Runs against the embedded server, which emulates TF Serving after its 2.15.1 sources, and against
a real one where TF_SERVING_ADDRESS names it (conftest.py).
"""

import base64
import os

import cv2
import numpy as np
import pytest
import requests

from me_keras.serving import ServingError, connect

EVERY = ("serving_default", "serving_uint8", "serving_regions", "serving_bytes")


SERVERS = ["served", pytest.param("exported_model", marks=pytest.mark.slow)]
SERVERS += ["real"] if os.environ.get("TF_SERVING_ADDRESS") else []


@pytest.fixture(scope="session", params=SERVERS)
def server(request):
    return request.getfixturevalue(request.param)


def test_this_suite_ran_against_a_real_tf_serving(real):
    assert "real" in SERVERS


@pytest.fixture(scope="session", params=["grpc", "rest"])
def client(server, request):
    address = {"grpc": server.grpc, "rest": server.rest}[request.param]
    if address is None:
        pytest.skip(f"no {request.param} address")
    with connect(address, model=server.name, timeout=60) as connected:
        yield connected


@pytest.fixture
def rest(server):
    if server.rest is None:
        pytest.skip("no http address")
    return f"{server.rest}/v1/models/{server.name}"


@pytest.fixture(scope="session")
def model(server):
    """The SavedModel itself, in this process: what every answer is compared with."""
    import tensorflow as tf

    from me_keras.exporting.versions import newest_version

    before = tf.config.optimizer.get_experimental_options()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})  # quicker
    yield tf.saved_model.load(str(newest_version(server.folder)))
    restored = {"disable_meta_optimizer": before.get("disable_meta_optimizer", False)}
    tf.config.optimizer.set_experimental_options(restored)


@pytest.fixture(scope="session")
def size(model):
    return model.signatures["serving_default"].structured_input_signature[1]["onset"].shape[1]


def pairs(count, size, seed=0):
    """Two batches of smooth grey images, uint8 (count, size, size, 1)."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(128, 200, (2, count, size, size)).astype(np.float32)
    smooth = [[cv2.GaussianBlur(image, (0, 0), 2) for image in batch] for batch in noise]
    return np.clip(smooth, 0, 255).astype(np.uint8)[..., None]


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def inputs_of(signature, count, size):
    onset, apex = pairs(count, size)
    if signature == "serving_uint8":
        return {"onset": onset, "apex": apex}
    if signature == "serving_bytes":
        return {"onset_bytes": [png(i) for i in onset], "apex_bytes": [png(i) for i in apex]}
    floats = {"onset": (onset / 255).astype("f4"), "apex": (apex / 255).astype("f4")}
    if signature in ("serving_regions", "displacement"):
        low = np.random.default_rng(1).uniform(0, 0.5, (count, 9, 2))
        floats["regions"] = np.concatenate([low, low + 0.4], -1).astype("f4")
    return floats


def direct(model, signature, inputs):
    import tensorflow as tf

    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    return {k: v.numpy() for k, v in model.signatures[signature](**tensors).items()}


def assert_same(answer, expected):
    assert set(answer) == set(expected)
    for name, value in expected.items():
        if value.dtype == object:
            np.testing.assert_array_equal(answer[name], np.char.decode(value.astype(bytes)))
        else:
            assert answer[name].dtype == value.dtype
            np.testing.assert_allclose(answer[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("signature", [*EVERY, "displacement"])
def test_answers_are_the_models(client, model, size, signature, count):
    inputs = inputs_of(signature, count, size)
    assert_same(client.predict(inputs, signature), direct(model, signature, inputs))


def test_signatures_agree_with_each_other(client, size):
    answers = [client.predict(inputs_of(s, 3, size), s)["probabilities"] for s in EVERY]
    assert np.ptp(answers[0], axis=0).max() > 1e-3  # not one answer for everything
    np.testing.assert_allclose(answers[1], answers[0], atol=1e-5)
    np.testing.assert_allclose(answers[3], answers[0], atol=1e-5)


def as_json(inputs):
    def item(value):
        return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    return {
        n: [item(v) for v in (getattr(x, "tolist", lambda x=x: x)())] for n, x in inputs.items()
    }


@pytest.mark.parametrize("signature", [*EVERY, "displacement"])
def test_row_and_column_format_give_the_same(rest, model, size, signature):
    inputs = inputs_of(signature, 2, size)
    columns = as_json(inputs)
    rows = [{name: columns[name][i] for name in columns} for i in range(2)]
    request = {"signature_name": signature, "instances": rows}
    by_row = requests.post(f"{rest}:predict", json=request, timeout=60).json()["predictions"]
    request = {"signature_name": signature, "inputs": columns}
    by_column = requests.post(f"{rest}:predict", json=request, timeout=60).json()["outputs"]
    for name, expected in direct(model, signature, inputs).items():
        kind = str if expected.dtype == object else np.float32
        assert_same({name: np.asarray(by_column[name], kind)}, {name: expected})
        assert_same({name: np.asarray([row[name] for row in by_row], kind)}, {name: expected})


def test_probabilities_are_of_the_classes_named(client, size):
    answer = client.predict(inputs_of("serving_bytes", 5, size), "serving_bytes")
    np.testing.assert_allclose(answer["probabilities"].sum(1), 1, atol=1e-5)
    best = answer["probabilities"].argmax(1)
    np.testing.assert_array_equal(answer["predicted"], answer["classes"][np.arange(5), best])


def test_status_and_metadata(client, server, size):
    version = client.metadata()["version"]
    assert {"version": version, "state": "AVAILABLE"} in client.status()
    signatures = client.metadata()["signatures"]
    assert {*EVERY, "displacement"} <= set(signatures)
    onset = {"dtype": "float32", "shape": [None, size, size, 1]}
    assert signatures["serving_default"]["inputs"] == {"onset": onset, "apex": onset}
    encoded = {"dtype": "string", "shape": [None]}
    assert signatures["serving_bytes"]["inputs"]["apex_bytes"] == encoded
    assert signatures["displacement"]["outputs"]["reconstruction_gain"] == {
        "dtype": "float32",
        "shape": [None],
    }


TRUST = ("displacement_mean_px", "displacement_max_px", "reconstruction_gain")


@pytest.mark.parametrize("signature", [*EVERY, "displacement"])
def test_every_answer_says_how_far_the_face_moved(client, size, signature):
    """And so that frames without motion can be told apart."""
    moved = client.predict(inputs_of(signature, 2, size), signature)
    still = inputs_of(signature, 2, size)
    still.update({name: still[name.replace("apex", "onset")] for name in still if "apex" in name})
    still = client.predict(still, signature)
    for name in TRUST:
        assert moved[name].shape == still[name].shape == (2,)
        assert moved[name].dtype == np.float32
    assert (moved["displacement_max_px"] >= moved["displacement_mean_px"]).all()
    assert (moved["displacement_mean_px"] > 0).all()
    assert (still["displacement_max_px"] <= moved["displacement_max_px"]).all()


def test_a_version_may_be_named(client, size):
    version = client.metadata()["version"]
    inputs = inputs_of("serving_bytes", 1, size)
    with connect(client.address, model=client.model, version=version) as pinned:
        assert_same_arrays(
            pinned.predict(inputs, "serving_bytes"), client.predict(inputs, "serving_bytes")
        )
        assert pinned.status() == [{"version": version, "state": "AVAILABLE"}]


def assert_same_arrays(one, other):
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def refusal(call):
    with pytest.raises(ServingError) as caught:
        call()
    assert "\n" not in str(caught.value) and "Traceback" not in str(caught.value)
    return caught.value


BAD_INPUTS = {
    "missing": lambda x: {"onset": x["onset"]},
    "unknown": lambda x: {"onset": x["onset"], "face": x["apex"]},
    "rank": lambda x: {**x, "apex": x["apex"][..., 0]},
    "size": lambda x: {**x, "apex": x["apex"][:, ::2]},
    "type": lambda x: {**x, "apex": np.array(["a", "b"])},
    "empty": lambda x: {name: value[:0] for name, value in x.items()},
    "nan": lambda x: {**x, "apex": x["apex"] * np.nan},
    "infinite": lambda x: {**x, "apex": x["apex"] + np.inf},
    "too large": lambda x: {**x, "apex": x["apex"] * 255},
    "negative": lambda x: {**x, "onset": x["onset"] - 1},
}


@pytest.mark.parametrize("wrong", BAD_INPUTS)
def test_wrong_inputs_are_refused(client, size, wrong):
    inputs = BAD_INPUTS[wrong](inputs_of("serving_default", 2, size))
    assert refusal(lambda: client.predict(inputs)).code == "INVALID_ARGUMENT"
    client.predict(inputs_of("serving_default", 2, size))  # and the server lives


@pytest.mark.parametrize(
    "content",
    [b"", b"x", b"\x89PNG\r\n\x1a\n", b"GIF89a" + b"\0" * 20, png(pairs(1, 8)[0, 0])[:40]],
)
def test_broken_images_are_refused(client, content):
    inputs = {"onset_bytes": [content], "apex_bytes": [content]}
    assert refusal(lambda: client.predict(inputs, "serving_bytes")).code == "INVALID_ARGUMENT"


def test_an_image_that_claims_to_be_vast_is_refused(client):
    whole = bytearray(png(pairs(1, 8)[0, 0]))
    whole[16:24] = (50000).to_bytes(4, "big") * 2  # width and height of the PNG header
    inputs = {"onset_bytes": [bytes(whole)], "apex_bytes": [bytes(whole)]}
    assert refusal(lambda: client.predict(inputs, "serving_bytes")).code == "INVALID_ARGUMENT"


def test_an_unknown_signature(client, size):
    error = refusal(lambda: client.predict(inputs_of("serving_default", 1, size), "nowhere"))
    over_rest = client.scheme == "http"
    assert error.code == ("INVALID_ARGUMENT" if over_rest else "FAILED_PRECONDITION")
    wanted = 'name: "nowhere" not found' if over_rest else 'key "nowhere" not found'
    assert wanted in error.message


@pytest.mark.parametrize("model_name, version", [("nobody", None), (None, 424242)])
def test_an_unknown_model_or_version(client, size, model_name, version):
    with connect(client.address, model=model_name or client.model, version=version) as other:
        error = refusal(lambda: other.predict(inputs_of("serving_default", 1, size)))
        assert error.code == "NOT_FOUND" and "Servable not found" in error.message
        assert refusal(other.status).code == "NOT_FOUND"
        assert refusal(other.metadata).code == "NOT_FOUND"


def status_of(answer):
    assert answer.headers["Content-Type"].startswith("application/json")
    assert "Traceback" not in answer.text
    return answer.status_code, answer.json().get("error", "")


@pytest.mark.parametrize(
    "body, said",
    [
        (b"", "The document is empty"),
        (b"{", "JSON Parse error"),
        (b"[1]", "not object"),
        (b"{}", "Missing 'inputs' or 'instances'"),
        (b'{"instances": []}', "No values"),
        (b'{"instances": {}}', "to be an list/array"),
        (b'{"instances": [1], "inputs": 1}', "only one of"),
        (b'{"instances": [[1]]}', "list of objects"),
        (b'{"instances": [{"onset": 1}]}', "keys must be equal to: apex,onset"),
        (b'{"inputs": {"onset": [0]}}', "Missing named input: apex"),
        (b'{"signature_name": 5, "instances": [1]}', "'signature_name' key must be a string"),
        (b'{"signature_name": "x", "instances": [1]}', 'name: "x" not found in signature def'),
    ],
)
def test_rest_bodies_that_are_no_request(rest, body, said):
    code, error = status_of(requests.post(f"{rest}:predict", data=body, timeout=60))
    assert code == 400 and said.lower() in error.lower()


@pytest.mark.parametrize(
    "value, said",
    [
        (1.5, "not of expected type"),
        ("a", "not of expected type"),
        (True, "not of expected type"),
        (None, "not of expected type"),
        ({"b64": "AA=="}, "not of expected type"),
    ],
)
def test_rest_values_of_the_wrong_type(rest, size, value, said):
    columns = as_json(inputs_of("serving_uint8", 1, size))
    columns["apex"][0][0][0][0] = value
    request = {"signature_name": "serving_uint8", "inputs": columns}
    code, error = status_of(requests.post(f"{rest}:predict", json=request, timeout=60))
    assert code == 400 and said in error


@pytest.mark.parametrize("verb", ["classify", "regress"])
def test_only_predict_is_served(rest, verb):
    request = {"examples": [{"x": 1.0}]}
    code, error = status_of(requests.post(f"{rest}:{verb}", json=request, timeout=60))
    assert code == 400 and error


def test_rest_paths(rest, server):
    assert requests.get(rest, timeout=60).status_code == 200
    states = requests.get(rest, timeout=60).json()["model_version_status"]
    version = states[0]["version"]
    assert isinstance(version, str) and states[0]["status"] == {
        "error_code": "OK",
        "error_message": "",
    }
    assert requests.get(f"{rest}/versions/{version}", timeout=60).status_code == 200
    metadata = requests.get(f"{rest}/metadata", timeout=60).json()
    assert metadata["model_spec"]["version"] == version
    assert "serving_default" in metadata["metadata"]["signature_def"]["signature_def"]
    for path, expected in (
        ("/v1/models", 400),
        ("/v1/models/nobody", 404),
        (f"/v1/models/{server.name}/versions/424242", 404),
        (f"/v1/models/{server.name}/versions/99999999999999999999", 400),
        (f"/v1/models/{server.name}/nothing", 400),
        ("/elsewhere", 404),
    ):
        assert requests.get(server.rest + path, timeout=60).status_code == expected, path
    assert requests.post(f"{rest}:nothing", data="{}", timeout=60).status_code == 400
