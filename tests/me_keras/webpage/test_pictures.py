"""The pictures that stand in the page, decoded again."""

import base64

import cv2
import numpy as np

from me_keras import colours
from me_keras.interpretation import drawing
from me_keras.motion_figures import face_mask
from me_keras.webpage import pictures


def decoded(address):
    """(h, w, 3) RGB of a `data:` address."""
    content = base64.b64decode(address.partition(",")[2])
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_address():
    assert pictures.address(b"a,b\n", "text/csv") == "data:text/csv;base64,YSxiCg=="


def test_the_face_has_its_box(found):
    image = decoded(pictures.face(found)).astype(int)
    assert image.shape[1] == pictures.WIDEST
    blue = np.abs(image - pictures.BOX).sum(-1) < 60
    rows, columns = np.flatnonzero(blue.mean(1) > 0.3), np.flatnonzero(blue.mean(0) > 0.3)
    shape = np.ptp(found.landmarks, axis=0)
    np.testing.assert_allclose(np.ptp(columns) / np.ptp(rows), shape[0] / shape[1], rtol=0.05)


def test_displacement_in_the_colours_of_the_wheel(found):
    drawn = pictures.motion(found)
    field = drawing.smoothed(found.picture.displacement)
    length = np.linalg.norm(field, axis=-1)[face_mask(len(field))]
    assert drawn.limit == colours.nice_limit(length, drawing.FINEST) and drawn.enlarged > 1
    assert decoded(drawn.image).shape == (600, 600, 3)


def test_the_sheet_of_a_model_without_classes(found):
    image = cv2.imdecode(np.frombuffer(pictures.sheet(found), np.uint8), cv2.IMREAD_COLOR)
    assert image.shape[1] == round(drawing.DPI * (3 * pictures.PANEL + 0.8))
    assert image[0, 0].tolist() == [255, 255, 255]
