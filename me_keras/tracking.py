"""Runs, searches and exported models in MLflow: what `--mlflow` of the commands does.

Where they go is MLflow's own business: MLFLOW_TRACKING_URI, a server or a folder, and
MLFLOW_EXPERIMENT_NAME. What is logged is read from the folders that the commands leave, so a run
can be logged at any later time, also one whose server was down.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import shlex
import tempfile
import textwrap
import time
import typing

from me_keras import __version__
from pipelines import cli
from pipelines.schema import DataError, OptionError

SCORES = ("uf1", "uar", "accuracy")
MODEL = "model"  # the folder of an exported model among the artifacts of its run
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",  # no word to anyone but the server
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # a quarter of a minute; by default four minutes
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # MLflow 3 refuses a folder unless told: whoever names one in MLFLOW_TRACKING_URI wants it
    "MLFLOW_ALLOW_FILE_STORE": "true",
}
_ONCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


def check():
    """Finds out before any long step whether MLflow is there and takes runs.

    Makes the experiment where it is missing.

    Raises:
        OptionError: MLflow is not installed, MLFLOW_TRACKING_URI is not set, or nothing answers.
    """
    mlflow = _import_mlflow()
    if not mlflow.is_tracking_uri_set():
        raise OptionError(
            "--mlflow: MLFLOW_TRACKING_URI is not set: set it to a server, http://HOST:5000, or to "
            "a folder, file:mlruns"
        )
    uri = mlflow.get_tracking_uri()
    before = {name: os.environ.get(name) for name in _ONCE}
    os.environ.update(_ONCE)
    try:
        _experiment(mlflow.MlflowClient())
    except (mlflow.MlflowException, ImportError, OSError) as error:
        raise OptionError(
            f"--mlflow: MLFLOW_TRACKING_URI={uri} takes no runs ({_short(error)}): start that "
            "server, or set it to a folder, file:mlruns; a database needs all of MLflow: pip "
            "install mlflow"
        ) from None
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def command_line(name, options) -> str:
    """The command line of `me_keras.<name>` with these options."""
    return shlex.join(["python", "-m", f"me_keras.{name}", *cli.words(options)])


def log_run(folder, command="", parent=None) -> str:
    """Logs a finished run of `evaluate`: decisive options, scores, curves, results, figures.

    Args:
        folder: of the run.
        command: the command line, for a tag.
        parent: id of the MLflow run that it belongs to.
    Returns:
        id of the MLflow run.
    Raises:
        DataError: not the folder of a finished run. OSError: MLflow failed; the folder is as it
            was.
    """
    from me_keras.evaluation import results

    folder = pathlib.Path(folder)
    options, _, found = results.read_run(folder)
    if found is None:
        raise DataError(f"{folder} holds no results.json: give the command of the run again")
    tags = {"kind": "run", "command": command, "model": found["model"], **_origin(found)}
    tags |= {"protocol": found["protocol"], "data_digest": found["data_digest"]}
    if found.get("tuned_on"):
        tags["tuned_on"] = found["tuned_on"]["note"]
    with _logging(folder), _new_run(folder.resolve().name, tags, parent) as log:
        decisive = {**results.decisive_options(options), "seed": options.run.seed}
        log.params({**decisive, "num_seeds": options.run.num_seeds})
        log.metrics(_scores(found))
        for name, values in _series(folder, options, found):
            log.series(name, values)
        paths = [folder / name for name in ("config.json", "results.json", "report.html")]
        log.artifacts([*paths, *sorted(folder.glob("*.png"))])
    return log.run_id


def log_search(found, command="") -> str:
    """Logs what `search` returned: a run for the search, and in it one for each trial.

    The best options are tags of the search; the run that evaluates them is in it, too.

    Returns:
        id of the MLflow run of the search.
    Raises:
        OSError: MLflow failed; the search's folder is as it was.
    """
    folder, tuning = pathlib.Path(found["out"]), found["tuning"]
    best = {f"best.{name}": cli.value_of(found["best"], name) for name in tuning["space"]}
    tags = {"kind": "search", "command": command, "dataset": found["best"].dataset, **best}
    tags["note"] = tuning["note"]
    with _logging(folder), _new_run(folder.resolve().name, tags) as log:
        names = ("scope", "tuner", "objective", "inner_folds")
        log.params({**{name: tuning[name] for name in names}, "space": " ".join(tuning["space"])})
        inner = {f"best/{name}": one["inner_score"] for name, one in tuning["searches"].items()}
        log.metrics({"trials": tuning["trials"], "failed": tuning["failed"], **inner})
        for row in found["trials"]:
            _log_trial(row, tuning, log.run_id)
        paths = [folder / name for name in ("best.json", "tuning.json", "trials.csv")]
        log.artifacts([*paths, *sorted(folder.glob("*.png"))])
        for name in ("report", "report_start"):
            if found.get(name):
                log_run(folder / name.replace("_", "-"), parent=log.run_id)
    return log.run_id


def _log_trial(row, tuning, parent):
    scores = (*SCORES, "loss", "seconds")
    tags = {"kind": "trial", "search": row["search"], "status": row["status"]}
    tags |= {"start": row["start"], "reason": row["reason"], "objective": tuning["objective"]}
    done = row["status"] == "completed"
    name = f"{row['search']}-{row['trial']}"
    with _new_run(name, tags, parent, "FINISHED" if done else "FAILED") as log:
        log.params({name: row[name] for name in ("epochs", *tuning["space"])})
        log.metrics({name: row[name] for name in scores} if done else {})


def log_model(folder, command="") -> str:
    """Logs an exported version as an MLflow model, with the signature that its contract states.

    It loads with `mlflow.pyfunc.load_model("runs:/<id>/model")`, which answers `serving_default`,
    and with `mlflow.tensorflow.load_model`.

    Args:
        folder: of the version, as `export_model` returns it.
    Returns:
        id of the MLflow run.
    Raises:
        DataError: not an exported version. OSError: MLflow failed; the version is as it was.
    """
    from me_keras.exporting import contract

    folder = pathlib.Path(folder)
    promised = contract.read_contract(folder)
    data, score = promised["data"], promised["score"] or {}
    tags = {"kind": "model", "command": command, **_origin({**promised, **data})}
    tags |= {"protocol": data["protocol"], "data_digest": data["digest"]}
    with _logging(folder), _new_run(f"{promised['model']}-{promised['version']}", tags) as log:
        log.params({**promised.get("training", {}), "image_size": promised["image_size"]})
        log.metrics({name: score[name]["mean"] for name in SCORES if name in score})
        with tempfile.TemporaryDirectory() as scratch:
            path = pathlib.Path(scratch, "MLmodel")
            _describe_model(promised, log.run_id).save(str(path))
            needs = pathlib.Path(scratch, "requirements.txt")
            needs.write_text(f"tensorflow=={promised['versions']['tensorflow']}\n")
            log.artifacts([path, needs], MODEL)
        log.folder(folder, f"{MODEL}/saved_model")
    return log.run_id


def _describe_model(promised, run_id):
    """The `mlflow.models.Model` of a SavedModel, whose `serving_default` answers."""
    import numpy as np
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    def schema(tensors):
        kinds = {"string": "str"}
        specs = {name: (kinds.get(t["dtype"], t["dtype"]), t["shape"]) for name, t in tensors}
        return Schema([TensorSpec(np.dtype(k), tuple(s), n) for n, (k, s) in specs.items()])

    asked = promised["signatures"]["serving_default"]
    inputs, outputs = schema(asked["inputs"].items()), schema(asked["outputs"].items())
    signature = ModelSignature(inputs, outputs)
    model = Model(artifact_path=MODEL, run_id=run_id, signature=signature)
    model.add_flavor(
        "tensorflow",
        saved_model_dir="saved_model",
        meta_graph_tags=["serve"],
        signature_def_key="serving_default",
        model_type="tf1-estimator",  # MLflow's word for a SavedModel asked by a signature
    )
    model.add_flavor("python_function", loader_module="mlflow.tensorflow")
    return model


def _scores(found):
    """The scores of results.json as flat numbers."""
    scores: dict[str, float] = {}
    for name in SCORES:
        low, high = found[name]["ci95"]
        scores |= {name: found[name]["mean"], f"{name}_sd": found[name]["sd"]}
        scores |= {f"{name}_ci95_low": low, f"{name}_ci95_high": high}
    scores |= {f"f1/{name}": value for name, value in found["per_class_f1"].items()}
    if len(found["per_database"]) > 1:
        for name, one in found["per_database"].items():
            scores |= {f"{name}/{score}": one[score]["mean"] for score in ("uf1", "uar")}
    if found["dgm_gain"] is not None:
        scores["dgm_gain"] = found["dgm_gain"]
    return {**scores, "seconds": found["seconds"]}


def _series(folder, options, found):
    """Yields (name, {step: value}): scores by seed; curves by epoch, the mean over folds."""
    import pandas as pd

    from me_keras.evaluation import results

    seeds = range(options.run.seed, options.run.seed + options.run.num_seeds)
    for name in SCORES:
        yield f"per_seed/{name}", dict(zip(seeds, found[name]["per_seed"]))
    for seed in seeds:
        paths = sorted((folder / "folds" / f"seed-{seed}").glob("*.json"))
        records = [results.read_fold(path) for path in paths]
        for phase, part in (("warmup", "warmup"), ("training", "history")):
            parts = [pd.DataFrame(record[part]) for record in records if record[part]]
            if parts:
                mean = pd.concat(parts).groupby(level=0).mean()
                for name in mean.columns[mean.any()]:  # those that this model has
                    steps = range(1, len(mean) + 1)
                    yield f"{phase}/{name}/seed-{seed}", dict(zip(steps, mean[name]))


def _origin(found):
    versions = {f"version.{name}": value for name, value in found["versions"].items()}
    return {"dataset": found["dataset"], **versions}


class _Log:
    """One MLflow run that is being written."""

    def __init__(self, client, run_id):
        self.client, self.run_id, self.now = client, run_id, int(1000 * time.time())

    def params(self, values):
        from mlflow.entities import Param

        self.client.log_batch(self.run_id, params=[Param(k, _text(v)) for k, v in values.items()])

    def metrics(self, values):
        self._metrics((name, value, 0) for name, value in values.items())

    def series(self, name, values):
        self._metrics((name, value, step) for step, value in values.items())

    def _metrics(self, found):
        from mlflow.entities import Metric

        metrics = [Metric(name, float(value), self.now, step) for name, value, step in found]
        self.client.log_batch(self.run_id, metrics=metrics)

    def artifacts(self, paths, folder=None):
        for path in paths:
            if path.exists():
                self.client.log_artifact(self.run_id, str(path), folder)

    def folder(self, path, name):
        self.client.log_artifacts(self.run_id, str(path), name)


@contextlib.contextmanager
def _new_run(name, tags, parent=None, status="FINISHED") -> typing.Iterator[_Log]:
    client = _import_mlflow().MlflowClient()
    tags = {"version.me-keras": __version__, **tags}
    if parent:
        tags["mlflow.parentRunId"] = parent
    tags = {key: _text(value) for key, value in tags.items() if value not in ("", None)}
    run = client.create_run(_experiment(client), tags=tags, run_name=name)
    try:
        yield _Log(client, run.info.run_id)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is told
            client.set_terminated(run.info.run_id, "FAILED")
        raise
    client.set_terminated(run.info.run_id, status)


@contextlib.contextmanager
def _logging(folder):
    mlflow = _import_mlflow()
    try:
        yield
    except (mlflow.MlflowException, ImportError, OSError) as error:
        where = mlflow.get_tracking_uri()
        raise OSError(
            f"{folder} is complete, but MLflow at {where} did not take it ({_short(error)}): give "
            "the same command again when it does"
        ) from error


def _experiment(client):
    """The id of the experiment that MLflow's variables name, made where it is missing."""
    chosen = os.environ.get("MLFLOW_EXPERIMENT_ID")
    if chosen:
        return client.get_experiment(chosen).experiment_id
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "Default")
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def _import_mlflow():
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import mlflow
    except ImportError:
        raise OptionError(
            "--mlflow needs me-keras[mlflow], on Python 3.10 or newer: pip install "
            "'me-keras[mlflow]'"
        ) from None
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    return mlflow


def _text(value):
    """A value as params and tags hold it."""
    if isinstance(value, (tuple, list)):
        return " ".join(map(str, value))
    return json.dumps(value) if isinstance(value, dict) else str(value)


def _short(error):
    """The gist of an error of MLflow's, in one line."""
    return textwrap.shorten(str(error), 160, placeholder=" …")
