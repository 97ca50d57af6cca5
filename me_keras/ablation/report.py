"""An ablation for people: the table on the terminal, ablation.csv, and the figure."""

from __future__ import annotations

import io
import itertools
import json

import pandas as pd

from me_keras.evaluation.report import new_figure
from pipelines import files

ALPHA = 0.05
BLUE = "#0072B2"  # of Okabe and Ito's colours, which no colour blindness confuses
NOTE = (
    "difference: UF1 above the reference's, same clips, folds and seeds; [ ] its 95 % interval\n"
    "over subjects; p: paired permutation test over subjects; Holm: p corrected for {count} rows"
)


def write(record, out):
    """Writes ablation.json, ablation.csv, ablation.png and ablation.svg.

    Args:
        record: of `run.ablate`. out: the folder.
    """
    files.write_whole(out / "ablation.json", json.dumps(record, indent=1) + "\n")
    frame = pd.DataFrame([flat(row) for row in record["rows"]]).astype({"parameters": "Int64"})
    files.write_whole(out / "ablation.csv", frame.to_csv(index=False))
    _save(draw(record), out)


def flat(row):
    """A row as ablation.csv holds it: a dict of single values, None where there is none."""
    found = {"factor": row["factor"], "row": row["row"], "options": _words(row["options"])}
    for name in ("uf1", "uar"):
        score = row.get(name)
        low, high = score["ci95"] if score else (None, None)
        found |= {name: score and score["mean"], f"{name}_sd": score and score["sd"]}
        found |= {f"{name}_low": low, f"{name}_high": high}
    apart = row.get("difference") or {}
    found |= {"difference": apart.get("mean")}
    found |= {f"difference_{end}": apart.get(end) for end in ("low", "high")}
    names = ("p", "p_holm", "dgm_gain", "parameters", "seconds", "folder", "failed")
    return {**found, **{name: row.get(name) for name in names}}


def table(record):
    """The table an ablation ends with, as text.

    Args:
        record: of `run.ablate`.
    """
    counts, tested = record["counts"], _tested(record)
    width = max(len(row["row"]) for row in record["rows"]) + 2
    lines = [
        f"{record['dataset']}  {record['model']}  {counts['clips']} clips, {counts['subjects']} "
        f"subjects, {record['seeds']} seed(s)",
        f"{'':<{width + 2}}{'UF1':>7}{'sd':>7}{'UAR':>7}   {'difference':<26}{'p':>7}{'Holm':>8}"
        f"{'gain':>7}{'s':>7}",
    ]
    for factor, rows in itertools.groupby(record["rows"], lambda row: row["factor"]):
        lines += [] if factor == "reference" else [factor]
        lines += [_line(row, width) for row in rows]
    lines.append(NOTE.format(count=len(tested)))
    if any(row.get("dgm_gain") is not None for row in record["rows"]):
        lines.append("gain: share of the change from onset to apex that the displacement explains")
    if record["tuned_on"]:
        lines.append(f"note: {record['tuned_on']['note']}")
    for row in record["rows"]:
        if row["failed"]:
            lines.append(f"failed: {row['factor']}, {row['row']}: {row['failed']}")
    return "\n".join(lines)


def _line(row, width):
    head = f"  {row['row']:<{width}}"
    if row["failed"]:
        return f"{head}  failed"
    uf1, apart = row["uf1"], row.get("difference")
    text = f"{head}{uf1['mean']:>7.3f}{uf1['sd']:>7.3f}{row['uar']['mean']:>7.3f}   "
    if apart:
        text += "{mean:+.3f} [{low:+.3f}, {high:+.3f}]".format(**apart).ljust(26)
        text += f"{row['p']:>7.3f}{row['p_holm']:>8.3f}"
    else:
        text += " " * 41
    gain = "" if row["dgm_gain"] is None else f"{row['dgm_gain']:.2f}"
    return f"{text}{gain:>7}{row['seconds']:>7.0f}"


def draw(record):
    """The differences of UF1 to the reference, by factor, as a matplotlib figure."""
    reference, *rows = record["rows"]
    figure, axes = new_figure((8.0, 1.9 + 0.24 * _height(rows)))
    ticks, place = [], 0.0
    for factor, group in itertools.groupby(rows, lambda row: row["factor"]):
        ticks.append((place, factor.replace("_", " "), "bold"))
        for row in group:
            place += 1
            ticks.append((place, row["row"], "normal"))
            _draw_row(axes, row, place)
        place += 1.5
    _beside(axes, 0.0, "UF1")
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks([at for at, *_ in ticks], [text for _, text, _ in ticks])
    for label, (_, _, weight) in zip(axes.get_yticklabels(), ticks):
        label.set_fontweight(weight)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(place - 0.5, -1.0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel("UF1 above the reference, 95 % interval over subjects")
    axes.set_title(_title(record, reference), fontsize=10, loc="left")
    for face, text in ((BLUE, f"p < {ALPHA:g} after Holm"), ("white", "not told from chance")):
        axes.plot([], [], "o", color=BLUE, markerfacecolor=face, label=text)
    figure.legend(loc="outside lower right", ncols=2, fontsize=8, frameon=False)
    return figure


def _height(rows):
    return len(rows) + 1.5 * len({row["factor"] for row in rows})


def _draw_row(axes, row, place):
    """The interval of a row, and its UF1 at the right of the axes."""
    if row["failed"]:
        _beside(axes, place, "failed")
        return
    apart = row["difference"]
    ends = [[max(apart["mean"] - apart["low"], 0)], [max(apart["high"] - apart["mean"], 0)]]
    face = BLUE if row["p_holm"] < ALPHA else "white"
    marks = {"color": BLUE, "markerfacecolor": face, "capsize": 3, "linewidth": 1.4}
    axes.errorbar(apart["mean"], place, xerr=ends, fmt="o", **marks)
    _beside(axes, place, f"{row['uf1']['mean']:.3f}")


def _beside(axes, place, text):
    axes.text(1.01, place, text, transform=axes.get_yaxis_transform(), va="center", fontsize=8)


def _title(record, reference):
    counts, uf1 = record["counts"], reference["uf1"]
    low, high = uf1["ci95"]
    return (
        f"{record['dataset']}, {record['model']}: one part changed at a time\n"
        f"reference UF1 {uf1['mean']:.3f} [{low:.3f}, {high:.3f}], {counts['clips']} clips, "
        f"{counts['subjects']} subjects, {record['seeds']} seed(s)"
    )


def _save(figure, out):
    """Writes ablation.png and ablation.svg; the same record gives the same bytes."""
    from matplotlib import rc_context

    for kind, metadata in (("png", None), ("svg", {"Date": None})):
        image = io.BytesIO()
        with rc_context({"svg.hashsalt": "ablation"}):
            figure.savefig(image, format=kind, dpi=150, metadata=metadata)
        files.write_whole(out / f"ablation.{kind}", image.getvalue())


def _tested(record):
    return [row for row in record["rows"] if "p" in row]


def _words(changes):
    return " ".join(f"{name}={value}" for name, value in changes.items())
