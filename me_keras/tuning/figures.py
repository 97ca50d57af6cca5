"""Three figures of a search: the way of the objective, parallel coordinates, importance."""

from __future__ import annotations

import numpy as np

from me_keras.evaluation.report import new_figure, save_figure
from me_keras.tuning.options import OBJECTIVES
from me_keras.tuning.tables import completed, plain, short

FEW = 30  # trials below which an importance is little more than a hint
LEAST = 10  # trials below which there is none
REPEATS = 30
_BOX = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


def draw(plan, frame):
    """Writes progress.png, parallel.png and importance.png into the folder of the search."""
    done = completed(frame)
    count = len(_varied(plan, done))
    for name, drawn, rows, size in (
        ("progress", progress, frame, (7.2, 4.0)),
        ("parallel", parallel, done, (max(6.0, 1.3 * count + 2.5), 4.6)),
        ("importance", importance, done, (7.2, max(2.6, 0.34 * count + 1.6))),
    ):
        figure, axes = new_figure(size)
        drawn(axes, plan, rows)
        save_figure(figure, plan.out / f"{name}.png")


def progress(axes, plan, frame):
    """Draws the objective of each trial in order, and the best so far of each search."""
    name, settings = plan.objective, plan.options.search
    rows = frame.assign(place=frame.groupby("search", sort=False).cumcount() + 1)
    best = rows.pivot(index="place", columns="search", values=name).ffill()
    best = best.cummax() if OBJECTIVES[name] == "max" else best.cummin()
    several = best.shape[1] > 1
    label = "best so far" + (", a line per search" if several else "")
    labels = [label, *["_"] * (best.shape[1] - 1)]  # one of all in the legend
    alpha = 0.4 if several else 0.9
    axes.scatter(rows["place"], rows[name], s=16, color="tab:blue", alpha=alpha, label="trial")
    axes.step(best.index, best, "tab:orange", where="post", alpha=alpha, label=labels)
    start = rows[rows["start"].astype(bool)]
    marks = {"marker": "D", "s": 36, "color": "black", "zorder": 3, "label": "options given"}
    axes.scatter(start["place"], start[name], **marks)
    failed = rows.loc[rows["status"] == "failed", "place"]
    if len(failed):
        bottom = {"marker": "x", "color": "tab:red", "transform": axes.get_xaxis_transform()}
        axes.scatter(failed, np.full(len(failed), 0.02), **bottom, label="failed")
    axes.set_xlabel("trial, in the order of their ends")
    axes.set_ylabel(f"{name}, pooled over inner folds")
    axes.set_title(f"{plan.options.dataset}, {settings.tuner}, scope {settings.scope}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="best")


def parallel(axes, plan, done):
    """Draws a line per completed trial through its options, coloured by the objective."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    name, names = plan.objective, _varied(plan, done)
    if not names:
        _only_text(axes, "no completed trials that differ")
        return
    up = OBJECTIVES[name] == "max"
    scores, given = done[name].to_numpy(float), done["start"].to_numpy(bool)
    norm = Normalize(scores.min(), max(scores.max(), scores.min() + 1e-9))
    mapped = ScalarMappable(norm, "plasma_r" if up else "plasma")
    places, marks = zip(*(_axis(plan, done, column) for column in names))
    lines = np.stack(places, 1)  # (trials, parameters) in [0, 1]
    order = np.argsort(scores if up else -scores)
    for row in order:  # the best on top
        style, width = "--" if given[row] else "-", 2.5 if row == order[-1] else 1.3
        colour = mapped.to_rgba(scores[row])
        axes.plot(range(len(names)), lines[row], style, color=colour, linewidth=width)
    for column, of_column in enumerate(marks):
        axes.axvline(column, color="0.3", linewidth=0.8)
        for place, text in of_column:
            axes.text(column + 0.04, place, text, fontsize=7, va="center", bbox=_BOX)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks([])
    axes.set_xlim(-0.15, len(names) - 0.5)
    axes.set_title(f"{len(done)} completed trials; dashed: the options given, thick: the best")
    axes.figure.colorbar(mapped, ax=axes, label=name)


def _axis(plan, done, column):
    """Places of a parameter's values in [0, 1], and the (place, text) marks of its axis."""
    declared = next(p for p in plan.parameters if p.name == column)
    if declared.kind in (bool, str, tuple):
        codes, texts = done[column].map(plain).astype(str).factorize(sort=True)
        return codes / (len(texts) - 1), [(n / (len(texts) - 1), t) for n, t in enumerate(texts)]
    numbers = done[column].to_numpy(float)
    shown = np.unique(numbers) if declared.values else np.array([numbers.min(), numbers.max()])
    scale = np.log if declared.log else np.asarray
    low, high = scale(numbers.min()), scale(numbers.max())
    marks = [((scale(n) - low) / (high - low), short(declared.kind(n))) for n in shown]
    return (scale(numbers) - low) / (high - low), marks


def importance(axes, plan, done):
    """Draws how much a random forest's guess of the objective suffers without each option."""
    names = _varied(plan, done)
    if len(done) < LEAST or not names:
        few = f"{len(done)} completed trials: too few for an importance ({LEAST} needed)"
        _only_text(axes, few)
        return
    means, spread, fit = importances(plan, done)
    order = np.argsort(means)
    shown = [names[index] for index in order]
    axes.barh(shown, means[order], xerr=spread[order], color="tab:blue", ecolor="0.4")
    axes.set_xlabel("rise of the forest's error when the option is shuffled, share of variance")
    caveat = f"forest's R² on trials not fitted {fit:.2f}"
    if fit <= 0:
        caveat += ": it explains nothing, read no importance"
    elif len(done) < FEW or fit < 0.2:
        caveat += ": a hint at most"
    axes.set_title(f"{len(done)} trials, {caveat}", fontsize=10)


def importances(plan, done):
    """Permutation importance of each varied option on trials the forest was not fitted on.

    Of searches on different subjects the mean is taken off first.

    Returns:
        tuple of means `(p,)` and standard deviations over folds `(p,)`, in shares of the
        objective's variance, and the R² of all predictions of trials not fitted.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.model_selection import KFold

    x = np.stack([_axis(plan, done, name)[0] for name in _varied(plan, done)], 1)  # (n, p)
    score = done[plan.objective]
    y = (score - done.groupby("search")[score.name].transform("mean")).to_numpy(float)
    variance = max(float(np.var(y)), 1e-12)
    settings = {"scoring": "neg_mean_squared_error", "n_repeats": REPEATS, "random_state": 0}
    errors, found = [], []
    for train, test in KFold(4, shuffle=True, random_state=0).split(x):
        forest = RandomForestRegressor(100, random_state=0).fit(x[train], y[train])
        errors.extend((forest.predict(x[test]) - y[test]) ** 2)
        shuffled = permutation_importance(forest, x[test], y[test], **settings)
        found.append(shuffled.importances_mean / variance)
    return np.mean(found, axis=0), np.std(found, axis=0), 1 - float(np.mean(errors)) / variance


def _varied(plan, done):
    return [p.name for p in plan.parameters if done[p.name].map(plain).nunique() > 1]


def _only_text(axes, text):
    axes.text(0.5, 0.5, text, ha="center", va="center", wrap=True)
    axes.set_axis_off()
