"""Every frame against the onset: by the model in batches, and as the prediction's own answer."""

import csv
import io

import numpy as np
import pytest
import stand_in

from me_keras.interpretation import motion_units
from me_keras.prediction import alignment, regions
from pipelines import flow
from pipelines.schema import REGIONS


@pytest.fixture(scope="module")
def prediction(predictor, frames):
    return predictor(frames, fps=100)


def test_each_frame_is_compared_with_the_onset(predictor, prediction, frames):
    """By the stand-in's own rule: its displacement is the change of brightness."""
    found = predictor.track(prediction)
    assert [each.frame for each in found] == list(range(len(frames)))
    assert [each.seconds for each in found] == pytest.approx(np.arange(len(frames)) / 100)
    film, margin = prediction.picture.film, stand_in.MARGIN
    inner = film.frames[:, margin:-margin, margin:-margin, None].astype(np.float32) / 255
    for each, frame in zip(found, inner):
        field = stand_in.displacement(inner[0], frame)
        expected = motion_units.read(field, prediction.picture.regions).regions
        for a, b in zip(each.reading.regions, expected):
            assert (a.dx, a.dy, a.length) == pytest.approx((b.dx, b.dy, b.length), abs=1e-4)


def test_the_apexs_row_is_what_the_prediction_says(predictor, prediction):
    found = {each.place: each for each in predictor.track(prediction)}
    assert set(found) == {"onset", "apex", ""}
    assert found["apex"].frame == prediction.apex and found["onset"].frame == prediction.onset
    for a, b in zip(found["apex"].reading.regions, prediction.picture.reading.regions):
        assert (a.dx, a.dy, a.length) == pytest.approx((b.dx, b.dy, b.length), abs=1e-5)
    assert all(region.length == 0 for region in found["onset"].reading.regions)


def test_the_model_is_asked_in_batches_about_all_frames_but_the_onset(prediction, model):
    class Counting:
        alignment, batch, asked = model.alignment, 4, []

        def ask(self, inputs):
            self.asked.append(len(inputs["onset"]))
            return model.ask(inputs)

    regions.track(Counting(), prediction)
    count = len(prediction.picture.film.frames) - 1
    assert sum(Counting.asked) == count and max(Counting.asked) == 4


def test_a_model_that_estimates_no_displacement_is_not_asked(prediction):
    class Silent:
        alignment = alignment.Alignment(64, stand_in.MARGIN, True, "farneback")
        batch = 4

        def ask(self, inputs):
            raise AssertionError("asked for nothing")

    found = regions.track(Silent(), prediction)
    film = prediction.picture.film.frames
    inside = slice(stand_in.MARGIN, -stand_in.MARGIN)
    field = flow.farneback(film[[0, 3]]).astype(np.float16)[inside, inside, :2].astype(np.float32)
    expected = motion_units.read(field, prediction.picture.regions).regions[0]
    assert found[3].reading.regions[0].dy == pytest.approx(expected.dy, abs=1e-4)


def test_csv():
    moved = tuple(motion_units.RegionMotion(n, 0.1, -0.2, 0.3, "up") for n in REGIONS)
    units = (motion_units.LikelyUnit(12, "L", 0.5, 1.0), motion_units.LikelyUnit(6, "", 0.2, 1.0))
    frames = [
        regions.FrameMotion(7, 0.14, "apex", motion_units.Reading(moved, units)),
        regions.FrameMotion(8, None, "", motion_units.Reading(moved, ())),
    ]
    first, second = csv.DictReader(io.StringIO(regions.as_csv({"a.avi": frames})))
    assert first["action_units"] == "L12 6" and second["action_units"] == ""
    assert (first["frame"], first["seconds"], first["place"]) == ("7", "0.14", "apex")
    assert second["seconds"] == "" and first["chin_dy_px"] == "-0.2"
    assert len(first) == 5 + 3 * len(REGIONS)
