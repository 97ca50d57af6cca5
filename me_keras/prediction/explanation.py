"""Draws why: what the displacement explains, what the class rests on, how each region moved.

The differences are to the onset, in grey levels of 255 on one scale: what is left after the apex is
warped back is what the displacement does not explain (noise, light, wrinkles). Occlusion says how
far the probability of the class falls when a region has not moved; attention says where the global
fusion looked. Both describe the model, not the face, and need not agree.
"""

from __future__ import annotations

import pathlib
import typing

import numpy as np

from me_keras import colours
from me_keras.interpretation import drawing
from me_keras.interpretation.drawing import FAINT, INK
from me_keras.motion_figures import face_mask
from me_keras.prediction.result import Prediction, when

WIDTH, SIDE = 10.667, 2.95  # inches, of the figure and of a panel
LEFT = (0.38, 3.87, 7.2)  # of the three columns
HEAD, TITLE, GAP, FOOT = 0.66, 0.28, 0.3, 0.98
LABELS = 0.85  # inches for the names of regions beside bars
UNITS = 6  # likely action units drawn
LEAST = 8.0  # grey levels, that the last colour of a difference stands for at least
OCCLUSION, ATTENTION = "#0072b2", "#e69f00"  # told apart by the colour-blind, and by lightness
FOOTNOTE = (
    "Action units: what the motion looks like by least squares, not a certified coder's. Left and "
    "right are the subject's; out is away from the midline."
)


def save(prediction: Prediction, path) -> None:
    """Draws `prediction` and writes it; as `figure.save`."""
    drawing.save(draw(prediction), path)


def draw(prediction: Prediction):
    """The picture of why, as a matplotlib `Figure`.

    Args:
        prediction: with its picture; without occlusion where that was not asked for
            (`Predictor.explain`).
    """
    import matplotlib

    picture: typing.Any = prediction.picture
    reading = prediction.reading
    height = HEAD + 2 * (TITLE + SIDE) + GAP + FOOT
    with matplotlib.rc_context(drawing.STYLE):
        sheet = drawing.Sheet(WIDTH, height)
        _heading(sheet, prediction)
        first = HEAD + TITLE
        second = first + SIDE + GAP + TITLE
        field = drawing.smoothed(picture.displacement)
        length = np.linalg.norm(field, axis=-1)[face_mask(len(field))]
        limit = colours.nice_limit(length, drawing.FINEST)
        axes = sheet.axes(LEFT[0], first, SIDE, SIDE)
        enlarged = drawing.flow(axes, field, limit, "a  displacement", picture.onset)
        if enlarged:
            drawing.aside(axes, f"arrows drawn {enlarged:.2g} times as long")
        places = [sheet.axes(left, first, SIDE, SIDE) for left in LEFT[1:]]
        _differences(places, picture)
        _importance(sheet.axes(LEFT[0] + LABELS, second, SIDE - LABELS - 0.1, SIDE), picture)
        _table(sheet.axes(LEFT[1], second, SIDE, SIDE), reading.regions)
        tall = SIDE * (max(min(len(reading.units), UNITS), 1) + 0.4) / (UNITS + 0.4)
        _units(sheet.axes(LEFT[2] + 1.6, second, SIDE - 1.6, tall), reading.units[:UNITS])
        sheet.figure.canvas.draw()
    return sheet.figure


def warped_back(picture) -> np.ndarray:
    """The apex (S, S) as the displacement warps it back onto the onset, bilinear, border repeated.

    As `layers.warp.dense_warp`, by OpenCV: where a server answers there is no TensorFlow.
    """
    import cv2

    size = len(picture.onset)
    steps = np.arange(size, dtype=np.float32)
    x, y = np.meshgrid(steps, steps)
    moved = picture.displacement.astype(np.float32)
    return cv2.remap(
        picture.apex.astype(np.float32), x + moved[..., 0], y + moved[..., 1], cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip


def _heading(sheet, prediction):
    name = pathlib.PurePath(prediction.source).name
    said = f"{prediction.predicted}, {max(prediction.probabilities):.0%}"
    said = f"why {said}" if prediction.moved else "no motion above noise"
    sheet.text(LEFT[0], 0.32, f"{name}: {said}", size=14, weight="bold")
    facts = f"onset frame {when(prediction, 'onset')}   ·   apex frame {when(prediction, 'apex')}"
    sheet.text(LEFT[0], 0.54, facts, size=9, color="#444444")
    sheet.text(LEFT[0], sheet.height - 0.12, FOOTNOTE, size=8, color=FAINT)


def _differences(places, picture):
    """Apex minus onset, and what is left of it, on one scale with its bar."""
    pairs = [picture.apex - picture.onset, warped_back(picture) - picture.onset]
    face = face_mask(len(picture.onset))
    before, after = ([255 * float(np.abs(pair[face]).mean())] for pair in pairs)
    limit = max(255 * float(np.percentile(np.abs(np.stack(pairs)[:, face]), 99.5)), LEAST)
    limit = float(np.ceil(limit / 5) * 5)
    titles = ("b  apex − onset", "c  warped apex − onset")
    for axes, title, pair, (mean,) in zip(places, titles, pairs, (before, after)):
        shown = drawing.image(axes, 255 * pair, title, cmap="PuOr", vmin=-limit, vmax=limit)
        drawing.aside(axes, f"mean {mean:.1f} grey levels")
    bar = axes.figure.colorbar(shown, cax=axes.inset_axes([1.015, 0, 0.03, 1]))
    bar.outline.set_linewidth(0.5)
    bar.set_ticks([-limit, 0, limit])
    bar.ax.tick_params(labelsize=8, length=2, pad=2)


def _importance(axes, picture):
    """Occlusion and attention of each region, in percentage points and in per cent."""
    names = [drawing.spoken(name) for name in picture.region_names]
    rows = np.arange(len(names))
    bars = [("attention received, %; dotted: an equal share", picture.attention, ATTENTION, 0.2)]
    if picture.occlusion is not None:
        said = "probability lost where the region rests, points"
        bars.insert(0, (f"occlusion: {said}", picture.occlusion, OCCLUSION, -0.2))
    for name, shares, colour, shift in bars:
        axes.barh(rows + shift, 100 * shares, 0.38, color=colour, label=name)
    axes.axvline(0, color=INK, linewidth=0.6)
    axes.axvline(100 / len(names), color=INK, linewidth=0.8, linestyle=":", gid="equal share")
    axes.set_yticks(rows, names)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=8, length=2)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_title("d  what the class rests on", x=-LABELS / (SIDE - LABELS - 0.1))
    axes.legend(
        loc="upper left", bbox_to_anchor=(-0.4, -0.06), frameon=False, fontsize=8, handlelength=1,
        borderpad=0, labelspacing=0.3,
    )  # fmt: skip


def _table(axes, regions):
    """How each region moved: its name, px and direction in words."""
    axes.set_axis_off()
    axes.set_title("e  motion of the regions")
    drawing.aside(axes, "px of the aligned face")
    columns = (0.0, 0.46, 0.54)  # where names start, lengths end, directions start
    step = 1 / (len(regions) + 1)
    for (x, align), head in zip(zip(columns, ("left", "right", "left")), ("", "px", "direction")):
        axes.text(x, 1 - 0.5 * step, head, ha=align, va="center", size=8, color=FAINT)
    longest = max(region.length for region in regions)
    for row, region in enumerate(regions, start=1):
        y = 1 - (row + 0.5) * step
        cells = (drawing.spoken(region.name), f"{region.length:.2f}", region.direction)
        weight = "bold" if region.length >= 0.5 * longest and region.direction != "still" else None
        for x, align, cell in zip(columns, ("left", "right", "left"), cells):
            axes.text(x, y, cell, ha=align, va="center", size=9, weight=weight)


def _units(axes, units):
    """The likely action units: the share of the motion that each accounts for."""
    axes.set_title("f  likely action units, share of the motion", x=-1.6 / (SIDE - 1.6))
    if not units:
        axes.set_axis_off()
        axes.text(-1.0, 0.5, "none: no motion above noise", size=9, color=FAINT)
        return
    names = [str(unit).replace(" left", "\nleft").replace(" right", "\nright") for unit in units]
    scores = [unit.score for unit in units]
    texts = [f"{unit.score:.0%}, {unit.length:.1f} px" for unit in units]
    drawing.bars(axes, names, scores, OCCLUSION, 2.1 * max(scores), texts)
