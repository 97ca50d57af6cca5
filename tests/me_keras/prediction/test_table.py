"""Tables: aligned columns, a row per window, and files that pandas and json read back."""

import io
import json

import pandas as pd

from me_keras.interpretation.motion_units import RegionMotion
from me_keras.prediction import result, table

CLASSES = ("negative", "positive")


def window(start, mean=0.5, **changes):
    seconds = {"first": start, "last": start + 0.5, "onset": start, "apex": start + 0.2}
    facts = {
        "gain": 0.6,
        "explained": 0.5,
        "mean_displacement": mean,
        "max_displacement": 2 * mean,
    } | changes
    frame = round(start * 100)
    return result.Window(
        frame, frame + 50, frame, frame + 20, seconds, CLASSES, (0.25, 0.75), **facts
    )


def prediction(source, windows, events=()):
    facts = dict(vars(windows[0]))
    return result.Prediction(
        **facts, source=source, model="m/1", windows=tuple(windows), events=events
    )


def event(start, apex, end, windows):
    seconds = {"start": start / 100, "apex": apex / 100, "end": end / 100}
    regions = (
        RegionMotion("brow_left", 0.1, -0.8, 0.9, "up"),
        RegionMotion("nose", 0.0, 0.0, 0.01, "still"),
        RegionMotion("eye_left", 0.0, -1.1, 1.25, "up"),
    )
    return result.Event(start, apex, end, seconds, "positive", 0.75, windows, regions)


def test_a_row_per_clip():
    lines = table.text(
        [prediction(name, [window(0.0)]) for name in ("a.avi", "long/b")]
    ).splitlines()
    assert len(lines) == 5 and "gain" in lines[0]
    assert lines[4].startswith("gain and explained: the share of the difference")
    assert lines[1].split() == (
        "a.avi positive 0.250 0.750 0 (0.000 s) 20 (0.200 s) 0.60 0.50 1.00".split()
    )
    assert lines[1].index("0.250") == lines[2].index("0.250")


def test_still_faces_stand_in_brackets_with_a_note():
    still = window(0.0, explained=0.01, notes=("no motion above noise",))
    text = table.text([prediction("a.avi", [still])])
    assert "(positive)" in text and "\nnote: no motion above noise\n" in text


def test_windows_of_a_recording():
    windows = [window(0.25 * i, 0.1 * (i + 1)) for i in range(4)]
    windows[2] = result.Window(50, 99, 50, None, None, CLASSES, problem="no face found in x")
    events = (event(10, 22, 41, (0, 1)),)
    text = table.text([prediction("a.avi", windows, events)])
    assert "4 windows, 3 answered, 3 with motion above noise" in text
    rows = text.splitlines()[-5:-2]
    assert rows[0].startswith("0.00-0.50 s *") and "no face found" not in text  # gaps tell it
    events = text.splitlines()[3:6]
    assert events[0] == "a.avi: 1 event"
    places = "1 positive 0.750 10 (0.100 s) 22 (0.220 s) 41 (0.410 s)"
    assert events[2].split() == f"{places} eye left 1.25 px up, brow left 0.90 px up".split()


def test_only_the_strongest_of_many_windows_are_printed():
    windows = [window(0.25 * i, mean=0.1 + (i % 7 == 0)) for i in range(100)]
    lines = table.text([prediction("a.avi", windows)]).splitlines()
    title = next(i for i, line in enumerate(lines) if "100 windows" in line)
    assert "--csv" in lines[title]
    rows = lines[title + 2 : -2]
    assert len(rows) == table.SHOWN
    assert sum(" 1.10 " in row for row in rows) == 15  # of 100, every seventh
    starts = [float(row.split("-")[0]) for row in rows]
    assert starts == sorted(starts)


def test_csv_has_a_row_per_window():
    windows = [window(0.0), window(0.25, notes=("a, b",))]
    windows.append(result.Window(50, 99, 50, None, None, CLASSES, problem="no face"))
    events = (event(10, 22, 41, (0, 1)),)
    read = pd.read_csv(io.StringIO(table.as_csv([prediction("a,b.avi", windows, events)])))
    assert len(read) == 3 and set(table.CSV_COLUMNS) < set(read.columns)
    assert read["source"].tolist() == ["a,b.avi"] * 3
    assert read["p_positive"].tolist()[:2] == [0.75, 0.75] and read["p_positive"].isna()[2]
    assert read["apex_s"][1] == 0.45 and read["notes"][1] == "a, b"
    assert read["event"].tolist()[:2] == [1, 1] and read["event"].isna()[2]
    assert read["problem"][2] == "no face" and bool(read["moved"][0]) is True


def test_json_says_what_failed():
    record = json.loads(table.as_json([prediction("a.avi", [window(0.0)])], {"b.avi": "broken"}))
    assert record["predictions"][0]["source"] == "a.avi"
    assert "motion and not noise" in record["meaning"]["gain, explained"]
    assert record["failed"] == [{"source": "b.avi", "problem": "broken"}]
