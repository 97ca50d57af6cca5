"""Records of answers: JSON without images, and when a face held still."""

import dataclasses
import json

import numpy as np
import pytest

from me_keras import __version__
from me_keras.average_face import AVERAGE_REGIONS
from me_keras.interpretation.motion_units import RegionMotion
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
    assert record["me_keras"] == __version__
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


def test_an_event_tells_what_moved_the_most_first():
    regions = (
        RegionMotion("brow_left", 0.1, -0.8, 0.9, "up"),
        RegionMotion("nose", 0.0, 0.0, 0.01, "still"),
        RegionMotion("eye_left", 0.0, -1.1, 1.25, "up"),
    )
    event = result.Event(3, 9, 20, None, "positive", 0.7, (0, 1), regions)
    assert [region.name for region in event.moved] == ["eye_left", "brow_left"]
    record = json.loads(json.dumps(event.to_json()))
    assert list(record["regions"]) == ["eye_left", "brow_left"] and record["windows"] == [0, 1]
    assert record["regions"]["eye_left"]["direction"] == "up"
    assert (record["start"], record["apex"], record["end"], record["seconds"]) == (3, 9, 20, None)
    found = result.Prediction(**ANSWER, windows=(window(),), events=(event,))
    assert found.to_json()["events"] == [event.to_json()]


def test_a_gap_is_told_in_seconds_and_frames():
    gap = result.Gap(160, 250, {"first": 3.2, "last": 5.0}, "no face")
    assert str(gap) == "3.20 s to 5.00 s (frames 160 to 250)"
    assert str(dataclasses.replace(gap, seconds=None)) == "frames 160 to 250"
    record = result.Prediction(**ANSWER, windows=(window(),), gaps=(gap,)).to_json()
    assert json.loads(json.dumps(record["gaps"])) == [
        {"first": 160, "last": 250, "seconds": {"first": 3.2, "last": 5.0}, "reason": "no face"}
    ]


def test_decimals_have_no_negative_zero():
    assert [result.decimals(x) for x in (-0.004, 0.004, -0.3, 1)] == [
        "0.00",
        "0.00",
        "-0.30",
        "1.00",
    ]
