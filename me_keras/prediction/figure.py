"""Draws an answer: onset, apex, how the face moved between, what was attended to, and the classes.

The colours of a displacement are those of a wheel: direction is hue, length is saturation, white is
no motion; a wheel beside them is the legend. Every scale has its unit, px of the aligned face. The
scale is never finer than `drawing.FINEST`, so that noise does not look like motion.
"""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from me_keras import colours
from me_keras.interpretation import drawing
from me_keras.interpretation.drawing import FAINT, INK, RED
from me_keras.motion_figures import face_mask
from me_keras.prediction.result import GAIN, Prediction, decimals, when

WIDTH, SIDE = 10.667, 2.95  # inches, of the figure (1600 px) and of a panel
LEFT = (0.38, 3.87, 7.36)  # of the three columns
HEAD, TITLE, GAP, FOOT = 0.96, 0.28, 0.12, 0.36  # above all, above a panel, below it, below all
SHOWN_UNITS = 3  # likely action units named
SEPARATOR = "   ·   "
TIMELINE, AXIS = 1.35, 0.38  # height, and room for its labels

LEAST_DIFFERENCE = 0.02  # of attention, that the last colour stands for


def save(prediction: Prediction, path) -> None:
    """Draws `prediction` and writes it; the suffix says what: .png, .pdf or .svg.

    The file is there whole or not at all. Raises OSError if it cannot be written.
    """
    drawing.save(draw(prediction), path)


def draw(prediction: Prediction):
    """The picture of `prediction` as a matplotlib `Figure`; needs no display."""
    import matplotlib

    timeline = len(prediction.windows) > 1
    height = HEAD + 2 * (TITLE + SIDE + GAP) + FOOT + timeline * (TITLE + TIMELINE + AXIS)

    with matplotlib.rc_context(drawing.STYLE):
        sheet = drawing.Sheet(WIDTH, height)

        def axes(left, top, width=SIDE, tall=SIDE):
            return sheet.axes(left, top, width, tall)

        _heading(sheet, prediction)
        first = HEAD + TITLE
        second = first + SIDE + GAP + TITLE
        picture = _for_the_eye(prediction.picture)
        drawing.grey(axes(LEFT[0], first), picture.onset, "a  onset, aligned")
        drawing.grey(axes(LEFT[1], first), picture.apex, "b  apex, aligned, the head held still")
        _flow(axes(LEFT[2], first), picture)
        _magnitude(axes(LEFT[0], second), picture)
        _regions(axes(LEFT[1], second), picture)
        names, classes = len(picture.region_names), len(prediction.classes)
        bar = (SIDE - TITLE - GAP) / (names + classes)  # inches for each
        beside = {"left": LEFT[2] + 0.85, "width": SIDE - 0.85}
        _attention(axes(top=second, tall=names * bar, **beside), picture)
        _classes(axes(top=second + SIDE - classes * bar, tall=classes * bar, **beside), prediction)
        if timeline:
            third = second + SIDE + GAP + TITLE
            _timeline(axes(LEFT[0], third, LEFT[2] + SIDE - LEFT[0], TIMELINE), prediction)
        sheet.figure.canvas.draw()  # what is drawn late is drawn in this style too
    return sheet.figure


def _heading(sheet, prediction):
    name = pathlib.PurePath(prediction.source).name
    said = f"{prediction.predicted}, {max(prediction.probabilities):.0%}"
    if not prediction.moved:
        said = "no motion above noise"
    left, units = LEFT[0], prediction.reading.units
    sheet.text(left, 0.32, f"{name}: {said}", size=14, weight="bold")
    facts = [
        f"onset frame {when(prediction, 'onset')}",
        f"apex frame {when(prediction, 'apex')}",
        f"face moved {prediction.mean_displacement:.2f} px on average, "
        f"{prediction.max_displacement:.2f} px at most",
        f"reconstruction gain {decimals(prediction.gain)}",
    ]
    sheet.text(left, 0.54, SEPARATOR.join(facts), size=9, color="#444444")
    if units:
        likely = SEPARATOR.join(map(str, units[:SHOWN_UNITS]))
        sheet.text(left, 0.72, f"likely action units: {likely}", size=9, color="#444444")
    if prediction.notes:
        sheet.text(left, 0.9, prediction.notes[-1], size=8.5, color=RED)
    foot = f"Reconstruction gain: the {GAIN}."
    sheet.text(left, sheet.height - 0.12, foot, size=8, color=FAINT)


def _for_the_eye(picture):
    """The picture with both frames brightened alike and the displacement's blocks smoothed."""
    dark, bright = np.percentile([picture.onset, picture.apex], [0.1, 99.9])

    def stretch(image):
        return np.clip((image - dark) / max(bright - dark, 0.1), 0, 1)

    smooth = drawing.smoothed(picture.displacement)
    frames = {"onset": stretch(picture.onset), "apex": stretch(picture.apex)}
    return dataclasses.replace(picture, **frames, displacement=smooth)


def _lengths(picture):
    """Length of the displacement (S, S) px; where the face is (S, S) bool; end of the scale, px."""
    length = np.linalg.norm(picture.displacement, axis=-1)
    inside = face_mask(len(length))
    return length, inside, colours.nice_limit(length[inside], drawing.FINEST)


def _flow(axes, picture):
    """The displacement as colours on a pale face, arrows where it is above noise, the wheel."""
    *_, limit = _lengths(picture)
    enlarged = drawing.flow(axes, picture.displacement, limit, "c  displacement", picture.onset)
    if enlarged:
        drawing.aside(axes, f"arrows drawn {enlarged:.2g} times as long")


def _magnitude(axes, picture):
    """How far each place of the face moved, as heat over the face, with its scale."""
    from matplotlib.cm import ScalarMappable

    length, _, limit = _lengths(picture)
    drawing.grey(axes, picture.onset, "d  magnitude")
    heat = axes.imshow(
        length, cmap="inferno", vmin=0, vmax=limit, interpolation="bilinear", gid="magnitude",
        alpha=0.15 + 0.75 * np.clip(length / limit, 0, 1) ** 0.5,
    )  # fmt: skip
    scale = ScalarMappable(heat.norm, heat.cmap)  # the heat's own colours, without its opacity
    bar = axes.figure.colorbar(scale, cax=axes.inset_axes([1.015, 0, 0.03, 1]))
    bar.outline.set_linewidth(0.5)
    bar.set_ticks(np.linspace(0, limit, 3))
    bar.ax.tick_params(labelsize=8, length=2, pad=2)
    drawing.aside(axes, "px")


def _shades(attention):
    """A colour for each region by its difference from an equal share: (r, 4); (r,) in [0, 1].

    Red is more, blue less; the last colour stands for the largest difference. The second is bolder
    the more a region receives, 1 from twice an equal share on.
    """
    from matplotlib import cm

    strength = np.clip(attention * len(attention) / 2, 0, 1)
    difference = attention - 1 / len(attention)
    most = max(float(np.abs(difference).max()), LEAST_DIFFERENCE)
    return cm.coolwarm(0.5 + 0.5 * difference / most), strength


def _regions(axes, picture):
    """The action-unit regions, bolder the more the model attends to them."""
    from matplotlib.patches import Rectangle

    size = len(picture.onset)
    drawing.grey(axes, 0.3 + 0.7 * picture.onset, "e  action-unit regions")
    drawing.aside(axes, "red: more attention")
    shades, strength = _shades(picture.attention)
    for index in np.argsort(picture.attention):  # the most attended is drawn last, on top
        y1, x1, y2, x2 = picture.regions[index] * size - 0.5
        axes.add_patch(
            Rectangle(
                (x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=shades[index],
                linewidth=0.8 + 2.4 * strength[index], gid=f"region {picture.region_names[index]}",
            )
        )  # fmt: skip


def _attention(axes, picture):
    names = list(map(drawing.spoken, picture.region_names))
    most = max(float(picture.attention.max()), 1e-9)
    drawing.bars(axes, names, picture.attention, _shades(picture.attention)[0], 1.2 * most)
    axes.axvline(1 / len(names), color=INK, linewidth=0.8, linestyle=":", gid="equal share")
    axes.set_title("f  attention; dotted: equal share")


def _classes(axes, prediction):
    shades = [_class_colour(i) for i in range(len(prediction.classes))]
    drawing.bars(axes, prediction.classes, prediction.probabilities, shades, 1.2)
    axes.set_title("g  probability")


def _class_colour(index):
    return drawing.CLASS_COLOURS[index % len(drawing.CLASS_COLOURS)]


def _timeline(axes, prediction):
    """Probability of each class along the recording; hollow where the face held still."""
    windows = prediction.windows
    known = windows[0].seconds is not None

    def at(window, name):
        return window.seconds[name] if known else getattr(window, name)

    middle = np.array([(at(w, "first") + at(w, "last")) / 2 for w in windows])
    absent = np.array([bool(w.problem) for w in windows])
    moved = np.array([w.moved for w in windows])
    still = ~moved & ~absent
    shares = np.full((len(windows), len(prediction.classes)), np.nan)
    shares[~absent] = [w.probabilities for w in windows if not w.problem]
    dot = float(np.clip(1500 / len(windows), 5, 22))  # points squared: many windows, small dots
    axes.axvspan(at(prediction, "first"), at(prediction, "last"), color="#eeeae0", zorder=0)
    for event in prediction.events:
        axes.axvspan(at(event, "start"), at(event, "end"), color=RED, alpha=0.15, zorder=1)
    for i, name in enumerate(prediction.classes):
        colour, share = _class_colour(i), shares[:, i]
        axes.plot(middle, share, color=colour, linewidth=1, alpha=0.4)
        solid = {"color": colour, "linewidths": 0, "label": name}
        hollow = {"facecolors": "white", "edgecolors": colour, "linewidths": 0.8}
        axes.scatter(middle[moved], share[moved], dot, zorder=3, **solid)
        axes.scatter(middle[still], share[still], 0.75 * dot, zorder=3, **hollow)
    if absent.any():
        nowhere = np.zeros(absent.sum())
        axes.scatter(middle[absent], nowhere, 18, FAINT, "x", linewidths=1, label="no answer")
    axes.set(
        xlim=(at(windows[0], "first"), at(windows[-1], "last")), ylim=(-0.06, 1.06),
        yticks=[0, 0.5, 1], title="h  probability, a point per window; hollow: no motion above "
        "noise; shaded: shown above; red: events",
    )  # fmt: skip
    axes.set_xlabel("seconds" if known else "frame", labelpad=2)
    axes.legend(
        loc="lower right", bbox_to_anchor=(1.005, 0.99), ncols=len(prediction.classes) + 1,
        frameon=False, handletextpad=0.1, columnspacing=1.2, borderpad=0.2,
    )  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
