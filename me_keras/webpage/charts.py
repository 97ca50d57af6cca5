"""The time lines of an answer, as inline SVG in the colours of the page."""

from __future__ import annotations

import numpy as np

from me_keras.evaluation.pages import svg
from me_keras.interpretation.drawing import CLASS_COLOURS
from me_keras.webpage.measurement import Measurement

SIZE = (3.8, 2.1)  # inches: 365 px wide
MARKERS = "osD^vP*"  # beside the colours, for who sees no colours


def motion(measurement: Measurement, name: str) -> str:
    """How far the face moved in each frame of the window shown, with its apex.

    Args:
        name: of the figure, unique in the page.
    """
    prediction, lengths = measurement.prediction, measurement.lengths
    film = measurement.film
    times, unit = (film.seconds, "s") if film.seconds else (film.numbers, "frame")
    apex = times[film.numbers.index(prediction.apex)]
    title = "Mean motion from the onset; dashed: apex"
    with svg.new_axes(SIZE) as axes:
        axes.plot(times, lengths, color=svg.SERIES[0], marker="o", ms=3.5)
        axes.axvline(apex, color=svg.SERIES[1], lw=1.4, ls="--")
        axes.set(title=title, xlabel="time in the film, s" if unit == "s" else "frame")
        axes.set(ylabel="px", ylim=(0, 1.15 * max(float(lengths.max()), 0.2)))
        said = f"{lengths.max():.2f} px at most; apex at {_at(apex, unit)}."
        return svg.inline(axes, f"{name}-motion", title, said)


def windows(measurement: Measurement, name: str) -> str:
    """How far the face moved in each window of a long film; filled where above noise."""
    prediction = measurement.prediction
    middle, unit = _middles(prediction.windows)
    lengths = np.array([w.max_displacement for w in prediction.windows])
    moved = np.array([w.moved for w in prediction.windows])
    title = "Largest motion in each window"
    with svg.new_axes(SIZE) as axes:
        _shown(axes, prediction)
        axes.plot(middle, lengths, color=svg.SERIES[0], lw=1)
        _points(axes, middle, lengths, moved, svg.SERIES[0], "o")
        axes.set(title=title, xlabel=unit, ylabel="px", ylim=(0, 1.15 * np.nanmax(lengths)))
        said = f"{int(moved.sum())} of {len(moved)} windows have motion above noise."
        return svg.inline(axes, f"{name}-windows", title, said)


def probabilities(measurement: Measurement, name: str) -> str:
    """The probability of each class in each window of a long film; filled where it moved."""
    prediction = measurement.prediction
    middle, unit = _middles(prediction.windows)
    moved = np.array([w.moved for w in prediction.windows])
    nothing = [np.nan] * len(prediction.classes)
    shares = np.array([w.probabilities or nothing for w in prediction.windows])
    title = "Probability in each window"
    with svg.new_axes((SIZE[0], 2.7)) as axes:
        _shown(axes, prediction)
        for row, kind in enumerate(prediction.classes):
            colour, marker = CLASS_COLOURS[row % 7], MARKERS[row % 7]
            axes.plot(middle, shares[:, row], color=colour, lw=1)
            _points(axes, middle, shares[:, row], moved, colour, marker, kind)
        axes.set(title=title, xlabel=unit, ylim=(-0.04, 1.04), yticks=(0, 0.5, 1))
        _legend(axes, len(prediction.classes))
        return svg.inline(
            axes, f"{name}-probabilities", title, f"{title}, of {len(moved)} windows."
        )


def _middles(windows):
    if windows[0].seconds is None:
        return [(w.first + w.last) / 2 for w in windows], "frame"
    middle = [(w.seconds["first"] + w.seconds["last"]) / 2 for w in windows]
    return middle, "middle of the window, s"


def _points(axes, x, y, filled, colour, marker, label=None):
    """A point per window: filled, or hollow."""
    x, size = np.array(x), float(np.clip(160 / len(x), 2.5, 5))
    axes.plot(x[filled], y[filled], marker, color=colour, ms=size)
    axes.plot(x[~filled], y[~filled], marker, color=colour, ms=size, mfc="none", mew=0.8)
    if label is not None:
        axes.plot([], [], color=colour, marker=marker, ms=4, lw=1, label=label)


def _shown(axes, prediction):
    """Shades the window that is shown."""
    first, last = prediction.first, prediction.last
    if prediction.seconds is not None:
        first, last = prediction.seconds["first"], prediction.seconds["last"]
    axes.axvspan(first, last, color=svg.SERIES[1], alpha=0.15, lw=0)


def _legend(axes, columns):
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.5, -0.32), ncols=min(columns, 3), borderaxespad=0,
        handlelength=1.4, columnspacing=1.0,
    )  # fmt: skip


def _at(time, unit):
    return f"{time:.3f} s" if unit == "s" else f"frame {time}"
