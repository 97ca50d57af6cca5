"""Records of answers: JSON without images, and when a face held still."""

import dataclasses
import json

import numpy as np
import pytest

from me_keras.layers.regions import AVERAGE_REGIONS
from me_keras.prediction import result
from pipelines.schema import REGIONS

CLASSES = ("negative", "positive", "surprise")
ANSWER = {
    "first": 0,
    "last": 9,
    "onset": 0,
    "apex": 6,
    "seconds": {"first": 0.0, "last": 0.09, "onset": 0.0, "apex": 0.06},
    "classes": CLASSES,
    "probabilities": (0.1, 0.7, 0.2),
    "gain": 0.6,
    "explained": 0.5,
    "mean_displacement": 0.5,
    "max_displacement": 2.0,
}


def window(**changes):
    return result.Window(**{**ANSWER, **changes})


def test_the_class_of_the_highest_probability():
    assert window().predicted == "positive"
    assert window(problem="no face").predicted == ""


@pytest.mark.parametrize(
    "explained, longest, moved",
    [
        (0.6, 2.0, True),
        (0.15, 0.2, True),
        (0.14, 2.0, False),
        (0.6, 0.19, False),
        (-0.1, 0.5, False),
    ],
)
def test_a_face_that_held_still_is_noted(explained, longest, moved):
    found = window(explained=explained, max_displacement=longest)
    assert found.moved is moved
    note = result.motion_note(found)
    assert (note == "") is moved
    if not moved:
        assert "no motion above noise" in note and f"{longest:.2f} px" in note and "0.2 px" in note


def test_no_answer_is_not_a_still_face():
    nothing = result.Window(0, 9, 0, None, None, CLASSES, problem="no face")
    assert result.motion_note(nothing) == "" and not nothing.moved
    record = nothing.to_json()
    assert record["probabilities"] is None and record["gain"] is None and record["moved"] is None
    assert "NaN" not in json.dumps(record)


def test_json_of_a_prediction():
    moved = np.zeros((64, 64, 2), np.float32)
    moved[:16, :, 1] = -1.0  # the brows rise by 1 px
    shares = np.arange(1, 10, dtype=np.float32) / 45
    picture = result.Picture(
        *np.zeros((2, 64, 64), np.float32), moved, np.array(AVERAGE_REGIONS), REGIONS, shares,
    )  # fmt: skip
    found = result.Prediction(
        **ANSWER, source="a.avi", model="m/1", picture=picture, windows=(window(),)
    )
    record = json.loads(json.dumps(found.to_json()))
    assert record["source"] == "a.avi" and record["predicted"] == "positive"
    assert record["probabilities"] == dict(zip(CLASSES, (0.1, 0.7, 0.2)))
    assert record["attention"]["chin"] == pytest.approx(0.2, abs=1e-5)
    assert "occlusion" not in record
    assert record["regions"]["brow_left"]["direction"] == "up"
    assert record["regions"]["brow_left"]["dy_px"] == pytest.approx(-1, abs=0.05)
    assert {unit["unit"] for unit in record["action_units"]} & {1, 2, 5}
    asked = dataclasses.replace(picture, occlusion=shares)
    record = dataclasses.replace(found, picture=asked).to_json()
    assert record["occlusion"]["brow_right"] == pytest.approx(1 / 45, abs=1e-6)
    still = dataclasses.replace(found, explained=0.0).to_json()
    assert still["action_units"] == [] and still["regions"] == record["regions"]
    record = found.to_json()
    assert record["seconds"]["apex"] == 0.06 and record["windows"][0]["apex"] == 6


def along(*windows):
    """Windows (first, last, mean displacement, moved) of a recording of 100 frames a second."""
    found = []
    for first, last, mean, moved in windows:
        places = {"first": first, "last": last, "onset": first, "apex": (first + last) // 2}
        facts = {"seconds": {k: v / 100 for k, v in places.items()}, "mean_displacement": mean}
        found.append(window(**places, **facts, explained=0.5 if moved else 0.0))
    return found


def test_overlapping_windows_that_moved_are_one_event():
    windows = along(
        (0, 50, 0.1, False), (25, 75, 0.4, True), (50, 100, 1.0, True), (75, 125, 0.9, True),
        (100, 150, 0.1, False), (125, 175, 0.1, False), (150, 200, 0.6, True),
    )  # fmt: skip
    first, second = result.find_events(windows)
    assert (first.start, first.apex, first.end, first.windows) == (25, 75, 125, (1, 2, 3))
    assert (second.start, second.apex, second.end, second.windows) == (150, 175, 200, (6,))
    assert first.seconds == {"start": 0.25, "apex": 0.75, "end": 1.25}
    assert (first.predicted, first.probability) == ("positive", 0.7)
    assert json.loads(json.dumps(first.to_json()))["windows"] == [1, 2, 3]


def test_what_is_doubtful_still_or_unanswered_is_no_event():
    windows = along((0, 50, 1.0, False), (25, 75, 1.0, True))
    doubtful = dataclasses.replace(windows[1], doubtful=True, notes=("a head that moved too far",))
    nothing = result.Window(0, 9, 0, None, None, CLASSES, problem="no face")
    assert result.find_events([windows[0], doubtful, nothing]) == ()
    unknown = dataclasses.replace(windows[1], seconds=None, notes=("turned by 180°",))
    assert result.find_events([unknown])[0].seconds is None


def test_decimals_have_no_negative_zero():
    assert [result.decimals(x) for x in (-0.004, 0.004, -0.3, 1)] == [
        "0.00",
        "0.00",
        "-0.30",
        "1.00",
    ]
