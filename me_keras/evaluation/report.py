"""A run's results for people: the table on the terminal and two figures."""

import io
import shlex

import numpy as np
import pandas as pd

from me_keras.options import ExecutionOptions
from pipelines import cli, files

NAMED = 10  # folds that a message names before it only counts


def summary(results, options):
    """What the command prints at the end of a run, as text.

    Args:
        results: what `evaluate` returned. options: what it was given.
    """
    out = results["out"]
    if "uf1" in results:
        return f"{table(results)}\nresults in {out}"
    if "missing" not in results:
        return f"this worker is done; the first one writes {out}"
    left = name_missing(results["missing"], results["num_folds"])
    return (
        f"shard {options.execution.shard} is done. {out}: {left}. When they are there, pool all "
        f"with\n  {merge_command(options, out)}"
    )


def name_missing(missing, total):
    """The folds left, in words: the first few by name, the rest as a number."""
    named = "; ".join(missing[:NAMED])
    more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return f"{len(missing)} of {total} folds are missing: {named}{more}"


def merge_command(options, out):
    """The command line that pools what the shards of a run left in `out`."""
    where = [n for n, leaf in cli.leaves(type(options)).items() if leaf.owner is ExecutionOptions]
    words = cli.words(options, leave_out=[*where, "out"])
    return shlex.join(["python", "-m", "me_keras.loso", *words, "--out", str(out), "--merge"])


def table(results):
    """The table a run ends with, as text.

    Args:
        results: the record that results.json holds.
    """
    seeds = len(results["uf1"]["per_seed"])
    counts = results["counts"]
    lines = [
        f"{results['dataset']}  {results['model']}  {counts['clips']} clips, "
        f"{counts['subjects']} subjects, {counts['skipped']} skipped, {seeds} seed(s)",
        f"{'':<22}{'mean':>8}{'sd':>8}   95 % interval over subjects",
    ]
    for name, label in (("uf1", "UF1"), ("uar", "UAR"), ("accuracy", "accuracy")):
        interval = "{:.4f} .. {:.4f}".format(*results[name]["ci95"])
        lines.append(_row(label, results[name]["mean"], interval, results[name]["sd"]))
    lines += [_row(f"F1 {name}", value) for name, value in results["per_class_f1"].items()]
    if len(results["per_database"]) > 1:
        for name, scores in results["per_database"].items():
            note = f"UF1; UAR {scores['uar']['mean']:.4f}; {scores['clips']} clips"
            lines.append(_row(name, scores["uf1"]["mean"], note, scores["uf1"]["sd"]))
    if seeds > 1:
        vote = results["ensemble"]
        lines.append(_row("seeds voting", vote["uf1"], f"UF1; UAR {vote['uar']:.4f}"))
    if results["dgm_gain"] is not None:
        note = "share of onset-apex change explained,"
        lines.append(_row("DGM gain", results["dgm_gain"], note))
        lines.append(f"{'':<41}held-out people; noise keeps it below 1")
    absent = [name for name, row in zip(results["classes"], results["confusion"]) if not any(row)]
    if absent:
        lines.append(f"note: no clip of {', '.join(absent)} was tested: counts as 0 in UF1 and UAR")
    if results.get("tuned_on"):
        lines.append(f"note: {results['tuned_on']['note']}")
    lines += [f"skipped {s['key']}: {s['reason']}" for s in results["skipped"]]
    return "\n".join(lines)


def _row(label, value, note="", spread=None):
    sd = "" if spread is None else f"{spread:.4f}"
    return f"{label:<22}{value:>8.4f}{sd:>8}   {note}".rstrip()


def confusion_figure(results, path):
    """Draws the confusion matrix: shares of each true class, and counts summed over seeds."""
    from sklearn.metrics import ConfusionMatrixDisplay

    matrix = np.asarray(results["confusion"])
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = new_figure((4.6, 4.2))
    shown = ConfusionMatrixDisplay(shares, display_labels=list(results["per_class_f1"]))
    shown.plot(ax=axes, cmap="Blues", colorbar=False, im_kw={"vmin": 0, "vmax": 1})
    for text, share, count in zip(shown.text_.flat, shares.flat, matrix.flat):
        text.set_text(f"{share:.0%}\n{count}")
    axes.set_yticks(axes.get_yticks(), axes.get_yticklabels(), rotation=90, va="center")
    title = f"{results['dataset']}: UF1 {results['uf1']['mean']:.3f}"
    axes.set(xlabel="predicted", ylabel="true", title=title)
    save_figure(figure, path)


def curves_figure(records, results, path):
    """Draws loss and accuracy in training, a thin line per fold and the mean of all."""
    figure, (left, right) = new_figure((9, 3.8), columns=2)
    for axes, name, title in ((left, "loss", "training loss"), (right, "accuracy", None)):
        # (epochs, folds); folds of fewer epochs end in NaN
        curves = pd.DataFrame([[e[name] for e in record["history"]] for record in records]).T
        epochs = curves.index + 1
        axes.plot(epochs, curves, color="tab:blue", alpha=0.15, linewidth=0.8)
        axes.plot(epochs, curves.mean(axis=1), color="tab:blue", linewidth=2, label="training")
        axes.set_title(title or "training accuracy")
        axes.set_xlabel("epoch")
    right.axhline(
        results["accuracy"]["mean"], color="tab:red", linestyle="--", label="held-out, at the end"
    )
    right.set_ylim(0, 1.02)
    right.legend(loc="lower right")
    save_figure(figure, path)


def new_figure(size, columns=1):
    """A figure that needs no display and no global state."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(1, columns)


def save_figure(figure, path):
    """Writes a figure as PNG, whole or not at all."""
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=150)
    files.write_whole(path, image.getvalue())
