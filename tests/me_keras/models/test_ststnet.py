import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.models.ststnet import ststnet


def test_parameter_count_by_hand():
    model = ststnet()
    streams = sum(3 * 3 * 3 * n + n + 2 * n for n in (3, 5, 8))  # kernel, bias, batch norm
    head = 5 * 5 * 16 * 3 + 3
    assert sum(int(tf.size(v)) for v in model.trainable_variables) == streams + head


@pytest.mark.parametrize("size, channels", [(28, 3), (64, 2), (32, 1)])
def test_any_motion_saves_and_loads(rng, tmp_path, size, channels):
    model = ststnet(size, motion_channels=channels)
    inputs = {
        "motion": tf.constant(rng.normal(size=(2, size, size, channels)), tf.float32),
        "regions": tf.zeros((2, 9, 4)),
    }
    logits = model(inputs)["logits"]
    assert logits.shape == (2, 3)
    np.testing.assert_array_equal(model(inputs, training=False)["logits"], logits)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(inputs)["logits"], logits, atol=1e-6)


def test_needs_motion():
    with pytest.raises(ValueError, match="choose a `motion` other than 'dgm'"):
        ststnet(motion_channels=0)
