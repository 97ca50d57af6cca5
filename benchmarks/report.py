"""What a benchmark found: ratios with both sides, rows of numbers, notes; printed and as JSON."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import numpy as np

from pipelines import cli

_COMPARE = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b}


@dataclasses.dataclass(frozen=True)
class Figure:
    """Something measured beside something else, in the same run.

    Attributes:
        name, against: what was measured, and what beside it.
        value, base: medians over the repetitions, both in `unit`.
        ratio: median over the repetitions of value / base within the repetition.
        spread: the lowest and highest of those.
        aim: "ratio >= 1.2", "value <= 0.4", or "" for a figure without an aim.
    """

    name: str
    against: str
    unit: str
    value: float
    base: float
    ratio: float
    spread: tuple[float, float]
    repeats: int
    aim: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the aim is met; None without an aim."""
        if not self.aim:
            return None
        quantity, sign, limit = self.aim.split()
        return bool(_COMPARE[sign](getattr(self, quantity), float(limit)))


def figure(name, values, against, bases, unit, aim=""):
    """A `Figure` from the repetitions of both sides.

    Args:
        values, bases: `(n,)` floats in `unit`; entry i of both from the same round.
    """
    values, bases = np.asarray(values, float), np.asarray(bases, float)
    ratios = values / bases
    medians = [float(np.median(numbers)) for numbers in (values, bases, ratios)]
    spread = (float(ratios.min()), float(ratios.max()))
    return Figure(name, against, unit, *medians, spread, len(ratios), aim)


@dataclasses.dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        figures: list of `Figure`.
        notes: name -> what else is to know.
        rows: name -> dict of column -> number, for what is no ratio.
        failed: what makes the command fail after all is printed, in one line.
    """

    figures: list = dataclasses.field(default_factory=list)
    notes: dict = dataclasses.field(default_factory=dict)
    rows: dict = dataclasses.field(default_factory=dict)
    failed: str = ""

    def to_json(self):
        """What JSON keeps of it."""
        figures = [{**dataclasses.asdict(row), "met": row.met} for row in self.figures]
        return {"figures": figures, "notes": self.notes, "rows": self.rows}


def command(measure, options_class, name, description, argv=None, epilog=""):
    """Runs a benchmark as a command; returns its exit code.

    Args:
        measure: function of a record of options that returns a `Result`.
        options_class: record with `json` and `quick`, its own or those of a record in it.
    """
    prog = f"python -m {name}"
    options, debug = cli.parse(options_class, argv, prog, description, epilog)
    return cli.run(_run, measure, options, debug=debug)


def _run(measure, options):
    result = measure(options)
    print(markdown(result.to_json()))
    path = cli.value_of(options, "json")
    if path:
        write_json(path, {"quick": cli.value_of(options, "quick"), **result.to_json()})
    if result.failed:
        raise ChildProcessError(result.failed)


def markdown(found):
    """What `Result.to_json` made, as Markdown tables and a list of notes."""
    parts = []
    if found["figures"]:
        parts.append(table([_cells(Figure(**_without(row, "met"))) for row in found["figures"]]))
    if found["rows"]:
        rows = [{"": name, **row} for name, row in found["rows"].items()]
        parts.append(table([{k: _text(v) for k, v in row.items()} for row in rows]))
    parts.append("\n".join(f"- {name}: {note}" for name, note in found["notes"].items()))
    return "\n\n".join(part for part in parts if part)


def _cells(row):
    low, high = row.spread
    return {
        "measured": row.name,
        " ": f"{row.value:.4g}",
        "beside": row.against,
        "  ": f"{row.base:.4g}",
        "unit": row.unit,
        "ratio": f"{row.ratio:.3g}",
        "lowest-highest": f"{low:.3g}-{high:.3g}",
        "aim": row.aim + {None: "", True: " met", False: " MISSED"}[row.met],
    }


def _without(row, name):
    return {key: value for key, value in row.items() if key != name}


def _text(value):
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def table(rows):
    """A Markdown table of dicts of text with equal keys."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths)) + " |" for row in lines]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([text[0], rule, *text[1:]])


def write_json(path, content):
    """Writes a JSON file, and its folder."""
    pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(path).write_text(json.dumps(content, indent=1) + "\n")
