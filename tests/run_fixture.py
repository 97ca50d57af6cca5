"""Writes the folder of a finished run by hand, as `me_keras.loso` leaves it, without training."""

import json
import pathlib

import numpy as np

from me_keras.evaluation import folds, results, scores
from me_keras.options import Options, resolve
from pipelines import cli
from pipelines.schema import CLASSES

SUBJECTS = ("s01", "s02", "s03")
VERSIONS = {"me-keras": "0.3.0", "python": "3.11.7", "tensorflow": "2.15.1"}


def write_run(
    folder,
    seeds=(0, 1),
    people=SUBJECTS,
    per_class=2,
    skill=2.0,
    draw=0,
    seen=("displacement", "attention"),
    edit=None,
    **options,
):
    """Writes a run of the synthetic database; returns its path.

    Args:
        people: names of subjects, of which each has `per_class` clips of each class.
        skill: how much the true class is favoured. draw: number of the random draw.
        seen: what is kept beside each fold.
        edit: a function that changes the dict of results before it is written.
        options: of `Options`, by name.
    """
    folder = pathlib.Path(folder)
    given = cli.replace(Options(), num_seeds=len(seeds), seed=seeds[0], **options)
    given = resolve(given, "precomputed" if given.dataset.endswith("flow") else "frames")
    given = cli.replace(given, protocol=given.data.protocol or "synthetic-3", mixed_precision="off")
    table = _table(given.dataset, people, per_class)
    fitted = given.model.name == "ridge"
    records = [
        _fold(folder, table, seed, group, (skill, draw), () if fitted else seen)
        for seed in seeds
        for group in sorted(set(table["group"]))
    ]
    predictions = folds.pool(records, table, CLASSES)
    found = {
        **scores.score(predictions, CLASSES),
        "dataset": given.dataset,
        "classes": list(CLASSES),
        "counts": {"clips": len(table["key"]), "subjects": len(people), "skipped": 1},
        "skipped": [{"key": f"{given.dataset}/s09/x", "path": "x", "reason": "no face <found>"}],
        "seconds": 90.0,
        "tuned_on": scores.tuning_stamp(given.run.tuned_on, table["subject_key"]),
        "versions": VERSIONS,
    }
    if edit:
        edit(found)
    config = {**cli.to_json(given), "data_digest": "0123456789", "versions": VERSIONS}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "results.json").write_text(json.dumps(found))
    predictions.to_csv(folder / "predictions.csv", index=False)
    return folder


def _table(dataset, people, per_class):
    rows = [(subject, label) for subject in people for label in sorted([0, 1, 2] * per_class)]
    keys = [f"{dataset}/{subject}" for subject, _ in rows]
    return {
        "key": [f"{key}/c{i:02d}" for i, key in enumerate(keys)],
        "subject_key": keys,
        "dataset": [dataset] * len(rows),
        "label": [label for _, label in rows],
        "group": keys,
    }


def _fold(folder, table, seed, group, how, seen):
    """Writes the record of a fold and what was seen; returns the record."""
    skill, draw = how
    rows = np.flatnonzero(np.array(table["group"]) == group)[::-1]  # not in the order of the table
    rng = np.random.default_rng([seed, draw, rows[0]])
    logits = rng.normal(0, 1, (len(rows), 3)) + skill * np.eye(3)[np.array(table["label"])[rows]]
    powers = np.exp(logits)
    predicted = {"row": rows.tolist()}
    predicted["probabilities"] = (powers / powers.sum(axis=1, keepdims=True)).tolist()
    history = []
    if seen:
        predicted |= {"error": [0.5] * len(rows), "error_unwarped": [1.0] * len(rows)}
        history = [{"loss": 1 / n, "accuracy": 1 - 0.5 / n} for n in (1, 2, 3)]
    record = {
        "group": group,
        "seed": seed,
        "predictions": predicted,
        "warmup": [{"loss": 0.5}] if seen else [],
        "history": history,
        "seconds": 5.0,
        "threads": 1,
    }
    path = results.fold_path(folder, seed, group)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(record))
    kept = {
        "displacement": rng.normal(0, 1, (len(rows), 8, 8, 2)).astype(np.float16),
        "attention": rng.dirichlet(np.full(9, 5.0), len(rows)).astype(np.float32),
    }
    if seen:
        np.savez(path.with_suffix(".npz"), row=rows, **{name: kept[name] for name in seen})
    return record
