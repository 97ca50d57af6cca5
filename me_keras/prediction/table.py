"""Predictions as text for the terminal, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
import typing

import numpy as np

from me_keras.prediction.events import in_words
from me_keras.prediction.result import GAIN, Prediction, Window, decimals, when

MOST = 2  # regions named of an event
SHOWN = 20  # windows of a recording printed; all of them are in --csv and --json


def text(predictions: typing.Sequence[Prediction]) -> str:
    """The table a person reads: a row per clip, and per window of a long recording."""
    classes = next((p.classes for p in predictions if p.classes), ())
    head = ["clip", "class", *classes, "onset", "apex", "gain", "mean px", "max px"]
    lines = _columns([head, *([p.source, *_cells(p)] for p in predictions)])
    for prediction in predictions:
        who = f"{prediction.source}: " if len(predictions) > 1 else ""
        lines += [f"note: {who}{note}" for note in prediction.notes]
        if len(prediction.windows) > 1:
            lines += ["", *_events(prediction), "", *_recording(prediction, head)]
    return "\n".join([*lines, "", f"gain and explained: the {GAIN}"])


def _events(prediction):
    """A line per event of a recording."""
    found = prediction.events
    lines = [f"{prediction.source}: {len(found)} event{'s' * (len(found) != 1)}"]
    rows = [["event", "class", "p", "start", "apex", "end", "moved most"]]
    for number, event in enumerate(found, start=1):
        places = [when(event, name) for name in ("start", "apex", "end")]
        most = ", ".join(in_words(region) for region in event.moved[:MOST])
        rows.append([str(number), event.predicted, f"{event.probability:.3f}", *places, most])
    return [*lines, *_columns(rows)] if found else lines


def _recording(prediction, head):
    shown = answered = [window for window in prediction.windows if not window.problem]
    if len(shown) > SHOWN:
        strongest = np.argsort([-np.nan_to_num(w.mean_displacement) for w in shown], kind="stable")
        shown = [shown[i] for i in sorted(strongest[:SHOWN])]
    rows = [["window", *head[1:]]]
    rows += [[_span(window), *_cells(window)] for window in shown]
    moved = sum(window.moved for window in prediction.windows)
    title = (
        f"{prediction.source}: {len(prediction.windows)} windows, {len(answered)} answered, "
        f"{moved} with motion above noise (*)"
    )
    if len(shown) < len(answered):
        title += f"; the {SHOWN} with most motion, all of them with --csv or --json"
    return [title, *_columns(rows)]


def _span(window):
    mark = "*" if window.moved else " "
    if window.seconds is None:
        return f"{window.first}-{window.last} {mark}"
    return f"{window.seconds['first']:.2f}-{window.seconds['last']:.2f} s {mark}"


def _cells(window: Window) -> list[str]:
    if window.problem:
        return [window.problem]
    return [
        window.predicted if window.moved else f"({window.predicted})",
        *(f"{p:.3f}" for p in window.probabilities),
        when(window, "onset"),
        when(window, "apex"),
        decimals(window.gain),
        f"{window.mean_displacement:.2f}",
        f"{window.max_displacement:.2f}",
    ]


def _columns(rows):
    """Lines with aligned columns; a row of two cells (a problem) keeps its own width."""
    full = [row for row in rows if len(row) == len(rows[0])]
    widths = [max(len(row[i]) for row in full) for i in range(len(rows[0]))]
    widths[0] = max(len(row[0]) for row in rows)
    lines = []
    for row in rows:
        cells = [f"{row[0]:<{widths[0]}}", f"{row[1]:<{widths[1]}}"]
        cells += [f"{cell:>{width}}" for cell, width in zip(row[2:], widths[2:])]
        lines.append("  ".join(cells).rstrip())
    return lines


MEANING = {
    "first, last, onset, apex, start, end": "frames, counted from 0; seconds: when they were taken",
    "gain, explained": f"{GAIN}; gain over the image, explained over the face, without the "
    "noise of single pixels",
    "mean_displacement_px, max_displacement_px": "over the face, px of the aligned face",
    "events": "micro-movements: the face moves out and comes back; their regions and action units "
    "are those that moved from start to apex",
    "gaps": "frames without a face",
    "moved": "whether the face moved more than noise alone makes it seem to",
    "attention": "share of the attention that each region receives",
    "occlusion": "how far the probability of the class falls when the region has not moved; with "
    "--explain",
    "regions": "mean motion over the region's box, onset to apex, head motion taken out, px of the "
    "aligned face; dx to the right of the image, dy down; length_px the mean length; out is away "
    "from the midline, left and right are the subject's",
    "action_units": "what the motion looks like, the likeliest first: score is the share of the "
    "motion's energy, length_px how far the skin is pulled; not a certified coder's",
}

CSV_COLUMNS = (
    "source", "first", "last", "onset", "apex", "first_s", "last_s", "onset_s", "apex_s",
    "predicted", "gain", "explained", "mean_displacement_px", "max_displacement_px", "moved",
    "event", "problem", "notes",
)  # fmt: skip


def as_csv(predictions: typing.Sequence[Prediction]) -> str:
    """A row per window (one for a short clip), with a column p_<class> for each class.

    `event` is the number of the event that the window is part of, from 1.
    """
    classes = list(dict.fromkeys(name for p in predictions for name in p.classes))
    columns = [*CSV_COLUMNS, *(f"p_{name}" for name in classes)]
    file = io.StringIO()
    writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for prediction in predictions:
        events = {w: n for n, e in enumerate(prediction.events, 1) for w in e.windows}
        for number, window in enumerate(prediction.windows):
            record = {k: "" if v is None else v for k, v in window.to_json().items()}
            seconds = {f"{k}_s": v for k, v in (window.seconds or {}).items()}
            shares = {f"p_{k}": v for k, v in zip(window.classes, window.probabilities)}
            record["notes"] = "; ".join(window.notes)
            place = {"source": prediction.source, "event": events.get(number, "")}
            writer.writerow({**record, **seconds, **shares, **place})
    return file.getvalue()


def as_json(predictions: typing.Sequence[Prediction], failed: dict[str, str]) -> str:
    """All predictions, and why there is none for the sources in `failed`."""
    record = {
        "meaning": MEANING,
        "predictions": [prediction.to_json() for prediction in predictions],
        "failed": [{"source": source, "problem": problem} for source, problem in failed.items()],
    }
    return json.dumps(record, indent=1) + "\n"
