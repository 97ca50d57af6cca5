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
    progress(plan, frame, plan.out / "progress.png")
    parallel(plan, done, plan.out / "parallel.png")
    importance(plan, done, plan.out / "importance.png")


def progress(plan, frame, path):
    """Draws the objective of each trial in order, and the best so far of each search."""
    name, settings = plan.objective, plan.options.search
    better = np.fmax if OBJECTIVES[name] == "max" else np.fmin
    figure, axes = new_figure((7.2, 4.0))
    several = frame["search"].nunique() > 1
    alpha = 0.4 if several else 0.9
    best_label = "best so far" + (", a line per search" if several else "")
    for _, rows in frame.groupby("search", sort=False):
        values, place = rows[name].to_numpy(float), np.arange(1, len(rows) + 1)
        axes.scatter(place, values, s=16, color="tab:blue", alpha=alpha, label="trial")
        so_far = better.accumulate(values)
        axes.step(place, so_far, "tab:orange", where="post", alpha=alpha, label=best_label)
        given = rows["start"].to_numpy(bool) & np.isfinite(values)
        given = {"x": place[given], "y": values[given], "label": "options given"}
        axes.scatter(**given, marker="D", s=36, color="black", zorder=3)
        failed = place[rows["status"].to_numpy() == "failed"]
        if len(failed):
            bottom = {"y": np.full(len(failed), 0.02), "transform": axes.get_xaxis_transform()}
            axes.scatter(failed, **bottom, marker="x", color="tab:red", label="failed")
    axes.set_xlabel("trial, in the order of their ends")
    axes.set_ylabel(f"{name}, pooled over inner folds")
    axes.set_title(f"{plan.options.dataset}, {settings.tuner}, scope {settings.scope}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles))
    axes.legend(unique.values(), unique.keys(), loc="best")
    save_figure(figure, path)


def parallel(plan, done, path):
    """Draws a line per completed trial through its options, coloured by the objective."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    name, names = plan.objective, _varied(plan, done)
    figure, axes = new_figure((max(6.0, 1.3 * len(names) + 2.5), 4.6))
    if done.empty or not names:
        _only_text(axes, "no completed trials that differ")
        save_figure(figure, path)
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
    figure.colorbar(mapped, ax=axes, label=name)
    save_figure(figure, path)


def _axis(plan, done, column):
    """Places of a parameter's values in [0, 1], and the (place, text) marks of its axis."""
    declared = next(p for p in plan.parameters if p.name == column)
    values = [plain(value) for value in done[column]]
    if declared.kind in (bool, str, tuple):
        known = sorted(set(map(str, values)))
        step = max(len(known) - 1, 1)
        marks = [(index / step, text) for index, text in enumerate(known)]
        return np.array([known.index(str(value)) / step for value in values]), marks
    numbers = np.array(values, float)
    scale = np.log if declared.log else np.asarray
    low, high = numbers.min(), numbers.max()
    span = max(float(scale(high) - scale(low)), 1e-12)
    shown = np.unique(numbers) if declared.values else (low, high)
    marks = [((scale(n) - scale(low)) / span, short(declared.kind(n))) for n in shown]
    return (scale(numbers) - scale(low)) / span, marks


def importance(plan, done, path):
    """Draws how much a random forest's guess of the objective suffers without each option."""
    names = _varied(plan, done)
    figure, axes = new_figure((7.2, max(2.6, 0.34 * len(names) + 1.6)))
    if len(done) < LEAST or not names:
        few = f"{len(done)} completed trials: too few for an importance ({LEAST} needed)"
        _only_text(axes, few)
        save_figure(figure, path)
        return
    means, spread, fit = importances(plan, done)
    order = np.argsort(means)
    axes.barh(range(len(names)), means[order], xerr=spread[order], color="tab:blue", ecolor="0.4")
    axes.set_yticks(range(len(names)), [names[index] for index in order])
    axes.set_xlabel("rise of the forest's error when the option is shuffled, share of variance")
    axes.set_title(f"{len(done)} trials, {_caveat(len(done), fit)}", fontsize=10)
    save_figure(figure, path)


def _caveat(count, fit):
    """What may be read into an importance."""
    text = f"forest's R² on trials not fitted {fit:.2f}"
    if fit <= 0:
        return f"{text}: it explains nothing, read no importance"
    return f"{text}: a hint at most" if count < FEW or fit < 0.2 else text


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
