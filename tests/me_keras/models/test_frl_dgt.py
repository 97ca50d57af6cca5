import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras import distribution
from me_keras.layers.regions import RegionCrop
from me_keras.models import MODELS, build
from me_keras.models.frl_dgt import displacement_model, frl_dgt, with_attention
from me_keras.options import Options
from pipelines import cli


def frames(rng, size=32, batch=2):
    boxes = np.sort(rng.random((batch, 9, 2, 2)), axis=2).reshape(batch, 9, 4)
    return {
        "onset": tf.constant(rng.random((batch, size, size, 1)), tf.float32),
        "apex": tf.constant(rng.random((batch, size, size, 1)), tf.float32),
        "regions": tf.constant(boxes, tf.float32),
    }


SMALL = {"image_size": 32, "hidden_dim": 16, "num_heads": 2, "filters": (8, 12)}


def test_outputs(rng):
    inputs = frames(rng)
    model = frl_dgt(**SMALL)
    outputs = model(inputs)
    assert {name: value.shape for name, value in outputs.items()} == {
        "logits": (2, 3),
        "displacement": (2, 32, 32, 2),
        "half": (2, 16, 16, 2),
        "warped": (2, 32, 32, 1),
    }
    assert model.predict(inputs, verbose=0)["logits"].shape == (2, 3)


# Every pair of two switches' values comes at least once.
@pytest.mark.parametrize(
    "channels, parts, order",
    [
        (0, "", "before"),
        (0, "lgf", "after"),
        (1, "f", "after"),
        (1, "lg", "before"),
        (2, "g", "after"),
        (2, "lf", "before"),
        (3, "gf", "before"),
        (3, "l", "after"),
    ],
)
def test_ablations_build_save_and_load(rng, tmp_path, order, parts, channels):
    options = {"local_fusion": "l" in parts, "global_fusion": "g" in parts}
    model = frl_dgt(
        **SMALL, motion_channels=channels, fusion_order=order, face_fusion="f" in parts, **options
    )
    inputs = frames(rng)
    if channels:
        inputs["motion"] = tf.constant(rng.normal(size=(2, 32, 32, channels)), tf.float32)
        del inputs["onset"], inputs["apex"]
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for name, value in model(inputs).items():
        np.testing.assert_allclose(loaded(inputs)[name], value, atol=1e-6)


def gradient_of_logits(model, inputs, name):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(model(inputs)["logits"]))
    variables = model.get_layer(name).trainable_variables
    gradients = tape.gradient(loss, variables)
    return sum(float(tf.reduce_sum(tf.abs(g))) for g in gradients if g is not None)


def test_recognition_shapes_the_displacement_unless_detached(rng):
    inputs = frames(rng)
    assert gradient_of_logits(frl_dgt(**SMALL), inputs, "displacement_generator") > 0
    detached = frl_dgt(**SMALL, detach_motion=True)
    assert gradient_of_logits(detached, inputs, "displacement_generator") == 0


def test_displacement_model_shares_the_convention(rng):
    inputs = frames(rng)
    outputs = displacement_model(32, (8, 12))({n: inputs[n] for n in ("onset", "apex")})
    assert outputs["displacement"].shape == (2, 32, 32, 2)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_the_fusions_build_on_the_line(rng, tmp_path, channels):
    inputs = frames(rng)
    if channels:
        inputs["motion"] = tf.constant(rng.normal(size=(2, 32, 32, channels)), tf.float32)
        del inputs["onset"], inputs["apex"]
    model = frl_dgt(**SMALL, motion_channels=channels, linear_readout=True)
    kernel = model.get_layer("line").line.kernel
    kernel.assign(rng.normal(size=kernel.shape))  # it starts at zero
    outputs = model(inputs)
    fused = keras.Model(model.input, model.get_layer("logits").output)(inputs)
    np.testing.assert_allclose(outputs["logits"], outputs["line"] + fused, atol=1e-5)
    motion = model.get_layer("motion_maps").output
    moved = keras.Model(model.input, motion if channels else motion[:-1])(inputs)
    np.testing.assert_allclose(outputs["line"], model.get_layer("line")(moved), atol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs)["logits"], outputs["logits"], atol=1e-5)


@pytest.mark.parametrize("order", ["before", "after"])
def test_attention_is_an_output_more_and_nothing_else_changes(rng, tmp_path, order):
    inputs = frames(rng)
    model = frl_dgt(**SMALL, fusion_order=order)
    expected = model(inputs)
    telling = with_attention(model)
    outputs = telling(inputs)
    assert outputs["attention"].shape == (2, 9)
    np.testing.assert_allclose(np.sum(outputs["attention"], axis=1), 1, atol=1e-6)
    for name, value in expected.items():
        np.testing.assert_allclose(outputs[name], value, atol=1e-6)
    assert [w.name for w in telling.weights] == [w.name for w in model.weights]
    model.save(tmp_path / "model.keras")  # the further output is none of the model's
    np.testing.assert_allclose(
        keras.models.load_model(tmp_path / "model.keras")(inputs)["logits"],
        expected["logits"],
        atol=1e-6,
    )


def test_no_attention_without_global_fusion():
    with pytest.raises(ValueError, match="only a model with global fusion"):
        with_attention(frl_dgt(**SMALL, global_fusion=False))


def test_models_by_name():
    networks = {name for name, model in MODELS.items() if not model.classical}
    assert networks == {
        *("frl_dgt", "ststnet", "off_apexnet", "dual_inception", "featref", "rcn_a", "htnet"),
        *("tsfmicro", "dual_branch", "afn"),
    }
    assert build("frl_dgt", **SMALL).name == "frl_dgt"
    assert build("ststnet", 28, 5, 2).output["logits"].shape == (None, 5)
    with pytest.raises(ValueError, match="unknown model 'resnet': choose one of frl_dgt, ststnet"):
        build("resnet")
    with pytest.raises(ValueError, match="unknown model 'ridge'"):
        build("ridge")  # scikit-learn's


def test_records_name_arguments_of_their_builders():
    for model in MODELS.values():
        if not model.classical:
            assert set(model.options) <= set(inspect.signature(model.builder).parameters)
        for preset in model.presets.values():
            leaf_names = cli.leaves(Options)
            assert set(preset) <= set(leaf_names)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_large_motion_maps_stay_exact_in_half_precision(precision):
    with distribution.precision(precision):
        model = frl_dgt(image_size=128, motion_channels=3, hidden_dim=16, num_heads=2)
    cut = [layer for layer in model.layers if isinstance(layer, RegionCrop)]
    assert len(cut) == 3 and {tf.as_dtype(layer.input[0].dtype) for layer in cut} == {tf.float32}
