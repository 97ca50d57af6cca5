"""Events as a table and as annotations; what the ending says."""

import dataclasses
import io
from xml.etree import ElementTree

import pandas as pd
import pytest

from me_keras.interpretation.motion_units import LikelyUnit, RegionMotion
from me_keras.prediction import events, result
from pipelines.schema import REGIONS, DataError

REGIONS_MOVED = tuple(
    RegionMotion(name, 0.1 * i, -0.2 * i, 0.25 * i, "up" if i > 6 else "still")
    for i, name in enumerate(REGIONS)
)
EVENT = result.Event(
    12, 25, 41, {"start": 0.12, "apex": 0.25, "end": 0.41}, "positive", 0.8312, (0, 1),
    REGIONS_MOVED, (LikelyUnit(12, "L", 0.6, 1.0), LikelyUnit(6, "", 0.2, 0.5)),
)  # fmt: skip


def prediction(*found, source="a,b.avi"):
    window = result.Window(0, 50, 0, 25, None, ("negative", "positive"), (0.2, 0.8))
    return result.Prediction(**vars(window), source=source, windows=(window,), events=found)


def test_a_table_has_a_row_per_event():
    later = dataclasses.replace(EVENT, start=90, seconds=None, regions=(), units=())
    table = pd.read_csv(io.StringIO(events.as_csv(prediction(EVENT, later))))
    assert table["source"].tolist() == ["a,b.avi"] * 2 and table["event"].tolist() == [1, 2]
    first, second = table.to_dict("records")
    assert (first["class"], first["probability"]) == ("positive", 0.8312)
    assert (first["start"], first["apex"], first["end"], first["end_s"]) == (12, 25, 41, 0.41)
    assert first["duration_s"] == pytest.approx(0.29) and first["action_units"] == "L12 6"
    assert first["moved"] == "chin 2.00 px up, mouth left 1.75 px up"
    assert first["chin_dy_px"] == pytest.approx(-1.6) and first["brow_right_length_px"] == 0
    assert second["start"] == 90 and pd.isna(second["start_s"]) and pd.isna(second["moved"])
    assert len(pd.read_csv(io.StringIO(events.as_csv(prediction())))) == 0


def test_the_ending_says_what_is_written(tmp_path):
    found = prediction(EVENT)
    assert events.as_file(found, tmp_path / "x.CSV") == events.as_csv(found)
    text = events.as_file(found, tmp_path / "x.txt")
    assert text.splitlines()[0] == "micro-expression\t00:00:00.120\t00:00:00.410\tpositive 0.83"
    root = ElementTree.fromstring(events.as_file(found, tmp_path / "x.eaf").encode())
    assert [slot.attrib["TIME_VALUE"] for slot in root.iter("TIME_SLOT")] == ["120", "410"]


@pytest.mark.parametrize("name", ["x.txt", "x.eaf"])
def test_annotations_need_times(name):
    unknown = prediction(dataclasses.replace(EVENT, seconds=None), source="folder")
    with pytest.raises(DataError, match=f"folder: nothing tells when .* {name} needs: say --fps"):
        events.as_file(unknown, name)
