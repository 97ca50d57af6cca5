import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.dual_inception import dual_inception
from me_keras.models.featref import featref


def flow(rng, size=28, channels=3, batch=2):
    motion = tf.constant(rng.normal(size=(batch, size, size, channels)), tf.float32)
    return {"motion": motion, "regions": tf.zeros((batch, 9, 4))}


def with_biases(model, rng):
    """The model, its biases no longer 0."""
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(rng.normal(size=variable.shape))
    return model


def count(model):
    return sum(int(tf.size(v)) for v in model.trainable_variables)


def test_parameter_count_by_hand():
    shared = count(dual_inception()) - (1024 * 3 + 3)
    gates = 1024 * 3 * 1024 + 3 * 1024
    proposals = 3 * 1024 + 3
    fusion = 3 * 1024 * 3 + 3
    assert count(featref()) == shared + gates + proposals + fusion == 9_607_886


def test_shapes_inside_and_out(rng):
    model = featref(num_classes=5, hidden_units=16)
    assert model.get_layer("hidden").output.shape == (None, 16)
    assert model.get_layer("specific").output.shape == (None, 5, 16)
    assert model.get_layer("fused").output.shape == (None, 80)
    outputs = model(flow(rng))
    assert {name: (o.shape, o.dtype) for name, o in outputs.items()} == {
        "logits": ((2, 5), tf.float32),
        "proposals": ((2, 5), tf.float32),
    }


def test_gates_proposals_and_fusion_one_class_at_a_time(rng):
    model = with_biases(featref(hidden_units=8), rng)
    inputs = flow(rng)
    shared = keras.Model(model.input, model.get_layer("hidden").output)(inputs).numpy()  # (2, 8)
    gate, gate_bias = model.get_layer("gates").get_weights()
    ask, ask_bias = model.get_layer("proposals").get_weights()
    fuse, fuse_bias = model.get_layer("logits").get_weights()
    assert ask.shape == (3, 8) and ask_bias.shape == (3,)

    logits = np.tile(fuse_bias, (2, 1))
    proposals = []
    for k in range(3):
        of_k = slice(8 * k, 8 * k + 8)
        attention = 1 / (1 + np.exp(-(shared @ gate[:, of_k] + gate_bias[of_k])))  # (2, 8)
        specific = attention * shared
        proposals.append(specific @ ask[k] + ask_bias[k])
        logits += specific @ fuse[of_k]
    outputs = model(inputs)
    np.testing.assert_allclose(outputs["proposals"], np.stack(proposals, axis=1), atol=1e-5)
    np.testing.assert_allclose(outputs["logits"], logits, atol=1e-5)


def test_a_proposal_teaches_its_own_gate_and_the_shared_features(rng):
    model = featref(hidden_units=8)
    gates, block = model.get_layer("gates").kernel, model.get_layer("u_block1_direct").kernel
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(flow(rng))["proposals"][:, 1])
    taught, shared = tape.gradient(loss, [gates, block])
    of_each = tf.reduce_sum(tf.abs(tf.reshape(taught, (8, 3, 8))), axis=(0, 2)).numpy()
    assert of_each[1] > 0 and of_each[0] == of_each[2] == 0
    assert np.abs(shared).max() > 0


@pytest.mark.parametrize("size, channels", [(28, 3), (64, 2)])
def test_any_flow_saves_and_loads(rng, tmp_path, size, channels):
    model = featref(size, motion_channels=channels, hidden_units=16)
    inputs = flow(rng, size, channels)
    outputs = model(inputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")(inputs)
    for name, value in outputs.items():
        np.testing.assert_allclose(loaded[name], value, atol=1e-6)


def test_needs_a_flow():
    with pytest.raises(ValueError, match="choose a `motion` other than 'dgm'"):
        featref(motion_channels=0)
    with pytest.raises(ValueError, match="^featref needs a flow, of 2 or 3 channels: .*$"):
        featref(motion_channels=1)
