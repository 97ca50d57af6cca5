import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras.layers.warp import optical_strain
from me_keras.models.flow_image import flow_image


@pytest.mark.parametrize("channels, expected", [(3, 3), (2, 3), (1, 1)])
def test_the_image_of_maps_of_its_size_is_flow_and_strain(rng, channels, expected):

    inputs, image = flow_image("ststnet", 28, channels)
    assert {name: value.shape for name, value in inputs.items()} == {
        "motion": (None, 28, 28, channels),
        "regions": (None, 9, 4),
    }
    motion = rng.normal(size=(2, 28, 28, channels)).astype(np.float32)
    found = keras.Model(inputs, image)({"motion": motion, "regions": np.zeros((2, 9, 4))}).numpy()
    assert found.shape == (2, 28, 28, expected)
    np.testing.assert_array_equal(found[..., :channels], motion)
    if channels == 2:
        np.testing.assert_allclose(found[..., 2:], optical_strain(motion), rtol=1e-6)


def test_other_sizes_are_resampled(rng):

    inputs, image = flow_image("ststnet", 64, 3)
    motion = rng.normal(size=(1, 64, 64, 3)).astype(np.float32)
    found = keras.Model(inputs, image)({"motion": motion, "regions": np.zeros((1, 9, 4))})
    np.testing.assert_allclose(found, tf.image.resize(motion, (28, 28)), rtol=1e-6)


def test_needs_motion():
    with pytest.raises(ValueError, match="rcn_a needs motion maps: choose a `motion` other than"):
        flow_image("rcn_a", 28, 0)
