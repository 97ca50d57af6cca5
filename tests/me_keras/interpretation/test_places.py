"""Places from boxes: where the landmarks and the renderer's own anchors say they are."""

import numpy as np
import pytest

from me_keras.average_face import AVERAGE_REGIONS
from me_keras.interpretation import places
from pipelines.faces import align
from pipelines.schema import MIRRORED_REGIONS
from pipelines.synthetic import anatomy

SIZE = 128
# MediaPipe's landmarks of some places on the subject's left.
LANDMARKS = {"lid_upper": 386, "lid_lower": 374, "mouth_corner": 291, "nose_wing": 358}


@pytest.fixture(scope="module")
def landmarks(frames_of_a_face):
    return align.align_clip([frames_of_a_face], image_size=SIZE, margin=0, rigid=False).landmarks


def test_places_lie_at_their_landmarks(landmarks):
    """The boxes are undone: within a tenth of the eyes' distance."""
    found = places.find_places(align.region_boxes(landmarks, SIZE))["L"]
    one = align.EYE_DISTANCE * SIZE
    for name, index in LANDMARKS.items():
        away = np.linalg.norm(found[name] * SIZE - 0.5 - landmarks[index])
        assert away < 0.1 * one, (name, away / one)


def test_places_lie_where_the_renderer_moves_the_face(landmarks):
    """Its anchors are the subject's own; ours come from nine boxes: a sixth of the distance."""
    found = places.find_places(align.region_boxes(landmarks, SIZE))
    assert set(found["L"]) == set(places.PLACES)
    eyes = landmarks[[33, 133, 362, 263]].mean(0)
    for name, (x, y) in anatomy.anchors(anatomy.sample(SUBJECT)).items():
        if name in places.PLACES:
            for side, sign in places.SIDES.items():
                ours = (found[side][name] * SIZE - 0.5 - eyes) / (align.EYE_DISTANCE * SIZE)
                assert np.linalg.norm(ours - (sign * x, y)) < 0.17, (name, side)


SUBJECT = 5


@pytest.fixture(scope="module")
def frames_of_a_face():
    from pipelines.synthetic import clip, plan

    spec = plan.draw_spec(plan.SynthesisConfig(), SUBJECT, 0, "surprise")
    return next(clip.render(spec, [0]))


def test_a_mirrored_face_has_mirrored_places():
    boxes = np.array(AVERAGE_REGIONS) + 0.01 * np.arange(9)[:, None] * [0, 1, 0, 1]
    y1, x1, y2, x2 = boxes[list(MIRRORED_REGIONS)].T
    mirrored = places.find_places(np.stack([y1, 1 - x2, y2, 1 - x1], 1))
    for side, other in (("L", "R"), ("R", "L")):
        for name, (x, y) in places.find_places(boxes)[side].items():
            np.testing.assert_allclose(mirrored[other][name], (1 - x, y), atol=1e-9)


def test_the_eyes_are_four_tenths_apart_on_an_average_face():
    assert places.eye_distance(np.array(AVERAGE_REGIONS)) == pytest.approx(0.40, abs=0.005)
