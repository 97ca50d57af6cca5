"""What the trials gave: a table, trials.csv, TensorBoard's HParams, and the terminal's lines."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd

from me_keras.tuning.options import OBJECTIVES
from me_keras.tuning.oracles import COMPLETED, START
from pipelines import cli

SCORES = (*OBJECTIVES, "seconds")
SHOWN = 10  # best trials in the terminal's table


def trial_row(plan, search_name, oracle, trial) -> dict:
    """One trial as a flat record: scores NaN where it was not completed."""
    options, done = oracle.options(trial), trial.status == COMPLETED
    scores = {n: trial.metrics.get_last_value(n) if done else np.nan for n in SCORES}
    return {
        "search": search_name,
        "trial": trial.trial_id,
        "status": trial.status.lower(),
        "start": bool(trial.hyperparameters.values.get(START)),
        **scores,
        "epochs": options.training.epochs,
        **{p.name: cli.value_of(options, p.name) for p in plan.parameters},
        "reason": trial.message or "",
    }


def trial_table(plan, oracles) -> pd.DataFrame:
    """All trials, in the order of the searches and, inside, in that in which they ended."""
    ended = [(name, oracle, t) for name, oracle in oracles.items() for t in oracle.trials]
    return pd.DataFrame([trial_row(plan, *one) for one in ended])


def completed(frame) -> pd.DataFrame:
    """The trials that have scores."""
    return frame[frame["status"] == COMPLETED.lower()]


def write_hparams(plan, frame):
    """Writes the trials for TensorBoard's HParams tab (`tensorboard --logdir OUT/tensorboard`)."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api

    folder = plan.out / "tensorboard"
    shutil.rmtree(folder, ignore_errors=True)
    names = [p.name for p in plan.parameters]
    with tf.summary.create_file_writer(str(folder)).as_default():
        metrics = [api.Metric(name, display_name=name) for name in SCORES]
        api.hparams_config(hparams=[api.HParam(name) for name in names], metrics=metrics)
    for row in completed(frame).to_dict("records"):
        name = f"{row['search']}-{row['trial']}".replace("/", "_")
        with tf.summary.create_file_writer(str(folder / name)).as_default():
            api.hparams({n: plain(row[n]) for n in names}, trial_id=name)
            for score in SCORES:
                tf.summary.scalar(score, row[score], step=0)


def plain(value):
    """A value that CSV and TensorBoard show: tuples as text, NumPy numbers as Python's."""
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value))
    return value.item() if isinstance(value, np.generic) else value


def short(value) -> str:
    """A value in few characters."""
    return f"{value:.3g}" if isinstance(value, float) else str(plain(value)).replace(" ", "-")


def trial_line(plan, oracle, row) -> str:
    """The line on a trial that ended."""
    where = f"{row['search']} " if len(plan.searches) > 1 else ""
    most = plan.options.search.max_trials
    head = f"{where}trial {row['trial']} ({oracle.ended} of at most {most})"
    if row["status"] != COMPLETED.lower():
        return f"{head}  failed: {row['reason']}"
    score, best = row[plan.objective], oracle.best().score
    shown = _shown(row, [p.name for p in plan.parameters])
    return f"{head}  {plan.objective} {score:.4f}  best {best:.4f}  {row['seconds']:.1f} s  {shown}"


def _shown(row, names):
    if row["start"]:
        return "the options given"
    return " ".join(f"{name}={short(row[name])}" for name in names)


def summary(record) -> str:
    """The lines that a search ends with.

    Args:
        record: what `search` returned.
    """
    tuning, frame = record["tuning"], pd.DataFrame(record["trials"])
    name = tuning["objective"]
    done = completed(frame).sort_values(name, ascending=OBJECTIVES[name] == "min", kind="stable")
    lines = [
        f"{len(frame)} trials of {len(tuning['searches'])} search(es), {len(done)} completed, "
        f"{tuning['failed']} failed; best by {name} on inner folds:",
        f"{'search':<14}{'trial':>6}{'uf1':>8}{'uar':>8}{'acc.':>8}{'loss':>8}{'s':>8}  options",
    ]
    for row in done.head(SHOWN).to_dict("records"):
        scores = "".join(f"{row[score]:>8.4f}" for score in OBJECTIVES)
        head = f"{row['search'][-13:]:<14}{row['trial']:>6}{scores}{row['seconds']:>8.1f}"
        lines.append(f"{head}  {_shown(row, tuning['space'])}")
    for reason, count in frame.loc[frame["reason"] != "", "reason"].value_counts().items():
        lines.append(f"failed {count}x: {reason}")
    if any(search["best_is_start"] for search in tuning["searches"].values()):
        lines.append("note: in at least one search no trial was better than the options given")
    return "\n".join(lines)
