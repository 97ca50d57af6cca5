"""What the options found are worth: best.json, and the run of `me_keras.loso` at the end."""

from __future__ import annotations

import json
import shutil
import typing

import numpy as np
import pandas as pd

from me_keras.evaluation import results, run
from me_keras.evaluation.folds import Fold
from me_keras.evaluation.pages import run_page
from me_keras.options import Options
from me_keras.tuning import tables
from me_keras.tuning.options import OBJECTIVES
from me_keras.tuning.oracles import START
from me_keras.tuning.plan import space_record
from me_keras.tuning.scopes import Search
from pipelines import cli, files
from pipelines.progress import say
from pipelines.schema import OptionError

NOTES = {
    "development": "tuned on other subjects than those reported; trained on reported subjects only",
    "nested": "each held-out subject is predicted with options tuned on the others",
    "all": "tuned on the reported subjects",
}


class Best(typing.NamedTuple):
    """The best trial of a search, and its options with whom they were tuned on and may report."""

    search: Search
    trial: typing.Any
    options: Options


def find_best(plan, oracles) -> list[Best]:
    """The `Best` of each search, all of which have a completed trial."""
    found = []
    for search in plan.searches:
        oracle, groups = oracles[search.name], tuple(fold.group for fold in search.reported)
        apart = plan.options.search.scope != "all" and set(groups) != set(plan.groups)
        stamp = {"tuned_on": search.subjects, "subjects": groups if apart else (), "out": None}
        stamp["mlflow"] = False  # best.json is for any run
        trial = oracle.best()
        found.append(Best(search, trial, cli.replace(oracle.options(trial), **stamp)))
    return found


def write_best(plan, best) -> Options:
    """Writes best.json, which `--config` takes; returns its options.

    In nested scope there is one for each held-out group too, in its search's folder; the one for
    all is then the best inside its search, tuned on the subjects of every search.
    """
    options = best[0].options
    if plan.options.search.scope == "nested":
        for one in best:
            _write_options(plan.folder(one.search) / "best.json", one.options)
        choose = max if OBJECTIVES[plan.objective] == "max" else min
        top = choose(best, key=lambda one: one.trial.score)
        everyone = tuple(sorted({key for one in best for key in one.search.subjects}))
        options = cli.replace(top.options, tuned_on=everyone, subjects=())
    _write_options(plan.out / "best.json", options)
    return options


def _write_options(path, options):
    files.write_whole(path, json.dumps(cli.to_json(options), indent=1) + "\n")


def tuning_record(plan, frame, best) -> dict:
    """What results.json holds under `tuning`, as it is read back: tuples are lists."""
    settings, name = plan.options.search, plan.objective
    start = frame[frame["start"]].set_index("search")[name].dropna()
    searches = {
        one.search.name: {
            "tuned_on": list(one.search.subjects),
            "reported": [fold.group for fold in one.search.reported],
            "best_trial": one.trial.trial_id,
            "best_is_start": START in one.trial.hyperparameters.values,
            "inner_score": float(one.trial.score),
            "inner_score_of_start": start.get(one.search.name),
            "options": {p.name: cli.value_of(one.options, p.name) for p in plan.parameters},
        }
        for one in best
    }
    record = {
        "scope": settings.scope,
        "note": NOTES[settings.scope],
        "tuner": settings.tuner,
        "objective": name,
        "inner_folds": settings.inner_folds,
        "trials": len(frame),
        "failed": int((frame["status"] == "failed").sum()),
        "seconds": float(frame["seconds"].sum()),
        "space": space_record(plan),
        "searches": searches,
    }
    return json.loads(json.dumps(record))


def evaluate_best(plan, best, tuning) -> dict:
    """Evaluates the best options leave-one-out and writes the run's folder, OUT/report.

    Development: the development subjects take no part in it, not even in training. Nested: each
    held-out subject is trained for and predicted with the options of its own search.

    Returns:
        dict that results.json holds.
    """
    out, options, own = plan.out / "report", best[0].options, None
    if plan.options.search.scope == "nested":
        options, own = plan.start, {one.search.name: one.options for one in best}
    found = _evaluate(plan, options, out, own)
    found["tuning"] = tuning
    files.write_whole(out / "results.json", json.dumps(found, indent=1) + "\n")
    rows = [
        {"search": name, "trial": one["best_trial"], "inner_score": one["inner_score"]}
        | {option: tables.plain(value) for option, value in one["options"].items()}
        for name, one in tuning["searches"].items()
    ]
    table = pd.DataFrame(rows).to_csv(index=False)
    files.write_whole(out / "hyperparameters.csv", table)
    run_page.write(out)  # with what the search was
    return found


def evaluate_start(plan) -> dict:
    """Evaluates the options that the search started from on the same folds, in OUT/report-start."""
    out = plan.out / "report-start"
    found = _evaluate(plan, plan.start, out)
    run_page.write(out)
    return found


def _evaluate(plan, options, out, own_options=None):
    """A run over the reported folds, on their clips alone."""
    folds = [fold for search in plan.searches for fold in search.reported]
    options = cli.replace(options, subjects=(), out=str(out))
    prepared, groups, folds = _restricted(plan, folds)
    _open(options, prepared, out)
    seeds = range(options.run.seed, options.run.seed + options.run.num_seeds)
    records = run.train_folds(options, prepared, folds, seeds, out, own_options)
    table = {**prepared.table, "group": groups}
    return results.write_results(options, prepared, table, plan.manifest, records, out)


def _restricted(plan, folds):
    """The clips of the folds alone, their groups, and the folds in their rows."""
    rows = np.unique(np.concatenate([part for f in folds for part in (f.train, f.test)]))
    place = np.full(len(plan.prepared), -1)
    place[rows] = np.arange(len(rows))
    prepared = plan.prepared.select(rows, plan.prepared.labels[rows], plan.prepared.classes)
    groups = [plan.groups[row] for row in rows]
    return prepared, groups, [Fold(f.group, place[f.train], place[f.test]) for f in folds]


def _open(options, prepared, out):
    """The run's folder; one that an earlier state of the search left is made anew."""
    try:
        results.open_run(options, prepared.digest)
    except OptionError:
        if not (out / "config.json").exists():
            raise
        say(f"the best options are others than before: {out} is made anew")
        shutil.rmtree(out)
        results.open_run(options, prepared.digest)
