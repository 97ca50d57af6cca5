"""An answer as HTML that stands in the page whole: pictures, charts, tables, files to keep."""

from __future__ import annotations

import csv
import io
import typing

from markupsafe import Markup

from me_keras.evaluation.pages import rendering
from me_keras.interpretation import drawing, motion_units
from me_keras.prediction import events, figure, regions, table
from me_keras.prediction.displacement_only import NO_CLASS
from me_keras.prediction.result import when
from me_keras.webpage import charts, film, pictures
from me_keras.webpage.measurement import Measurement

MOST_UNITS, MOST_EVENTS = 5, 12  # shown; all of them are in the files
# Of a table, those that say nothing where the model names no class.
CLASS_COLUMNS = ("predicted", f"p_{NO_CLASS}", "class", "probability")


def html(measurements: typing.Sequence[Measurement]) -> str:
    """What the page shows of a film: one answer, or two side by side."""
    facts = [_facts(found, f"answer-{i}") for i, found in enumerate(measurements, start=1)]
    several = len(facts) > 1
    template = _template("report.html.j2")
    return template.render(facts=facts, several=several, most_factor=film.FACTOR)


def problem(text: str) -> str:
    """A sentence in place of an answer."""
    return _template("problem.html.j2").render(text=text)


def _facts(measurement, name):
    """What the template is given of an answer."""
    prediction, picture = measurement.prediction, measurement.picture
    long = len(prediction.windows) > 1
    drawn = film.draw(measurement)
    lines = [charts.motion(measurement, name)]
    if long:
        lines.append(charts.windows(measurement, name))
    if long and measurement.names_classes:
        lines.append(charts.probabilities(measurement, name))
    return {
        "prediction": prediction,
        "names_classes": measurement.names_classes,
        "classes": _classes(measurement),
        "onset": when(prediction, "onset"),
        "apex": when(prediction, "apex"),
        "size": len(picture.onset),
        "face": pictures.face(measurement),
        "motion": pictures.motion(measurement),
        "film": pictures.address(drawn.content, "image/webp"),
        "slower": drawn.slower,
        "factor": drawn.factor,
        "charts": [Markup(line) for line in lines],
        "long": long,
        "reading": prediction.reading,
        "units": prediction.reading.units[:MOST_UNITS],
        "events": prediction.events[:MOST_EVENTS],
        "more_events": max(len(prediction.events) - MOST_EVENTS, 0),
        "files": files(measurement, drawn.content),
    }


def _classes(measurement):
    """(name, probability, colour) of each class, the likeliest first; none without classes."""
    prediction = measurement.prediction
    if not measurement.names_classes:
        return []
    rows = zip(prediction.classes, prediction.probabilities, _shades(prediction.classes))
    return sorted(rows, key=lambda row: -row[1])


def _shades(classes):
    known = drawing.CLASS_COLOURS
    return [known[index % len(known)] for index in range(len(classes))]


def files(measurement: Measurement, animation: bytes) -> list[tuple[str, str, str]]:
    """(label, name, `data:` address) of what can be kept: three tables, figure and film."""
    tables = [f(measurement).encode() for f in (windows_csv, events_csv, frames_csv)]
    rows, moved, frames = (pictures.address(content, "text/csv") for content in tables)
    return [
        ("windows, CSV", "windows.csv", rows),
        ("movements, CSV", "movements.csv", moved),
        ("regions in each frame, CSV", "regions.csv", frames),
        ("figure, PNG", "figure.png", pictures.address(_figure(measurement), "image/png")),
        ("film, WebP", "film.webp", pictures.address(animation, "image/webp")),
    ]


def windows_csv(measurement: Measurement) -> str:
    """A row per window, as `python -m me_keras.predict --csv`; no classes where there are none."""
    return _without_class(table.as_csv([measurement.prediction]), measurement)


def events_csv(measurement: Measurement) -> str:
    """A row per movement, as `python -m me_keras.predict --events`."""
    return _without_class(events.as_csv(measurement.prediction), measurement)


def _without_class(text, measurement):
    """A CSV, without the columns of the class where the model names none."""
    if measurement.names_classes:
        return text
    rows = list(csv.reader(io.StringIO(text)))
    kept = [i for i, column in enumerate(rows[0]) if column not in CLASS_COLUMNS]
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([row[i] for i in kept] for row in rows)
    return file.getvalue()


def frames_csv(measurement: Measurement) -> str:
    """A row per frame of the window shown, as `python -m me_keras.predict --regions`."""
    prediction, picture = measurement.prediction, measurement.picture
    times = measurement.film.seconds or [None] * len(measurement.fields)
    places = {prediction.onset: "onset", prediction.apex: "apex"}
    tracks = [
        regions.FrameMotion(
            number,
            seconds,
            places.get(number, ""),
            motion_units.read(field, picture.regions, picture.region_names),
        )
        for number, seconds, field in zip(measurement.film.numbers, times, measurement.fields)
    ]
    return regions.as_csv({prediction.source: tracks})


def _figure(measurement):
    """As `python -m me_keras.predict --figure`; the motion alone where there are no classes."""
    if not measurement.names_classes:
        return pictures.sheet(measurement)
    drawn = io.BytesIO()
    figure.draw(measurement.prediction).savefig(drawn, dpi=drawing.DPI, format="png")
    return drawn.getvalue()


def _template(name):
    environment = rendering.environment("me_keras.webpage")
    environment.filters["spoken"] = drawing.spoken
    environment.globals["when"] = when
    return environment.get_template(name)
