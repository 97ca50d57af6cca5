"""The charts of the pages, as inline SVG: narrow enough for a telephone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from me_keras.evaluation.pages import svg
from me_keras.evaluation.pages.svg import FAINT, INK, SERIES

SIZE = (4.3, 3.0)  # inches: 413 px wide
SPREAD = (0.1, 0.9)  # quantiles over folds that a band covers


def curve(histories, metric, phase, title, unit) -> str:
    """A metric of training: its mean over folds and seeds by epoch, and where most folds lie.

    Args:
        histories: list, per fold, of a list, per epoch, of dicts.
        metric: key of those dicts. phase: names the figure in its page. unit: label of the y axis.
    Returns:
        `<svg>`; "" where no fold has such a metric.
    """
    from matplotlib.ticker import MaxNLocator

    rows = [[epoch[metric] for epoch in one if metric in epoch] for one in histories]
    rows = [row for row in rows if row]
    if not rows:
        return ""
    table = pd.DataFrame(rows).T  # (epochs, folds); folds of fewer epochs end in NaN
    epochs, mean = table.index + 1, table.mean(axis=1)
    low, high = (table.quantile(q, axis=1) for q in SPREAD)
    share = "10 % to 90 % of the folds"
    with svg.new_axes(SIZE) as axes:
        axes.fill_between(epochs, low, high, color=SERIES[0], alpha=0.22, lw=0, label=share)
        marker = "o" if len(table) == 1 else None
        axes.plot(epochs, mean, color=SERIES[0], marker=marker, label="mean of all folds")
        axes.set(title=title, xlabel="epoch", ylabel=unit)
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
        if len(table) == 1:
            axes.set_xlim(0, 2)
        if metric == "accuracy":
            axes.set_ylim(0, 1.02)
        axes.legend()
        said = f"{title}: from {mean.iloc[0]:.3f} in epoch 1 to {mean.iloc[-1]:.3f} in epoch "
        said += f"{len(table)}, mean of {len(rows)} folds."
        return svg.inline(axes, f"curve-{phase}-{metric}", title, said)


def reliability(bins, error) -> str:
    """The reliability diagram: how often a prediction of some confidence is correct.

    Args:
        bins: of `calibration.reliability`. error: their expected calibration error.
    """
    title = "Reliability of the predicted class"
    confidence, accuracy = [b.confidence for b in bins], [b.accuracy for b in bins]
    most = max(b.count for b in bins)
    with svg.new_axes((4.3, 3.7)) as axes:
        axes.plot((0, 1), (0, 1), color=FAINT, linestyle="--", lw=1, label="as good as it says")
        for one in bins:
            tall = 0.16 * one.count / most
            axes.bar(one.low, tall, one.high - one.low, align="edge", color=SERIES[0], alpha=0.3)
        axes.bar(0, 0, color=SERIES[0], alpha=0.3, label=f"how many (highest: {most:,})")
        axes.plot(confidence, accuracy, color=SERIES[1], marker="o", ms=4.5, label="predictions")
        axes.set(title=title, xlim=(0, 1), ylim=(0, 1.02))
        axes.set(xlabel="confidence, mean of the bin", ylabel="share that is correct")
        axes.legend(loc="upper left")
        parts = [f"{b.confidence:.2f} gives {b.accuracy:.2f} ({b.count})" for b in bins]
        said = f"Expected calibration error {error:.3f}. Confidence, share correct, predictions: "
        return svg.inline(axes, "reliability", title, said + "; ".join(parts) + ".")


def intervals(names, means, lows, highs, label, marked=None) -> str:
    """A score of several runs with its interval, a line each, in the order given.

    Args:
        names: of the runs. means, lows, highs: floats, None where unknown.
        label: name of the score. marked: index of the run that the others are compared with.
    """
    title = f"{label} with its 95 % interval over subjects"
    with svg.new_axes((4.3, 0.8 + 0.28 * len(names))) as axes:
        for place, (mean, low, high) in enumerate(zip(means, lows, highs)):
            colour = SERIES[1] if place == marked else SERIES[0]
            if low is not None:
                axes.plot((low, high), (place, place), color=colour, lw=1.6, solid_capstyle="butt")
            axes.plot(mean, place, "D" if place == marked else "o", color=colour, ms=5.5)
        axes.set_yticks(range(len(names)), [_shortened(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        axes.set(title=title, xlabel=f"{label}, 0 to 1", ylim=(len(names) - 0.4, -0.6))
        parts = [f"{svg.printable(n)} {mean:.3f}" for n, mean in zip(names, means)]
        return svg.inline(axes, "intervals", title, "; ".join(parts) + ".")


def differences(names, found, label) -> str:
    """How far the reference lies above each other run, with the interval of the difference.

    Args:
        names: of the other runs. found: (low, difference, high) of each.
    """
    title = f"How far the reference's {label} is above"
    with svg.new_axes((4.3, 0.8 + 0.28 * len(names))) as axes:
        axes.axvline(0, color=INK, lw=0.8)
        for place, (low, middle, high) in enumerate(found):
            axes.plot((low, high), (place, place), color=SERIES[0], solid_capstyle="butt")
            axes.plot(middle, place, "o", color=SERIES[0], ms=5.5)
        axes.set_yticks(range(len(names)), [_shortened(name) for name in names])
        axes.tick_params(axis="y", length=0)
        axes.grid(False, axis="y")
        reach = 1.1 * float(np.max(np.abs(found))) or 0.01
        axes.set(xlim=(-reach, reach), ylim=(len(names) - 0.4, -0.6))
        axes.set(title=title, xlabel=f"difference of {label}, 95 % interval")
        parts = [f"{svg.printable(n)} {one[1]:+.3f}" for n, one in zip(names, found)]
        return svg.inline(axes, "differences", title, "; ".join(parts) + ".")


def _shortened(name, most=24):
    name = svg.printable(name)
    return name if len(name) <= most else name[: most - 9] + "…" + name[-8:]
