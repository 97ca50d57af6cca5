import base64

import cv2
import numpy as np
import pytest

from me_keras import colours
from me_keras.evaluation.pages import pictures


def decoded(address):
    kind, _, content = address.partition(",")
    assert kind == "data:image/png;base64"
    image = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_UNCHANGED)
    return np.concatenate([image[..., 2::-1], image[..., 3:]], axis=-1)  # RGB, alpha


def test_colours_are_those_of_the_wheel_in_rgb():
    field = np.zeros((2, 3, 2), np.float16)
    field[0, 0] = 2, 0  # right, as far as the scale goes: red
    image = decoded(pictures.displacement(field, 2.0))
    assert image.shape == (2, 3, 3)
    assert image[0, 0].tolist() == [214, 39, 40] and (image[1] == 255).all()
    assert np.abs(image / 255 - colours.wheel(field.astype(float), 2.0)).max() <= 0.5 / 255


def test_the_legend_is_transparent_outside_the_disc():
    image = decoded(pictures.wheel())
    assert image.shape == (96, 96, 4)
    assert image[0, 0, 3] == 0 and image[48, 48, 3] == 255
    assert image[48, 90, 0] > 200 > image[48, 5, 0]  # red is right


@pytest.mark.parametrize("least, limit", [(1.0, 4.0), (5.0, 5.0)])
def test_one_scale_for_all_pictures(least, limit):
    fields = [np.zeros((10, 10, 2)), np.full((10, 10, 2), [0.0, 4.0])]
    assert pictures.shared_limit(fields, least) == limit
