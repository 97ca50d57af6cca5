"""All that the folder of a finished run holds, read once and checked, for its page."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import typing

import numpy as np

from me_keras.evaluation import results
from me_keras.models import MODELS
from me_keras.options import ExecutionOptions, ModelOptions, Options, TrainingOptions
from pipelines import cli
from pipelines.schema import DataError

COLUMNS = ("seed", "key", "subject_key", "dataset", "label", "prediction")
WORDS = ("key", "subject_key", "dataset", "group")  # columns of text, also where all are digits


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """What a finished run left.

    Attributes:
        path: the folder, as it was named.
        options: `Options`, presets filled in.
        config, results: what config.json and results.json hold.
        predictions: DataFrame as predictions.csv, with `group`, and `row`: the clip's row in the
            record of its fold, -1 where there is no record.
        records: dict of (seed, group) -> record of the fold, those that are still there.
    """

    path: pathlib.Path
    options: Options
    config: dict
    results: dict
    predictions: typing.Any
    records: dict

    @property
    def classes(self) -> list[str]:
        """Names of the labels 0, 1, …"""
        return self.results["classes"]

    @property
    def probabilities(self) -> np.ndarray:
        """(n, k), a row for each of `predictions`."""
        return self.predictions[[f"p_{name}" for name in self.classes]].to_numpy(float)

    @property
    def seeds(self) -> list[int]:
        """The seeds, in order."""
        return sorted(map(int, self.predictions["seed"].unique()))

    def seen(self) -> dict:
        """dict of (seed, group) -> `results.read_seen` of its fold, where something was kept."""
        found = {task: results.read_seen(self.path, *task) for task in self.records}
        return {task: arrays for task, arrays in found.items() if arrays is not None}


def read(folder) -> RunFolder:
    """Reads the folder of a finished run.

    Raises:
        DataError: not a run, not finished, or a damaged file; names it and the remedy.
    """
    path = pathlib.Path(folder)
    options, config, found = results.read_run(path)
    if found is None:
        raise DataError(unfinished(path, options))
    remedy = "write it again from the folds with " + " ".join(command(options, path))
    predictions, classes = _predictions(path / "predictions.csv", remedy)
    for name in ("uf1", "uar", "accuracy", "counts"):
        if name not in found:
            raise DataError(f"{path / 'results.json'} holds no {name}: {remedy}")
    found = {"classes": classes, **found}
    if [f"p_{name}" for name in found["classes"]] != [f"p_{name}" for name in classes]:
        raise DataError(f"{path}: results.json and predictions.csv have other classes: {remedy}")
    pairs = predictions[["seed", "group"]].drop_duplicates().itertuples(index=False)
    read_one = {(int(s), g): results.read_fold(results.fold_path(path, s, g)) for s, g in pairs}
    records = {task: record for task, record in read_one.items() if record is not None}
    return RunFolder(path, options, config, found, _with_rows(predictions, records), records)


def command(options, path) -> list[str]:
    """The words of the command line that makes this run, or goes on with it, as a shell takes them.

    Where folds were trained, and how many at once, is left out but for the threads.
    """
    execution = [n for n, leaf in cli.leaves(Options).items() if leaf.owner is ExecutionOptions]
    words = cli.words(options, leave_out=[*(n for n in execution if n != "threads"), "out"])
    words = ["python", "-m", "me_keras.loso", *words, "--out", str(path)]
    return [shlex.quote(word) for word in words]


def options_of(name) -> set[str]:
    """Names of the options that a model's result can depend on."""
    model, found = MODELS[name], set()
    for option, leaf in cli.leaves(Options).items():
        if leaf.owner is ModelOptions:
            depends = option in (*model.options, "model", "motion")
        else:
            depends = leaf.owner is not TrainingOptions or not model.classical
        found |= {option} if depends else set()
    return found


def unfinished(path, options) -> str:
    """One line that says of a run without results what finishes it."""
    done = sum(1 for _ in (pathlib.Path(path) / "folds").glob("seed-*/*.json"))
    folds = "1 finished fold" if done == 1 else f"{done} finished folds"
    words = " ".join(command(options, path))
    return f"{path}: not finished, it holds {folds} and no results.json: go on with {words}"


def _predictions(path, remedy):
    """The table of predictions, and the names of the classes in its columns."""
    import pandas as pd

    try:
        table = pd.read_csv(
            path, dtype=dict.fromkeys(WORDS, str), keep_default_na=False, na_values=[""]
        )
    except (OSError, ValueError) as error:  # a file without columns or rows is a ValueError too
        raise DataError(f"{path} cannot be read ({error}): {remedy}") from None
    classes = [name.removeprefix("p_") for name in table if name.startswith("p_")]
    lacking = [name for name in COLUMNS if name not in table]
    if lacking or not classes or not len(table):
        raise DataError(f"{path} holds no {(lacking or ['prediction'])[0]}: {remedy}")
    needed = [*COLUMNS, *(f"p_{name}" for name in classes)]
    if table[needed].isna().any(axis=None):
        raise DataError(f"{path} has empty cells: {remedy}")
    if "group" not in table:  # an older version held out one subject at a time, always
        table["group"] = table["subject_key"]
    return table, classes


def _with_rows(predictions, records):
    """`predictions` with the row of each clip: a fold's lines are in the order of its record."""
    rows = np.full(len(predictions), -1)
    for (seed, group), lines in predictions.groupby(["seed", "group"], sort=False).indices.items():
        record = records.get((int(seed), group))
        if record is not None and len(record["predictions"]["row"]) == len(lines):
            rows[np.sort(lines)] = record["predictions"]["row"]
    return predictions.assign(row=rows)
