import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.afn import afn

SMALL = {"filters": (4, 6)}


def inputs_of(rng, size):
    motion = tf.constant(rng.normal(size=(3, size, size, 2)), tf.float32)
    return {"motion": motion, "regions": tf.zeros((3, 9, 4))}


def parts(model, *names):
    return keras.Model(model.input, [model.get_layer(name).output for name in names])


def test_parameter_count_by_hand():
    stream = 0
    for channels, n in [(1, 16), (16, 32), (32, 64), (64, 128)]:
        stream += 9 * (channels * n + n * n) + channels * n + 3 * 2 * n  # and batch normalization
    gate, head = 2 * 128 * 2 + 2, 128 * 3 + 3
    model = afn()
    trained = sum(int(tf.size(v)) for v in model.trainable_variables)
    assert trained == 2 * stream + gate + head == 610_821


def test_shapes_inside():
    model = afn(128)
    for name in ("ranked", "intensity"):
        for level, shape in enumerate([(32, 32, 16), (16, 16, 32), (8, 8, 64), (4, 4, 128)], 1):
            assert model.get_layer(f"{name}_{level}").output.shape[1:] == shape
        assert model.get_layer(name).output.shape[1:] == (128,)
    assert model.get_layer("gate").output.shape[1:] == (2,)
    assert model.get_layer("fused").output.shape[1:] == (128,)


def test_the_gate_mixes_the_embeddings(rng):
    model = afn(16, **SMALL)
    ranked, intensity, gate, fused = parts(model, "ranked", "intensity", "gate", "fused")(
        inputs_of(rng, 16)
    )
    assert ranked.shape == (3, 6)
    kernel, bias = model.get_layer("gate").get_weights()
    said = np.exp(np.concatenate([ranked, intensity], 1) @ kernel + bias)
    np.testing.assert_allclose(gate, said / said.sum(1, keepdims=True), atol=1e-6)
    np.testing.assert_allclose(np.sum(gate, 1), 1, atol=1e-6)
    np.testing.assert_allclose(fused, gate[:, :1] * ranked + gate[:, 1:] * intensity, atol=1e-6)


@pytest.mark.parametrize("chosen, other", [("ranked", 1), ("intensity", 0)])
def test_a_forced_gate_sees_one_image(rng, chosen, other):
    model = afn(16, **SMALL)
    gate = model.get_layer("gate")
    bias = np.float32([100, 100])
    bias[other] = -100
    gate.set_weights([np.zeros_like(gate.get_weights()[0]), bias])
    inputs = inputs_of(rng, 16)
    embedding, fused = parts(model, chosen, "fused")(inputs)
    np.testing.assert_allclose(fused, embedding, atol=1e-6)
    logits = model(inputs)["logits"]
    changed = inputs["motion"].numpy()
    changed[..., other] += 1
    found = model({**inputs, "motion": tf.constant(changed)})["logits"]
    np.testing.assert_array_equal(found, logits)
    changed[..., 1 - other] += 1
    found = model({**inputs, "motion": tf.constant(changed)})["logits"]
    assert np.abs(found - logits).max() > 1e-4


@pytest.mark.parametrize("size", [72, 28])
def test_saves_and_loads(rng, tmp_path, size):
    model = afn(size, num_classes=5, **SMALL)
    inputs = inputs_of(rng, size)
    logits = model(inputs)["logits"]
    assert logits.shape == (3, 5)
    np.testing.assert_array_equal(model(inputs, training=False)["logits"], logits)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs)["logits"], logits, atol=1e-6)


@pytest.mark.parametrize("channels", [0, 1, 3])
def test_needs_both_images(channels):
    with pytest.raises(ValueError, match='afn needs `motion` "dynamic_images", a ranked and') as e:
        afn(motion_channels=channels)
    assert "\n" not in str(e.value)
