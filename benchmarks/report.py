"""What a benchmark found: ratios with both sides, rows of numbers, notes; printed and as JSON."""

import dataclasses
import json
import pathlib
import typing

import numpy as np

from pipelines import cli


def figure(name, values, against, bases, unit, aim=""):
    """Something measured beside something else, in the same run.

    Args:
        name, against: what was measured, and what beside it.
        values, bases: `(n,)` floats in `unit`; entry i of both from the same round.
        aim: "ratio >= 1.2", "value <= 0.4", or "" for a figure without an aim.
    Returns:
        dict of those; `value` and `base`, the medians; `ratio`, the median of value / base within
        a round, and its `spread`, the lowest and highest; `met`, whether the aim is.
    """
    values, bases = np.asarray(values, float), np.asarray(bases, float)
    ratios = values / bases
    row = {"name": name, "against": against, "unit": unit, "aim": aim, "met": None}
    row |= {"value": float(np.median(values)), "base": float(np.median(bases))}
    row |= {"ratio": float(np.median(ratios)), "repeats": len(ratios)}
    row["spread"] = [float(ratios.min()), float(ratios.max())]
    if aim:
        quantity, sign, limit = aim.split()
        above = row[quantity] - float(limit)
        row["met"] = above >= 0 if sign == ">=" else above <= 0
    return row


@dataclasses.dataclass(frozen=True)
class Result:
    """What a benchmark found.

    Attributes:
        figures: list of `figure`.
        notes: name -> what else is to know.
        rows: name -> dict of column -> number, for what is no ratio.
        records: list of dicts that `--json` writes instead of all this, or None.
        failed: what makes the command fail after all is printed, in one line.
    """

    figures: list = dataclasses.field(default_factory=list)
    notes: dict = dataclasses.field(default_factory=dict)
    rows: dict = dataclasses.field(default_factory=dict)
    records: typing.Optional[list] = None
    failed: str = ""


def command(measure, options_class, name, description, epilog=""):
    """The `main` of a benchmark: a function that runs it as a command and returns its exit code.

    Args:
        measure: function of a record of options that returns a `Result`.
        options_class: record with `json` and `quick`, its own or those of a record in it.
    """

    def main(argv=None):
        options, debug = cli.parse(options_class, argv, f"python -m {name}", description, epilog)
        return cli.run(_run, measure, options, debug=debug)

    return main


def _run(measure, options):
    result = measure(options)
    found = {"quick": cli.value_of(options, "quick"), **dataclasses.asdict(result)}
    records = found.pop("records")
    print(markdown(found))
    path = cli.value_of(options, "json")
    if path:
        write_json(path, found if records is None else records)
    if result.failed:
        raise ChildProcessError(result.failed)


def markdown(found):
    """A `Result` as a dict, as Markdown tables and a list of notes."""
    parts = []
    if found["figures"]:
        parts.append(table([_cells(row) for row in found["figures"]]))
    if found["rows"]:
        rows = [{"": name, **row} for name, row in found["rows"].items()]
        parts.append(table([{k: _text(v) for k, v in row.items()} for row in rows]))
    parts.append("\n".join(f"- {name}: {note}" for name, note in found["notes"].items()))
    return "\n\n".join(part for part in parts if part)


def _cells(row):
    low, high = row["spread"]
    return {
        "measured": row["name"],
        " ": _text(row["value"]),
        "beside": row["against"],
        "  ": _text(row["base"]),
        "unit": row["unit"],
        "ratio": f"{row['ratio']:.3g}",
        "lowest-highest": f"{low:.3g}-{high:.3g}",
        "aim": row["aim"] + {None: "", True: " met", False: " MISSED"}[row["met"]],
    }


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
