"""Which face is chosen, that it stays the same one, and that what is cut out shows no other."""

import numpy as np
import pytest

from me_keras.prediction import faces
from pipelines.faces import landmarks

SHAPE = (200, 600, 3)


def face(x, y=100.0, side=60.0):
    """Landmarks (478, 2) that fill a square about (x, y)."""
    steps = np.linspace(-side / 2, side / 2, 478)
    return np.stack([x + steps, y + steps], 1).astype(np.float32)


@pytest.fixture
def seen(monkeypatch):
    """What the detector finds; the test fills it."""
    found: list = []

    def detect_all(image, name):
        if not found:
            raise landmarks.NoFace(f"no face found in {name}")
        return sorted(found, key=lambda points: -np.prod(np.ptp(points, axis=0)))

    monkeypatch.setattr(landmarks, "detect_all", detect_all)
    return found


def chosen(chooser, frame=0):
    """The middle of the columns that are cut out."""
    _, columns = chooser.box(frame, np.zeros(SHAPE, np.uint8), "x")
    return columns


@pytest.mark.parametrize(
    "rule, x", [("left", 90), ("middle", 280), ("right", 480), ("largest", 280)]
)
def test_a_face_by_its_place(seen, rule, x):
    seen += [face(90), face(280, side=80), face(480)]
    columns = chosen(faces.Chooser(rule))
    assert columns.start < x < columns.stop
    others = [other for other in (90, 280, 480) if other != x]
    assert not any(columns.start < other + 30 and other - 30 < columns.stop for other in others)


def test_it_stays_with_the_face_even_where_another_comes_nearer_to_the_rule(seen):
    chooser = faces.Chooser("left")
    seen += [face(200), face(480)]
    assert chosen(chooser).start < 200
    seen[:] = [face(60), face(230), face(480)]  # another one, farther to the left
    columns = chosen(chooser, 25)
    assert columns.start < 230 < columns.stop and columns.start > 90
    seen[:] = [face(480), face(60)]  # it is gone
    assert chosen(chooser, 50).stop < 480
    assert chooser.box_at(30) == chooser.box_at(25) != chooser.box_at(50)
    assert faces.Chooser("left").box_at(3) is None


def test_a_single_face_is_left_as_it_is_and_only_asks_nothing(seen):
    image = np.zeros(SHAPE, np.uint8)
    seen += [face(300)]
    assert faces.Chooser("right").box(0, image, "x") is None
    seen += [face(90)]
    assert faces.Chooser("only").box(0, image, "x") is None
    assert faces.cut([image], None)[0] is image
    assert faces.cut([image], np.s_[10:50, 20:90])[0].shape == (40, 70, 3)
    seen.clear()
    with pytest.raises(landmarks.NoFace, match="no face found in frame 3"):
        faces.Chooser("left").box(3, image, "frame 3")


def test_faces_above_one_another(seen):
    seen += [face(300, 50, 50), face(310, 150, 50)]
    rows, _ = faces.Chooser("left").box(0, np.zeros(SHAPE, np.uint8), "x")
    assert (rows.start, rows.stop) == (0, 100)
