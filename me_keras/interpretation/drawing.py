"""What the figures of faces share: style, images, displacement as colours and arrows, bars."""

from __future__ import annotations

import io
import pathlib
import typing

import numpy as np

from me_keras import colours
from me_keras.motion_figures import STILL_PX, face_mask
from pipelines.files import write_whole

DPI = 150
# A displacement is made in blocks of 4 px (depth to space), which show as a checkerboard where it
# is small: it is drawn as the mean over such a block, which leaves nothing of that pattern.
BLOCK = np.array([1, 2, 2, 2, 1], np.float32) / 8
FINEST = 1.0  # px, least displacement that the last colour stands for
ARROWS = 16  # along each side
INK, FAINT, RED = "#1b1b1b", "#777777", "#a3271d"
CLASS_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#6b6b6b")
STYLE: typing.Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "svg.hashsalt": "me_keras",  # the same picture is the same file
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor"), INK),
    **dict.fromkeys(("text.color", "xtick.color", "ytick.color"), INK),
}


class Sheet:
    """A white figure whose axes are placed in inches from the left and from the top."""

    def __init__(self, width: float, height: float):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self.figure = Figure(figsize=(width, height), facecolor="white")
        FigureCanvasAgg(self.figure)

    def axes(self, left: float, top: float, width: float, tall: float):
        """Axes of a size in inches."""
        down = self.height - top - tall
        place = np.array([left, down, width, tall])
        return self.figure.add_axes(tuple(place / ([self.width, self.height] * 2)))

    def text(self, left: float, top: float, words: str, **options):
        """Text whose base line is `top` inches below the upper edge."""
        return self.figure.text(left / self.width, 1 - top / self.height, words, **options)


def save(figure, path) -> None:
    """Writes a figure; the suffix says what: .png, .pdf or .svg.

    The file is there whole or not at all. Raises OSError if it cannot be written.
    """
    import matplotlib

    path, drawn = pathlib.Path(path), io.BytesIO()
    kind = path.suffix[1:].lower()
    undated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind)
    with matplotlib.rc_context(STYLE):
        figure.savefig(drawn, dpi=DPI, format=kind, metadata=undated)
    write_whole(path, drawn.getvalue())


def smoothed(displacement: np.ndarray) -> np.ndarray:
    """A displacement (S, S, 2) without the pattern of its blocks."""
    import cv2

    return cv2.sepFilter2D(displacement, -1, BLOCK, BLOCK, borderType=cv2.BORDER_REFLECT)


def image(axes, pixels, title, **options):
    """Shows (S, S) grey or (S, S, 3) colours without ticks; pixel centres at whole numbers."""
    shown = axes.imshow(pixels, **{"interpolation": "lanczos", **options})
    axes.set(title=title, xticks=[], yticks=[])
    return shown


def grey(axes, pixels, title):
    """Shows a grey image (S, S) in [0, 1]."""
    return image(axes, pixels, title, cmap="gray", vmin=0, vmax=1)


def aside(axes, words):
    """A faint remark at the right of the title."""
    axes.set_title(words, loc="right", size=8, color=FAINT)


def flow(axes, displacement, limit, title, shade=None, unit="px", wheel=True):
    """A displacement as colours, arrows where it is above noise, and the wheel as legend.

    Args:
        displacement: (S, S, 2). limit: the length that the full colour stands for.
        shade: (S, S) grey image in [0, 1] that stays visible below; None for none.
        unit: of the limit, as the wheel names it. wheel: whether it is drawn.
    Returns:
        how many times as long as the motion the arrows are; None where there is none.
    """
    length, inside = np.linalg.norm(displacement, axis=-1), face_mask(len(displacement))
    colour = colours.wheel(displacement, limit)
    if shade is not None:
        colour = colour * (0.75 + 0.25 * shade[..., None])  # the face stays visible, the hue true
    image(axes, np.clip(colour, 0, 1), title)
    least = STILL_PX if unit == "px" else 0.0
    enlarged = arrows(axes, displacement, inside & (length >= max(least, 0.08 * limit)), limit)
    if wheel:
        disc = axes.inset_axes([0.79, 0.02, 0.19, 0.19])
        disc.imshow(colours.legend(160), interpolation="bilinear")
        disc.set_axis_off()
        disc.text(80, 80, f"{limit:g} {unit}".strip(), ha="center", va="center", size=7.5)
    return enlarged


def arrows(axes, displacement, shown, limit):
    """Arrows on a grid, where `shown`; the longest as long as its steps are wide, and a half.

    Returns how many times as long as the motion they are drawn; None where there is none.
    """
    step = len(displacement) / ARROWS
    place = np.round((np.arange(ARROWS) + 0.5) * step - 0.5).astype(int)
    x, y = (grid.ravel() for grid in np.meshgrid(place, place))
    x, y = x[shown[y, x]], y[shown[y, x]]
    dx, dy = displacement[y, x].T
    enlarged = 1.5 * step / limit
    axes.quiver(
        x, y, dx, dy, angles="xy", scale_units="xy", scale=1 / enlarged, width=0.0045,
        headwidth=4, headlength=4.4, headaxislength=4, color=INK, zorder=3, gid="arrows",
    )  # fmt: skip
    return enlarged if len(x) else None


def bars(axes, names, values, shades, limit, texts=None):
    """Horizontal bars from 0 to `limit`, the first on top, each with its value as text."""
    drawn = axes.barh(names, values, color=shades, height=0.68)
    texts = texts or [f"{value:.1%}" for value in values]
    paper = {"facecolor": axes.get_facecolor(), "edgecolor": "none", "pad": 0.8}
    axes.bar_label(drawn, texts, padding=2, size=8.5, bbox=paper)  # readable on other lines
    axes.tick_params(axis="y", length=0)
    axes.set(xticks=[], xlim=(0, limit), ylim=(len(names) - 0.5, -0.5))
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def spoken(region: str) -> str:
    """The name of a region as people say it: "right brow" for "brow_right"."""
    return " ".join(reversed(region.split("_")))
