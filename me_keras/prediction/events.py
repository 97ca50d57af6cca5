"""The events of a recording as a file: a table, or annotations for ELAN; the ending says which."""

from __future__ import annotations

import csv
import io
import pathlib
import typing

from me_keras.prediction import elan
from pipelines.schema import REGIONS, DataError

if typing.TYPE_CHECKING:
    from me_keras.interpretation.motion_units import RegionMotion
    from me_keras.prediction.result import Prediction

COLUMNS = ("source", "event", "class", "probability", "start", "apex", "end")
TIMES = ("start_s", "apex_s", "end_s", "duration_s")


def as_file(prediction: Prediction, path) -> str:
    """The events of a recording as the content of a file of this name: .csv, .txt or .eaf.

    Raises:
        DataError: annotations need times, and nothing tells when the frames were taken.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() == ".csv":
        return as_csv(prediction)
    annotations = []
    for event in prediction.events:
        if event.seconds is None:
            raise DataError(
                f"{prediction.source}: nothing tells when its frames were taken, which {path} "
                "needs: say --fps, or write a .csv"
            )
        begin, end = (round(1000 * event.seconds[name]) for name in ("start", "end"))
        value = f"{event.predicted} {event.probability:.2f}"
        annotations.append(elan.Annotation(begin, max(end, begin + 1), value, _moved(event)))
    if path.suffix.lower() == ".txt":
        return elan.as_text(annotations)
    return elan.as_eaf(annotations, prediction.source, path.parent)


def as_csv(prediction: Prediction) -> str:
    """A row per event: class, frames and seconds, what moved in words, and how far, px."""
    moved = [f"{region}_{part}_px" for region in REGIONS for part in ("dx", "dy", "length")]
    file = io.StringIO()
    columns = [*COLUMNS, *TIMES, "moved", "action_units", *moved]
    writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for number, event in enumerate(prediction.events, start=1):
        row: dict = {"source": prediction.source, "event": number, "class": event.predicted}
        row |= {"probability": round(event.probability, 4)}
        row |= {name: getattr(event, name) for name in ("start", "apex", "end")}
        if event.seconds is not None:
            row |= {f"{name}_s": second for name, second in event.seconds.items()}
            row["duration_s"] = round(event.seconds["end"] - event.seconds["start"], 6)
        row |= {"moved": _moved(event), "action_units": " ".join(u.code for u in event.units)}
        for region in event.regions:
            values = {"dx": region.dx, "dy": region.dy, "length": region.length}
            row |= {f"{region.name}_{part}_px": round(v, 4) for part, v in values.items()}
        writer.writerow(row)
    return file.getvalue()


def in_words(region: RegionMotion) -> str:
    """How a region moved: "brow left 1.20 px up"."""
    return f"{region.name.replace('_', ' ')} {region.length:.2f} px {region.direction}"


def _moved(event):
    """What moved, the most moved region first."""
    return ", ".join(map(in_words, event.moved))
