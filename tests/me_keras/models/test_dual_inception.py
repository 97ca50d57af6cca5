import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.dual_inception import dual_inception, inception_block


def flow(rng, size=28, channels=3, batch=2):
    motion = tf.constant(rng.normal(size=(batch, size, size, channels)), tf.float32)
    return {"motion": motion, "regions": tf.zeros((batch, 9, 4))}


def with_biases(model, rng):
    """The model, its biases no longer 0."""
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(rng.normal(size=variable.shape))
    return model


def block(channels, filters):
    """Parameters of a block: four 1 x 1 convolutions, a 3 x 3 and a 5 x 5 one."""
    return (
        4 * (channels * filters + filters)
        + (3 * 3 * filters * filters + filters)
        + (5 * 5 * filters * filters + filters)
    )


def test_parameter_count_by_hand_and_as_published():
    stream = block(1, 6) + block(4 * 6, 16)
    head = (2 * 7 * 7 * 64 * 1024 + 1024) + (1024 * 3 + 3)
    count = sum(int(tf.size(v)) for v in dual_inception().trainable_variables)
    assert count == 2 * stream + head == 6_449_867
    assert f"{count / 1e6:.2f}" == "6.45"  # million; README of Off-TANet


def test_shapes_inside():
    model = dual_inception(64, motion_channels=2)
    for stream in "uv":
        assert model.get_layer(f"{stream}_block1").output.shape == (None, 28, 28, 24)
        assert model.get_layer(f"{stream}_block2").output.shape == (None, 14, 14, 64)
        assert model.get_layer(f"{stream}_features").output.shape == (None, 3136)
    assert model.get_layer("hidden").output.shape == (None, 1024)


def test_a_block_is_four_paths_of_tensorflow_operations(rng):
    image = keras.Input((8, 8, 3))
    model = with_biases(keras.Model(image, inception_block(image, 5, "block")), rng)
    x = tf.constant(rng.normal(size=(2, 8, 8, 3)), tf.float32)

    def convolved(x, path):
        kernel, bias = model.get_layer(f"block_{path}").get_weights()
        return tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME") + bias)

    expected = [
        convolved(x, "direct"),
        convolved(convolved(x, "before_3x3"), "3x3"),
        convolved(convolved(x, "before_5x5"), "5x5"),
        convolved(tf.nn.max_pool2d(x, 3, 1, "SAME"), "pooled"),
    ]
    np.testing.assert_allclose(model(x), tf.concat(expected, axis=-1), atol=1e-5)


def test_each_stream_sees_its_component_and_none_the_strain(rng):
    model = dual_inception()
    streams = keras.Model(model.input, {s: model.get_layer(f"{s}_features").output for s in "uv"})
    inputs = flow(rng)
    before = streams(inputs)
    for channel, seen in enumerate(["u", "v", ""]):
        motion = inputs["motion"] + tf.one_hot(channel, 3)
        after = streams({**inputs, "motion": motion})
        changed = [s for s in "uv" if np.abs(after[s] - before[s]).max() > 1e-4]
        assert changed == list(seen)


@pytest.mark.parametrize("size, channels", [(28, 3), (64, 2)])
def test_any_flow_saves_and_loads(rng, tmp_path, size, channels):
    model = dual_inception(size, motion_channels=channels)
    inputs = flow(rng, size, channels)
    logits = model(inputs)["logits"]
    assert logits.shape == (2, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs)["logits"], logits, atol=1e-6)


def test_needs_a_flow():
    with pytest.raises(ValueError, match="choose a `motion` other than 'dgm'"):
        dual_inception(motion_channels=0)
    with pytest.raises(ValueError, match="^dual_inception needs a flow, of 2 or 3 channels: .*$"):
        dual_inception(motion_channels=1)
