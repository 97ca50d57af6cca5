import dataclasses

import exported
import numpy as np
import pytest
import tensorflow as tf

from me_keras.exporting import signatures
from pipelines.schema import MIRRORED_REGIONS

NAMES = ("serving_default", "serving_uint8", "serving_regions", "serving_bytes", "displacement")


def ask(loaded, signature, **inputs):
    inputs = {name: tf.constant(value) for name, value in inputs.items()}
    outputs = loaded.signatures[signature](**inputs)
    return {name: value.numpy() for name, value in outputs.items()}


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("signature", NAMES)
def test_answers_are_the_keras_models(tiny, loaded, signature, batch):
    requests = exported.requests(batch)
    outputs = ask(loaded, signature, **requests[signature])
    frames = requests["serving_uint8" if signature == "serving_bytes" else signature]
    exported.assert_answers(exported.expected(tiny, signature, frames), outputs)


def test_the_answers_tell_requests_apart(loaded):
    """Or equality with the model would prove little."""
    outputs = ask(loaded, "displacement", **exported.requests(8)["displacement"])
    for name in ("displacement", "reconstruction_gain", "attention", "probabilities"):
        assert outputs[name].std(axis=0).max() > 1e-3, name
    assert outputs["attention"].std(axis=1).max() > 1e-3
    np.testing.assert_allclose(outputs["attention"].sum(axis=1), 1, atol=1e-5)


def test_regions_matter_and_default_to_the_average_face(tiny, loaded):
    requests = exported.requests(2)
    own = ask(loaded, "serving_regions", **requests["serving_regions"])["probabilities"]
    default = ask(loaded, "serving_default", **requests["serving_default"])["probabilities"]
    assert np.abs(own - default).max() > 1e-3
    average = np.tile(np.float32(tiny.regions), (2, 1, 1))
    request = {**requests["serving_default"], "regions": average}
    found = ask(loaded, "serving_regions", **request)["probabilities"]
    np.testing.assert_allclose(found, default, atol=1e-6)


def test_two_equal_frames_have_no_gain(loaded):
    request = exported.requests(2)["displacement"]
    outputs = ask(loaded, "displacement", **{**request, "apex": request["onset"]})
    np.testing.assert_array_equal(outputs["reconstruction_gain"], 0)
    np.testing.assert_array_equal(outputs["motion_explained"], 0)
    outputs = ask(loaded, "serving_default", onset=request["onset"], apex=request["onset"])
    np.testing.assert_array_equal(outputs["motion_explained"], 0)


@pytest.mark.parametrize(
    "options",
    [
        {"name": "ststnet", "motion": "farneback"},
        {"motion": "difference"},
        {"motion": "precomputed", "mirror_test": False},
    ],
)
def test_models_on_motion_maps(options):
    """By their inputs alone: whatever trains can be exported."""
    found, answers = options_of(**options)
    channels = found.model.input["motion"].shape[-1]
    requests = exported.motion_requests(2, channels)
    assert set(answers.specs()) == set(requests)
    for name, request in requests.items():
        assert [spec.name for spec in answers.specs()[name]] == list(request)
        outputs = answers.function(name)(**{n: tf.constant(v) for n, v in request.items()})
        exported.assert_answers(exported.expected(found, name, request), outputs)
    request = requests["serving_regions"]
    with pytest.raises(tf.errors.InvalidArgumentError, match="as many examples as motion maps"):
        answers.function("serving_regions")(**{**request, "regions": request["regions"][:1]})


def options_of(**options):
    found = exported.tiny(**options)
    mirrored = MIRRORED_REGIONS if found.mirror_test else None
    return found, signatures.Signatures(found.model, found.classes, found.regions, mirrored)


def test_without_the_mirrored_face():
    found, answers = options_of(mirror_test=False)
    request = exported.requests(2)["displacement"]
    outputs = answers.function("displacement")(**{n: tf.constant(v) for n, v in request.items()})
    exported.assert_answers(exported.expected(found, "displacement", request), outputs)


def test_without_global_fusion_all_regions_share_alike():
    _, answers = options_of(global_fusion=False)
    assert not answers.has_attention
    request = exported.requests(2)["displacement"]
    outputs = answers.function("displacement")(**{n: tf.constant(v) for n, v in request.items()})
    np.testing.assert_allclose(outputs["attention"], np.full((2, 9), 1 / 9), atol=1e-7)


def test_mirroring_a_face_mirrors_the_attention_and_keeps_the_probabilities(loaded):
    request = exported.requests(2)["displacement"]
    outputs = ask(loaded, "displacement", **request)
    order = list(MIRRORED_REGIONS)
    y1, x1, y2, x2 = np.moveaxis(request["regions"][:, order], -1, 0)
    turned = {n: request[n][:, :, ::-1].copy() for n in ("onset", "apex")}
    turned["regions"] = np.stack([y1, 1 - x2, y2, 1 - x1], -1)
    mirrored = ask(loaded, "displacement", **turned)
    np.testing.assert_allclose(mirrored["probabilities"], outputs["probabilities"], atol=1e-5)
    np.testing.assert_allclose(mirrored["attention"][:, order], outputs["attention"], atol=1e-5)


@pytest.mark.parametrize("signature", NAMES)
def test_wrong_requests_are_refused(loaded, signature):
    refused = tf.errors.InvalidArgumentError
    request = exported.requests(2)[signature]
    first, second = sorted(request)[1], sorted(request)[0]  # onset, apex
    with pytest.raises(refused, match="as many examples as onsets are needed"):
        ask(loaded, signature, **{**request, second: request[second][:1]})
    with pytest.raises(refused, match="the batch is empty"):
        ask(loaded, signature, **{name: np.array(v)[:0] for name, v in request.items()})
    if signature in ("serving_default", "serving_regions", "displacement"):
        for name in (first, second):
            with pytest.raises(refused, match=f"{name}: values must be numbers"):
                ask(loaded, signature, **{**request, name: request[name] * np.nan})
    if "regions" in request:
        with pytest.raises(refused, match="regions: boxes must be"):
            ask(loaded, signature, **{**request, "regions": request["regions"] + 1})


def test_the_description_is_what_was_asked_for(loaded):
    found = signatures.describe(loaded)
    assert sorted(found) == sorted(NAMES)
    for part in [part for signature in found.values() for part in signature.values()]:
        for tensor in part.values():
            assert tensor.pop("unit") and tensor.pop("meaning")
    frame = {"dtype": "float32", "shape": [-1, 32, 32, 1]}
    regions = {"dtype": "float32", "shape": [-1, 9, 4]}
    text = {"dtype": "string", "shape": [-1]}
    number = {"dtype": "float32", "shape": [-1]}
    names = ("displacement_mean_px", "displacement_max_px")
    figures = dict.fromkeys((*names, "reconstruction_gain", "motion_explained"), number)
    assert found["serving_default"]["inputs"] == {"onset": frame, "apex": frame}
    assert found["serving_uint8"]["inputs"]["onset"] == {**frame, "dtype": "uint8"}
    assert found["serving_regions"]["inputs"] == {"onset": frame, "apex": frame, "regions": regions}
    assert found["serving_bytes"]["inputs"] == {"onset_bytes": text, "apex_bytes": text}
    answers = {
        "probabilities": {"dtype": "float32", "shape": [-1, 3]},
        "classes": {"dtype": "string", "shape": [-1, 3]},
        "predicted": text,
        **figures,
    }
    attention = {"dtype": "float32", "shape": [-1, 9]}
    for name in ("serving_default", "serving_uint8", "serving_bytes"):
        assert found[name]["outputs"] == answers
    assert found["serving_regions"]["outputs"] == {**answers, "attention": attention}
    assert found["displacement"]["outputs"] == {
        "displacement": {"dtype": "float32", "shape": [-1, 32, 32, 2]},
        "magnitude": {"dtype": "float32", "shape": [-1, 32, 32]},
        "attention": attention,
        "probabilities": answers["probabilities"],
        **figures,
    }


def test_only_stock_operations(version):
    """Nothing that the server's TensorFlow lacks: no Python, no custom operation, no XLA."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    (graph,) = saved.meta_graphs
    functions = graph.graph_def.library.function
    used = {node.op for function in functions for node in function.node_def}
    used |= {node.op for node in graph.graph_def.node}
    own = {function.signature.name for function in functions}
    stock = {name for name in dir(tf.raw_ops) if not name.startswith("_")}
    assert used - own - stock <= {"_Arg", "_Retval"}
    assert not {"PyFunc", "EagerPyFunc", "PyFuncStateless"} & used
    text = (version / "saved_model.pb").read_bytes()
    assert b"Addons>" not in text
    for function in functions:
        assert not function.attr["_XlaMustCompile"].b
    for node in [*graph.graph_def.node, *(n for f in functions for n in f.node_def)]:
        assert not node.device or node.device.endswith(("CPU:0", "CPU:*")), node


def test_class_names_are_those_of_the_data(tiny):
    other = dataclasses.replace(tiny, classes=("a", "b", "c"))
    answers = signatures.Signatures(other.model, other.classes, other.regions)
    request = exported.requests(1)["serving_uint8"]
    outputs = answers.function("serving_uint8")(**{n: tf.constant(v) for n, v in request.items()})
    assert outputs["classes"].numpy().tolist() == [[b"a", b"b", b"c"]]
    assert outputs["predicted"].numpy()[0] in (b"a", b"b", b"c")
