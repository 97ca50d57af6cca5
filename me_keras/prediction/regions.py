"""How every region moved in every frame of a clip, as records and as CSV.

Each frame is compared with the onset by what gives the apex's displacement, on the clip's own
alignment: the row of the apex is what the prediction says.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import typing

import numpy as np

from me_keras.interpretation import motion_units
from me_keras.prediction import alignment
from pipelines.schema import REGIONS


@dataclasses.dataclass(frozen=True)
class FrameMotion:
    """How the face moved from the onset to a frame.

    Attributes:
        frame: number in the clip, 0-based. seconds: when it was taken; None where unknown.
        place: "onset", "apex", or "" for any other.
        reading: the regions' motion and the likely action units.
    """

    frame: int
    seconds: float | None
    place: str
    reading: motion_units.Reading


def displacements(model, prediction) -> np.ndarray:
    """The displacement from the onset to every frame of the window that a prediction shows, the
    onset first: (n, S, S, 2) float32 px.

    Args, raised: as of `track`.
    """
    film, size = prediction.picture.film, model.alignment.image_size
    fields = [np.zeros((size, size, 2), np.float32)]  # the onset has not moved
    pairs = alignment.pairs_with_onset(film.frames, film.regions, model.alignment.motion)
    for start in range(0, len(pairs), model.batch):
        inputs = alignment.model_inputs(pairs[start : start + model.batch], size)
        moved = inputs.get("displacement")
        fields.extend(model.ask(inputs)["displacement"] if moved is None else moved)
    return np.stack(fields)


def track(model, prediction) -> tuple[FrameMotion, ...]:
    """The motion of every frame of the window that a prediction shows, the onset first.

    Args:
        model: `model.Model`, which is asked about its frames in batches; one that estimates no
            displacement is not asked: its motion is computed, as for the apex.
        prediction: `Prediction` with its picture and film.
    Raises:
        DataError: the model refuses, or cannot be reached.
    """
    film, picture = prediction.picture.film, prediction.picture
    times = film.seconds or [None] * len(film.numbers)
    places = {prediction.onset: "onset", prediction.apex: "apex"}
    return tuple(
        FrameMotion(
            number,
            seconds,
            places.get(number, ""),
            motion_units.read(field, picture.regions, picture.region_names),
        )
        for number, seconds, field in zip(film.numbers, times, displacements(model, prediction))
    )


def as_csv(tracks: dict[str, typing.Sequence[FrameMotion]]) -> str:
    """A row per frame: when it was taken, the likely action units, and dx, dy and length in px of
    each region, as `motion_units.RegionMotion` has them.

    Args:
        tracks: dict of source to what `track` found.
    """
    moved = [f"{region}_{part}_px" for region in REGIONS for part in ("dx", "dy", "length")]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["source", "frame", "seconds", "place", "action_units", *moved])
    for source, frames in tracks.items():
        for each in frames:
            units = " ".join(unit.code for unit in each.reading.units)
            values = [v for r in each.reading.regions for v in (r.dx, r.dy, r.length)]
            seconds = "" if each.seconds is None else each.seconds
            numbers = [round(value, 4) for value in values]
            writer.writerow([source, each.frame, seconds, each.place, units, *numbers])
    return file.getvalue()
