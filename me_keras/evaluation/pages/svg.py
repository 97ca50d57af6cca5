"""Matplotlib figures as SVG inside a page, in its colours and fonts, with ids of their own."""

from __future__ import annotations

import contextlib
import io
import re
import typing
from xml.etree import ElementTree

# Colours that stand in a figure for those of the page, which follow its theme; see base.html.j2.
INK, FAINT, LINE = "#010101", "#010102", "#010103"
SERIES = ("#010104", "#010105")
_THEME = {INK: "currentColor", FAINT: "var(--faint)", LINE: "var(--line)"}
_THEME |= {colour: f"var(--series-{i})" for i, colour in enumerate(SERIES, start=1)}
_NAMESPACES = {"": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
STYLE: typing.Any = {
    "font.family": "DejaVu Sans",  # measures a little wider than what browsers take: all fits
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "text.parse_math": False,  # a $ in a name is a $
    "svg.fonttype": "none",
    "svg.hashsalt": "me_keras",
    **dict.fromkeys(("axes.edgecolor", "axes.labelcolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("text.color", "xtick.color", "ytick.color"), INK),
}


@contextlib.contextmanager
def new_axes(size):
    """Axes of a new figure of this size, (width, height) inches, drawn and saved in `STYLE`."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        yield axes


def inline(axes, name, title, description) -> str:
    """The figure of `axes` as an `<svg>` element, the same text each time it is drawn.

    Args:
        name: of the figure, unique in its page: its ids begin with it.
        title, description: for those who do not see it; may hold any text.
    """
    drawn = io.BytesIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    axes.figure.savefig(drawn, format="svg", metadata=metadata)
    for prefix, address in _NAMESPACES.items():
        ElementTree.register_namespace(prefix, address)
    root = ElementTree.fromstring(_themed(drawn.getvalue().decode()))
    _keep_used_ids(root, name)
    for parent in list(root.iter()):
        for child in list(parent):
            if _tag(child) in ("metadata", "style"):  # a style would be the whole page's
                parent.remove(child)
    width = float(root.attrib.pop("width").removesuffix("pt")) * 4 / 3  # CSS px
    del root.attrib["height"]
    root.attrib.pop("version", None)
    root.set("style", f"max-width: {width:.0f}px")
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    for place, (part, text) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_NAMESPACES['']}}}{part}", {"id": f"{name}-{part}"})
        element.text = text
        root.insert(place, element)
    return ElementTree.tostring(root, encoding="unicode")


def printable(text) -> str:
    """`text` without characters that XML cannot hold."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def _themed(text):
    for colour, value in _THEME.items():
        text = text.replace(colour, value)
    return re.sub(r"'DejaVu Sans'", FONT, text)


def _keep_used_ids(root, name):
    """Ids that something refers to get the figure's name; the others go."""
    used = set()
    for element in root.iter():
        for key, value in element.attrib.items():
            used |= set(re.findall(r"url\(#([^)]+)\)", value))
            if key.endswith("href"):
                used.add(value.removeprefix("#"))
    for element in root.iter():
        if element.attrib.get("id") in used:
            element.set("id", f"{name}-{element.get('id')}")
        else:
            element.attrib.pop("id", None)
        for key, value in element.attrib.items():
            if key.endswith("href"):
                value = value.replace("#", f"#{name}-", 1)
            element.set(key, value.replace("url(#", f"url(#{name}-"))


def _tag(element):
    return element.tag.rpartition("}")[2]
