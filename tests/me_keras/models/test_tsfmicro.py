import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.recognizer import policy
from me_keras.models.tsfmicro import FUSIONS, tsfmicro

SMALL = {"widths": (8, 8, 16, 16), "readout": 24}


def trained(model):
    return sum(int(np.prod(v.shape)) for v in model.trainable_variables)


def stem(width):
    """Parameters: four 3 x 3 convolutions and their batch normalisations."""
    half = width // 2
    kernels = 9 * (half + half * half + half * width + width * width)
    return kernels + 3 * (half + half + width + width)


def stages(widths, depths):
    """Parameters: blocks as in the test of `RetentionBlock`, convolutions between stages."""
    blocks = sum(d * (10 * w * w + 78 * w) for w, d in zip(widths, depths))
    return blocks + sum(9 * v * w + w + 2 * w for v, w in zip(widths, widths[1:]))


def spatial(width, tokens):
    """Parameters: pixels, positions, two Transformer blocks, a LayerNorm."""
    attention = width * 3 * width + 3 * width + width * width + width
    perceptron = width * 4 * width + 4 * width + 4 * width * width + width
    return 2 * width + tokens * width + 2 * (attention + perceptron + 4 * width) + 2 * width


def head(width, readout):
    return width * readout + readout + 2 * readout + readout * 3 + 3


def brought_up(widths):
    return sum(16 * v * w + v for v, w in zip(widths, widths[1:]))


@pytest.mark.parametrize("size, tokens, total", [(224, 196, 12_785_763), (128, 64, 12_718_179)])
def test_parameter_count_by_hand(size, tokens, total):
    widths = (64, 128, 256, 512)
    by_hand = stem(64) + stages(widths, (1, 1, 2, 1)) + spatial(512, tokens) + head(512, 1024)
    assert stem(64) == 65_376 and head(512, 1024) == 530_435
    # 10 x 413,696 + 78 x 1,216 in blocks, 1,548,288 + 2,688 between stages
    assert stages(widths, (1, 1, 2, 1)) == 4_136_960 + 94_848 + 1_550_976
    assert trained(tsfmicro(size)) == by_hand == total


@pytest.mark.parametrize("fusion", FUSIONS)
def test_parameter_count_of_each_fusion(fusion):
    widths = SMALL["widths"]
    temporal = stem(8) + stages(widths, (1, 1, 2, 1)) + head(16, 24)
    more = {"stems": stem(8), "s_to_t": brought_up(widths) + spatial(16, 4)}
    by_hand = temporal + more.get(fusion, spatial(16, 4))
    assert trained(tsfmicro(32, fusion=fusion, **SMALL)) == by_hand


def test_shapes_at_the_published_size():
    model = tsfmicro(224, readout=8)

    def shape(name):
        return model.get_layer(name).output.shape[1:]

    blocks = [layer for layer in model.layers if "retention_block" in layer.name]
    assert [block.output.shape[1:] for block in blocks] == [
        (112, 112, 64),
        (56, 56, 128),
        (28, 28, 256),
        (28, 28, 256),
        (14, 14, 512),
    ]
    assert [block.axial for block in blocks] == [True, True, False, False, False]
    assert [block.decay_range for block in blocks] == [4.0, 4.0, 6.0, 6.0, 6.0]
    rates = [block.stochastic_depth for block in blocks]
    np.testing.assert_allclose(rates, [0, 0.025, 0.05, 0.075, 0.1])
    assert shape("small_onset") == (14, 14, 1) and shape("positions") == (196, 512)
    assert shape("spatial") == shape("fused") == (14, 14, 512)


WHERE = {"parallel": (2, 2, 16), "stems": (16, 16, 8), "s_to_t": (16, 16, 8)}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_where_the_branches_meet(fusion):
    model = tsfmicro(32, fusion=fusion, **SMALL)
    assert model.get_layer("fused").output.shape[1:] == WHERE.get(fusion, (4, 16))


def inputs(rng, size=32):
    frames = {name: rng.uniform(size=(2, size, size, 1)) for name in ("onset", "apex")}
    given = {name: tf.constant(frame, tf.float32) for name, frame in frames.items()}
    return given | {"regions": tf.zeros((2, 9, 4))}


@pytest.mark.parametrize("fusion", FUSIONS)
def test_saves_and_loads(rng, tmp_path, fusion):
    model, given = tsfmicro(32, fusion=fusion, **SMALL), inputs(rng)
    logits = model(given)["logits"]
    assert logits.shape == (2, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(given)["logits"], logits, atol=1e-6)


def output(model, given, name):
    frames = {key: model.input[key] for key in ("onset", "apex")}
    part = keras.Model(frames, model.get_layer(name).output)
    return np.asarray(part({key: given[key] for key in frames}), np.float32)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_frames_are_scaled_as_imagenet_is(rng, precision):
    with policy(precision):
        model = tsfmicro(32, **SMALL)
    given = inputs(rng)
    given["apex"] = given["onset"] + 1e-4  # lost in bfloat16
    # 0.449 and 0.226: means of (0.485, 0.456, 0.406) and (0.229, 0.224, 0.225)
    np.testing.assert_allclose(output(model, given, "difference"), 1e-4 / 0.226, rtol=2e-2)
    scaled = (given["onset"] - 0.449) / 0.226
    np.testing.assert_allclose(output(model, given, "scaled_onset"), scaled, atol=1e-5)
    small = tf.reduce_mean(tf.reshape(scaled, (2, 2, 16, 2, 16, 1)), axis=(2, 4))
    tolerance = 1e-5 if precision == "float32" else 2e-2
    np.testing.assert_allclose(output(model, given, "small_onset"), small, atol=tolerance)


def test_parallel_adds_what_the_branches_say(rng):
    model, given = tsfmicro(32, **SMALL), inputs(rng)
    last = [layer.name for layer in model.layers if "retention_block" in layer.name][-1]
    parts = output(model, given, last), output(model, given, "spatial")
    fused = output(model, given, "fused")  # (2, 2, 2, 16)
    np.testing.assert_allclose(fused, sum(parts), atol=1e-5)
    kernel, bias = model.get_layer("readout").get_weights()
    wide = (fused @ kernel + bias) / np.sqrt(1 + 1e-5)  # as a batch is normalised at first
    pooled = (wide / (1 + np.exp(-wide))).mean(axis=(1, 2))
    kernel, bias = model.get_layer("logits").get_weights()
    np.testing.assert_allclose(model(given)["logits"], pooled @ kernel + bias, atol=1e-5)


def test_errors():
    with pytest.raises(ValueError, match="needs the frames, not motion maps of them. Received: mo"):
        tsfmicro(motion_channels=2)
    with pytest.raises(ValueError, match="a multiple of 16. Received: image_size=100"):
        tsfmicro(100)
    with pytest.raises(ValueError, match="must be one of .*'t_to_s'.*. Received: fusion='late'"):
        tsfmicro(fusion="late")
