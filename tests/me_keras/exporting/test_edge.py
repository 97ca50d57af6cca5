"""ONNX and TensorFlow Lite files against NumPy on the Keras model, and against the SavedModel."""

import dataclasses
import io
import json
import re
import sys
import warnings
import zipfile

import exported
import numpy as np
import pytest
import tensorflow as tf

from me_keras import models
from me_keras.exporting import contract, edge
from pipelines.schema import MIRRORED_REGIONS, OptionError

onnx = pytest.mark.skipif(sys.version_info < (3, 10), reason="ONNX needs Python 3.10")
each_kind = pytest.mark.parametrize("kind", [pytest.param("onnx", marks=onnx), "tflite"])
STSTNET = {"name": "ststnet", "image_size": 28, "motion": "precomputed"}
OPEN = {"onnx": edge.open_onnx, "tflite": edge.open_tflite}


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    """The folder of a version with a small network on motion maps."""
    return exported.export_tiny(tmp_path_factory.mktemp("models") / "ststnet", **STSTNET)


def answers_of(found):
    mirrored = MIRRORED_REGIONS if found.mirror_test else None
    return edge.EdgeAnswers(found.model, found.classes, found.regions, mirrored)


def contract_in(content, kind):
    """The contract that a file carries, as its users read it."""
    if kind == "tflite":
        return json.loads(zipfile.ZipFile(io.BytesIO(content)).read("contract.json"))
    import onnxruntime

    facts = onnxruntime.InferenceSession(content).get_modelmeta().custom_metadata_map
    assert facts["signature"] == "serving_regions"
    return json.loads(facts["contract"])


@each_kind
def test_a_file_answers_as_the_model_and_carries_the_contract(version, kind):
    found = exported.tiny(**STSTNET)
    path = edge.write(found, version, kind)
    assert path == version / f"model.{kind}"
    content = path.read_bytes()
    assert contract_in(content, kind) == contract.read_contract(version)
    ask = OPEN[kind](content)
    for batch in (1, 3) if kind == "onnx" else (1,):
        inputs = exported.motion_requests(batch, 3, seed=7, image_size=28)["serving_regions"]
        wanted = exported.expected(found, "serving_regions", inputs)
        named = {name: wanted.pop(name) for name in ("classes", "predicted")}
        exported.assert_answers(wanted, ask(inputs))
        best = ask(inputs)["probabilities"].argmax(axis=1)
        assert [found.classes[i] for i in best] == list(named["predicted"])


@each_kind
def test_a_file_of_another_model_is_not_written(version, kind, tmp_path):
    found = exported.tiny(**STSTNET)
    other = models.build("ststnet", 28, 3, 3)
    other.layers[-1].kernel.assign(other.layers[-1].kernel + 1.0)
    before = sorted(path.name for path in version.iterdir())
    with pytest.raises(FloatingPointError, match=r"not written: its \w+ differs by .+, 0.0001 is"):
        edge.write(dataclasses.replace(found, model=other), version, kind)
    assert sorted(path.name for path in version.iterdir()) == before


class WithDigamma(edge.EdgeAnswers):
    """Answers with an operator that neither kind of file knows."""

    def function(self, name):
        answer = super().function(name)

        def with_digamma(**inputs):
            answers = answer(**inputs)
            return {**answers, "probabilities": tf.math.digamma(1.0 + answers["probabilities"])}

        return with_digamma


@each_kind
def test_an_operator_that_a_file_cannot_hold_is_named(version, kind, monkeypatch):
    monkeypatch.setattr(edge, "EdgeAnswers", WithDigamma)
    path = version / f"model.{kind}"
    path.unlink(missing_ok=True)
    with pytest.raises(OptionError) as refused:
        edge.write(exported.tiny(**STSTNET), version, kind)
    assert str(refused.value) == (
        f"--format {kind}: the model has operators that such a file cannot hold: Digamma; serve "
        "its SavedModel, or export the run of another model"
    )
    assert not path.exists()


def test_regions_are_cut_as_before_once_a_file_is_written():
    found = exported.tiny("frl_dgt", image_size=28, motion="precomputed")
    crops = [layer for layer in found.model.layers if type(layer).__name__ == "RegionCrop"]
    with edge._crops_by_products(found.model):
        assert crops and all(layer.compiled for layer in crops)
    assert not any(layer.compiled for layer in crops)


def example(number):
    """The example of a kind of file in the module's documentation, as it stands there."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", edge.__doc__, re.MULTILINE)
    blocks = [block for block in blocks if block.strip()]
    return re.sub("^    ", "", blocks[number], flags=re.MULTILINE)


@pytest.mark.slow
@each_kind
def test_frl_dgt_on_frames_answers_in_the_documented_way(tiny, kind, tmp_path, monkeypatch):
    folder = tmp_path / "saved_models" / "frl_dgt" / "1"
    folder.mkdir(parents=True)
    promised = json.dumps({"classes": tiny.classes})
    convert = {"onnx": edge.to_onnx, "tflite": edge.to_tflite}[kind]
    (folder / f"model.{kind}").write_bytes(convert(answers_of(tiny), promised))
    inputs = exported.requests(1, seed=3)["displacement"]
    wanted = exported.expected(tiny, "displacement", inputs)
    monkeypatch.chdir(tmp_path)
    names = {**inputs, "tf": tf}
    with warnings.catch_warnings():  # 2.19: that the interpreter has a package of its own now
        warnings.simplefilter("ignore")
        exec(example(0 if kind == "onnx" else 1), names)
    exported.assert_answers(wanted, names["answer"], atol=1e-4)
    if kind == "onnx":
        assert names["best"] == tiny.classes[wanted["probabilities"][0].argmax()]
    assert np.abs(wanted["displacement"]).max() > 0.5  # there is something to answer
