"""A run's results for people: the table on the terminal and two figures."""

import io
import shlex

import numpy as np

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
        score = results[name]
        low, high = score["ci95"]
        lines.append(
            f"{label:<22}{score['mean']:>8.4f}{score['sd']:>8.4f}   {low:.4f} .. {high:.4f}"
        )
    for name, value in results["per_class_f1"].items():
        lines.append(f"{'F1 ' + name:<22}{value:>8.4f}")
    if len(results["per_database"]) > 1:
        for name, scores in results["per_database"].items():
            lines.append(
                f"{name:<22}{scores['uf1']['mean']:>8.4f}{scores['uf1']['sd']:>8.4f}   "
                f"UF1; UAR {scores['uar']['mean']:.4f}; {scores['clips']} clips"
            )
    if seeds > 1:
        vote = results["ensemble"]
        lines.append(f"{'seeds voting':<22}{vote['uf1']:>8.4f}{'':>8}   UF1; UAR {vote['uar']:.4f}")
    if results["dgm_gain"] is not None:
        lines.append(
            f"{'DGM gain':<22}{results['dgm_gain']:>8.4f}{'':>8}   "
            "share of onset-apex change explained,"
        )
        lines.append(f"{'':<41}held-out people; noise keeps it below 1")
    absent = [name for name, row in zip(results["classes"], results["confusion"]) if not any(row)]
    if absent:
        lines.append(f"note: no clip of {', '.join(absent)} was tested: counts as 0 in UF1 and UAR")
    if results.get("tuned_on"):
        lines.append(f"note: {results['tuned_on']['note']}")
    lines += [f"skipped {s['key']}: {s['reason']}" for s in results["skipped"]]
    return "\n".join(lines)


def confusion_figure(results, path):
    """Draws the confusion matrix: shares of each true class, and counts summed over seeds."""
    matrix = np.asarray(results["confusion"])
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    classes = list(results["per_class_f1"])
    figure, axes = new_figure((4.6, 4.2))
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    for row, column in np.ndindex(*matrix.shape):
        axes.text(
            column,
            row,
            f"{shares[row, column]:.0%}\n{matrix[row, column]}",
            ha="center",
            va="center",
            color="white" if shares[row, column] > 0.5 else "black",
        )
    axes.set_xticks(range(len(classes)), classes)
    axes.set_yticks(range(len(classes)), classes, rotation=90, va="center")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(f"{results['dataset']}: UF1 {results['uf1']['mean']:.3f}")
    save_figure(figure, path)


def curves_figure(records, results, path):
    """Draws loss and accuracy in training, a thin line per fold and the mean of all."""
    figure, (left, right) = new_figure((9, 3.8), columns=2)
    for axes, name, title in ((left, "loss", "training loss"), (right, "accuracy", None)):
        curves = np.array([[epoch[name] for epoch in record["history"]] for record in records])
        epochs = np.arange(1, curves.shape[1] + 1)
        axes.plot(epochs, curves.T, color="tab:blue", alpha=0.15, linewidth=0.8)
        axes.plot(epochs, curves.mean(axis=0), color="tab:blue", linewidth=2, label="training")
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
