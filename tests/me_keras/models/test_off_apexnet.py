import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.off_apexnet import off_apexnet


def flow(rng, size=28, channels=3, batch=2):
    motion = tf.constant(rng.normal(size=(batch, size, size, channels)), tf.float32)
    return {"motion": motion, "regions": tf.zeros((batch, 9, 4))}


def with_biases(model, rng):
    """The model, its biases no longer 0."""
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(rng.normal(size=variable.shape))
    return model


def test_parameter_count_by_hand_and_as_published():
    stream = (5 * 5 * 1 * 6 + 6) + (5 * 5 * 6 * 16 + 16)
    head = (2 * 784 * 1024 + 1024) + (1024 * 1024 + 1024) + (1024 * 3 + 3)
    count = sum(int(tf.size(v)) for v in off_apexnet().trainable_variables)
    assert count == 2 * stream + head == 2_664_475
    assert f"{count / 1e6:.2f}" == "2.66"  # million; README of Off-TANet


def test_shapes_inside():
    model = off_apexnet(64, motion_channels=2)
    for stream in "uv":
        assert model.get_layer(f"{stream}_pooled1").output.shape == (None, 14, 14, 6)
        assert model.get_layer(f"{stream}_pooled2").output.shape == (None, 7, 7, 16)
        assert model.get_layer(f"{stream}_features").output.shape == (None, 784)
    assert model.get_layer("hidden2").output.shape == (None, 1024)


def test_logits_are_those_of_two_streams_of_tensorflow_operations(rng):
    model = with_biases(off_apexnet(), rng)
    inputs = flow(rng)
    streams = []
    for i, name in enumerate("uv"):
        x = inputs["motion"][..., i : i + 1]
        for layer in (1, 2):
            kernel, bias = model.get_layer(f"{name}_convolution{layer}").get_weights()
            x = tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)
            x = tf.nn.max_pool2d(x, 2, 2, "VALID")
        streams.append(tf.reshape(x, (2, 784)))
    x = tf.concat(streams, axis=1)
    for name in ("hidden1", "hidden2", "logits"):
        kernel, bias = model.get_layer(name).get_weights()
        x = x @ kernel + bias
        x = x if name == "logits" else tf.nn.relu(x)
    np.testing.assert_allclose(model(inputs)["logits"], x, atol=1e-4)


def test_dropout_draws_apart_after_each_hidden_layer(rng):
    model = off_apexnet()
    seeds = [model.get_layer(f"head_dropout{i}").seed for i in (1, 2)]
    assert len(set(seeds)) == 2
    inputs = flow(rng)
    taught, told = (model(inputs, training=t)["logits"] for t in (True, False))
    assert np.abs(taught - told).max() > 1e-3


@pytest.mark.parametrize("size, channels", [(28, 3), (64, 2)])
def test_any_flow_saves_and_loads(rng, tmp_path, size, channels):
    model = off_apexnet(size, motion_channels=channels)
    inputs = flow(rng, size, channels)
    logits = model(inputs)["logits"]
    assert logits.shape == (2, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs)["logits"], logits, atol=1e-6)


def test_needs_a_flow():
    with pytest.raises(ValueError, match="choose a `motion` other than 'dgm'"):
        off_apexnet(motion_channels=0)
    for channels in (1, 4):
        with pytest.raises(ValueError, match="^off_apexnet needs a flow, of 2 or 3 channels: .*$"):
            off_apexnet(motion_channels=channels)
