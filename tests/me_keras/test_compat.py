"""What differs between Keras 2.15 and Keras 3: files of either are read by both."""

import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest

import me_keras
from me_keras.models.recognizer import Recognizer

# Made by tests/written/write.py under each Keras.
WRITTEN = sorted((pathlib.Path(__file__).parents[1] / "written").glob("*.keras"))


def test_both_were_written():
    majors = []
    for path in WRITTEN:
        with zipfile.ZipFile(path) as file:
            majors.append(json.loads(file.read("metadata.json"))["keras_version"].split(".")[0])
    assert majors == ["2", "3"]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_a_model_written_under_either_keras_answers_and_goes_on_training(path):
    """Weights, loss, optimizer and its state: the steps after are those of the Keras that wrote."""
    inputs, labels, told = read(path)
    model = me_keras.load_model(path)
    assert isinstance(model, Recognizer)
    np.testing.assert_allclose(model(inputs)["logits"], told["logits"], atol=1e-5)
    assert int(model.optimizer.iterations) == 6
    history = model.fit(
        inputs, labels, batch_size=len(labels), epochs=3, shuffle=False, verbose=0
    ).history
    np.testing.assert_allclose(history["loss"], told["losses"], rtol=1e-4)


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_a_model_written_under_either_keras_predicts_without_its_training(path):
    inputs, _, told = read(path)
    model = me_keras.load_model(path, compile=False)
    np.testing.assert_allclose(model(inputs)["logits"], told["logits"], atol=1e-5)


def test_a_file_builds_nothing_but_models_of_this_package():
    recipe = {"builder": "subprocess.run", "arguments": {"args": ["false"]}, "policy": "float32"}
    with pytest.raises(ValueError, match=r"subprocess\.run is no builder of this package"):
        Recognizer.from_config({"recipe": recipe})


def test_the_precision_of_the_layers_is_kept(tmp_path):
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        me_keras.build_model("ststnet", image_size=28, motion_channels=3).save(tmp_path / "m.keras")
    finally:
        keras.mixed_precision.set_global_policy("float32")
    layer = me_keras.load_model(tmp_path / "m.keras").layers[2]
    assert layer.compute_dtype == "bfloat16"
    assert keras.mixed_precision.global_policy().name == "float32"


def read(path):
    with np.load(path.with_suffix(".npz")) as file:
        told = dict(file)
    return {name: told.pop(name) for name in ("onset", "apex")}, told.pop("labels"), told
