import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.rcn_a import AttentiveClassifier, rcn_a


def flow(rng, size=60, channels=3, batch=2):
    motion = tf.constant(rng.normal(size=(batch, size, size, channels)), tf.float32)
    return {"motion": motion, "regions": tf.zeros((batch, 9, 4))}


def test_parameter_count_by_hand():
    def convolution(size, channels, filters):
        return size * size * channels * filters + filters + 2 * filters  # kernel, bias, batch norm

    features = convolution(5, 3, 64) + convolution(1, 64, 64) + convolution(3, 64, 64)
    classifier = 7 * 7 * 64 * 3 + 3  # of which the attention is made, too
    for steps in (1, 2, 3):
        count = sum(int(tf.size(v)) for v in rcn_a(steps=steps).trainable_variables)
        assert count == features + classifier == 55_747


@pytest.mark.parametrize(
    "size, pooled, shapes", [(60, 7, (56, 28, 14)), (24, 5, (20, 10, 5)), (44, 5, (40, 20, 10))]
)
def test_shapes_inside(size, pooled, shapes):
    model = rcn_a(128, size=size, pooled_size=pooled, filters=4)
    first, recurrent, _ = shapes
    assert model.get_layer("first").output.shape == (None, first, first, 4)
    assert model.get_layer("feedforward").output.shape == (None, recurrent, recurrent, 4)
    assert model.get_layer("head_dropout").output.shape == (None, shapes[2], shapes[2], 4)
    for name in ("early", "late"):
        assert model.get_layer(name).output.shape == (None, pooled, pooled, 4)


def test_the_recurrent_layer_runs_the_same_weights_twice(rng):
    model = rcn_a(filters=4)
    for variable in model.get_layer("recurrent").weights:
        variable.assign(rng.uniform(0.1, 1, size=variable.shape))

    def applied(name, x):
        kernel, bias, gamma, beta, mean, variance = model.get_layer(name).get_weights()
        x = tf.nn.conv2d(x, kernel, 1, "SAME") + bias
        return tf.nn.relu(gamma * (x - mean) / np.sqrt(variance + 1e-5) + beta)

    names = ("first_dropped", "head_dropout")
    outputs = {name: model.get_layer(name).output for name in names}
    told = keras.Model(model.input, outputs)(flow(rng), training=False)
    x = told["first_dropped"]
    y = applied("feedforward", x)
    for _ in range(2):
        y = applied("recurrent", x + y)
    expected = tf.nn.max_pool2d(y, 2, 2, "VALID")
    np.testing.assert_allclose(told["head_dropout"], expected, rtol=1e-4, atol=1e-4)


def test_attention_and_logits_one_class_at_a_time(rng):
    late, early = rng.normal(size=(2, 2, 3, 3, 5)).astype(np.float32)
    layer = AttentiveClassifier(4)
    layer.build([late.shape, early.shape])
    layer.bias.assign(rng.normal(size=4))
    logits = layer((tf.constant(late), tf.constant(early)))
    kernel, bias = layer.get_weights()
    assert kernel.shape == (3, 3, 5, 4)
    for example in range(2):
        maps = []
        for k in range(4):
            activation = (kernel[..., k] * early[example]).mean(axis=-1)  # (3, 3)
            activation -= activation.min()
            maps.append(activation / activation.max())
        attention = np.mean(maps, axis=0)
        told = layer.attention(tf.constant(early))[example, ..., 0]
        np.testing.assert_allclose(told, attention, atol=1e-5)
        expected = np.tensordot(late[example] * attention[..., None], kernel, 3) + bias
        np.testing.assert_allclose(logits[example], expected, atol=1e-5)


def test_a_flat_attention_map_is_zero_and_its_gradient_finite():
    layer = AttentiveClassifier(3)
    late, early = tf.ones((1, 2, 2, 4)), tf.zeros((1, 2, 2, 4))
    with tf.GradientTape() as tape:
        tape.watch([late, early])
        logits = layer((late, early))
    np.testing.assert_array_equal(logits, np.zeros((1, 3)))
    for gradient in tape.gradient(logits, [late, early]):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("size, channels", [(60, 3), (64, 2), (32, 1)])
def test_any_motion_saves_and_loads(rng, tmp_path, size, channels):
    model = rcn_a(size, motion_channels=channels, filters=8)
    inputs = flow(rng, size, channels)
    logits = model(inputs)["logits"]
    assert logits.shape == (2, 3)
    np.testing.assert_array_equal(model(inputs, training=False)["logits"], logits)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs)["logits"], logits, atol=1e-6)


def test_both_dropouts_draw_apart():
    model = rcn_a(filters=4)
    assert model.get_layer("first_dropped").seed != model.get_layer("head_dropout").seed


def test_needs_motion_and_sizes_that_fit():
    with pytest.raises(ValueError, match="choose a `motion` other than 'dgm'"):
        rcn_a(motion_channels=0)
    with pytest.raises(ValueError, match="must be a multiple of `2 . pooled_size`. Received: size"):
        rcn_a(size=28)
