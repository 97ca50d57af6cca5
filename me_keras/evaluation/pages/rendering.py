"""Templates to pages: everything that comes from data is escaped."""

from __future__ import annotations

import functools
import math

import jinja2
from markupsafe import Markup

EQUAL, MOST = 0.02, 0.55  # opacity of a cell's colour: none below, text stays readable up to


@functools.lru_cache
def environment(package="me_keras.evaluation.pages") -> jinja2.Environment:
    """The templates of a package: all values are escaped, and one that is missing is an error."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": number,
        "signed": signed,
        "percent": percent,
        "p_value": p_value,
        "duration": duration,
        "tint": tint,
    }
    return environment


def page(template, figures=None, **facts) -> str:
    """A page from a file of the folder `templates`.

    Args:
        figures: dict of `<svg>` elements, which are taken as they are; all else is escaped.
    """
    drawn = {name: Markup(text) for name, text in (figures or {}).items()}
    return environment().get_template(template).render(figures=drawn, **facts)


def number(value, digits=3) -> str:
    """A score for people; a dash where there is none."""
    return "–" if _absent(value) else f"{value:.{digits}f}"


def signed(value, digits=3) -> str:
    """A difference, with its sign."""
    return "–" if _absent(value) else f"{value:+.{digits}f}".replace("-", "−")


def percent(value) -> str:
    """A share as whole per cent."""
    return "–" if _absent(value) else f"{100 * value:.0f} %"


def p_value(value) -> str:
    """A p-value; small ones as a bound."""
    if _absent(value):
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def duration(seconds) -> str:
    """Seconds in the unit that suits them."""
    if _absent(seconds):
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def tint(value, name="blue") -> str:
    """CSS for the background of a cell: the stronger, the closer `value` is to 1."""
    if _absent(value) or value < EQUAL:
        return ""
    return f"background: rgb(var(--{name}) / {MOST * min(value, 1.0):.2f})"


def _absent(value):
    return value is None or isinstance(value, jinja2.Undefined) or math.isnan(value)
