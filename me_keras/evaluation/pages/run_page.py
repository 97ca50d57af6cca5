"""report.html of a run: what was done, how good it is, and what it looked at, on one page."""

from __future__ import annotations

import pathlib

import numpy as np

from me_keras import __version__
from me_keras.evaluation import results
from me_keras.evaluation.pages import (
    calibration,
    charts,
    clips,
    pictures,
    rendering,
    run_folder,
    wording,
)
from me_keras.evaluation.pages.run_folder import RunFolder
from me_keras.evaluation.scores import NUM_BOOTSTRAP
from me_keras.interpretation import drawing
from pipelines.files import write_whole
from pipelines.progress import say
from pipelines.schema import REGIONS

NAME = "report.html"
NUM_HARDEST = 12
LEAST_DIFFERENCE = 0.02  # of attention, that the last colour stands for
LEAST_STORED = 0.1  # as `pictures.LEAST_PX`, of a database's flow images
LABELS = {"uf1": "UF1", "uar": "UAR", "accuracy": "accuracy"}
# metric of a fold's record -> title and y axis of its chart
CURVES = {
    "history": {"loss": ("Training loss", "loss"), "accuracy": ("Training accuracy", "accuracy")},
    "warmup": {"loss": ("Warm-up of the displacement", "loss, self-supervised")},
}


def write(folder) -> pathlib.Path:
    """Writes report.html into the folder of a finished run, from what the folder holds.

    Returns:
        its path.
    Raises:
        DataError: not a run, not finished, or a damaged file. OSError: it cannot be written.
    """
    path = pathlib.Path(folder) / NAME
    write_whole(path, render(run_folder.read(folder)))
    return path


def write_missing(run: RunFolder) -> None:
    """As `write`, where the folder holds no page yet; a folder that is read-only stays as it is."""
    path = run.path / NAME
    if path.exists():
        return
    try:
        write_whole(path, render(run))
    except OSError as error:
        say(f"{run.path} gets no page: {error}")


def render(run: RunFolder) -> str:
    """The page of a run."""
    seen = run.seen()
    figures, curves = _curves(run)
    quality, figures["reliability"] = _calibration(run)
    return rendering.page(
        "run.html.j2",
        figures=figures,
        title=f"{run.options.model.name} on {run.options.dataset}",
        motion=wording.motion(run.options),
        protocol=wording.protocol(run),
        seeds=run.seeds,
        num_folds=int(run.predictions["group"].nunique()),
        notes=wording.notes(run),
        counts={"skipped": 0, **run.results["counts"]},
        scores=[_score(run.results, name) for name in LABELS],
        num_bootstrap=f"{NUM_BOOTSTRAP:,}",
        voting=run.results.get("ensemble"),
        per_class=run.results.get("per_class_f1", {}),
        databases=run.results.get("per_database", {}),
        gain=run.results.get("dgm_gain"),
        gains=run.results.get("dgm_gain_per_seed") or [],
        classes=run.classes,
        curves=curves,
        no_curves=wording.no_curves(run),
        missing_records=_missing_records(run),
        calibration=quality,
        **_counted(run),
        **_hardest(run, seen),
        **_attention(run, seen),
        meaning=wording.meaning(run),
        command=run_folder.command(run.options, run.path),
        environment=_environment(run),
        options=_shown(results.decisive_options(run.options)),
        version=__version__,
    )


def _score(found, name):
    """One of the three scores; the interval is NaN where an older version kept none."""
    score = {"sd": 0.0, "ci95": [np.nan, np.nan], **found[name]}
    low, high = score["ci95"]
    score = {"per_seed": [score["mean"]], **score}
    return {**score, "key": name, "label": LABELS[name], "low": low, "high": high}


def _missing_records(run):
    expected = run.predictions[["seed", "group"]].drop_duplicates()
    return len(expected) - len(run.records)


def _curves(run):
    """dict of the charts of training, and their names in the order of the page."""
    found = {}
    for phase, metrics in CURVES.items():
        histories = [record[phase] for record in run.records.values()]
        for metric, (title, unit) in metrics.items():
            drawn = charts.curve(histories, metric, phase, title, unit)
            if drawn:
                found[f"{phase}_{metric}"] = drawn
    return found, list(found)


def _calibration(run):
    """Facts about the pooled probabilities, and the reliability diagram."""
    probabilities, labels = run.probabilities, run.predictions["label"].to_numpy()
    correct = run.predictions["prediction"].to_numpy() == labels
    bins = calibration.reliability(np.clip(probabilities.max(axis=1), 0, 1), correct)
    error = calibration.expected_error(bins)
    facts = {
        "error": error,
        "brier": calibration.brier(probabilities, labels),
        "log_loss": float(calibration.losses(probabilities, labels).mean()),
        "chance": float(np.log(len(run.classes))),
        "num_bins": calibration.NUM_BINS,
        "note": wording.probabilities(run),
    }
    return facts, charts.reliability(bins, error)


def _counted(run):
    """Confusion matrices, clips of each class, and the people."""
    table, classes = run.predictions, run.classes
    matrices = clips.confusion_by_database(table, len(classes))
    counts = clips.class_counts(table, classes)
    subjects = table.groupby("dataset")["subject_key"].nunique()
    rows = [(str(name), row.tolist(), int(subjects[name])) for name, row in counts.iterrows()]
    if len(rows) > 1:
        rows.append(("all", counts.sum().tolist(), int(subjects.sum())))
    people = clips.per_subject(table)
    return {
        "matrix": sum(matrices.values()).tolist(),
        "matrices": {name: matrix.tolist() for name, matrix in matrices.items()},
        "clip_counts": [dict(zip(("name", "counts", "subjects"), row)) for row in rows],
        "people": {n: rows.to_dict("records") for n, rows in people.groupby("dataset")},
        "skipped": run.results.get("skipped", []),
    }


def _hardest(run, seen):
    """The hardest clips, with pictures of their displacement where it was kept."""
    table = clips.hardest(run.predictions, run.classes, NUM_HARDEST)
    fields = [clips.displacement_of(key, run.predictions, seen) for key in table["key"]]
    kept = [field for field in fields if field is not None]
    stored = run.options.model.motion == "precomputed"
    least = LEAST_STORED if stored else pictures.LEAST_PX
    limit = pictures.shared_limit(kept, least) if kept else None
    shown = []
    for line, field in zip(table.to_dict("records"), fields):
        one = {name: line[name] for name in ("key", "loss")}
        one |= {name: run.classes[int(line[name])] for name in ("label", "prediction")}
        one["wrong"] = round(line["wrong"] * len(run.seeds))
        one["probabilities"] = {name: line[f"p_{name}"] for name in run.classes}
        one["picture"] = None
        if field is not None:
            length = np.linalg.norm(field, axis=-1)
            one |= {"mean_length": float(length.mean()), "max_length": float(length.max())}
            one["picture"] = pictures.displacement(field, limit)
        shown.append(one)
    return {
        "hardest": shown,
        "limit": None if limit is None else f"{limit:g}",
        "unit": "units of the database's image" if stored else "px of the aligned face",
        "wheel": pictures.wheel() if kept else None,
        "no_pictures": "" if kept else wording.no_displacement(run),
    }


def _attention(run, seen):
    """The regions' shares of attention, as cells with their colour."""
    equal = 1 / len(REGIONS)
    means = clips.mean_attention(run.predictions, seen, len(run.classes))
    if means is None:
        return {"attention": None, "no_attention": wording.no_attention(run), "equal": equal}
    most = max(float(np.nanmax(np.abs(np.stack(means) - equal))), LEAST_DIFFERENCE)

    def cell(share):
        colour = "orange" if share > equal else "blue"
        return {"share": share, "style": rendering.tint(abs(share - equal) / most, colour)}

    names = [drawing.spoken(region) for region in REGIONS]
    tables = {
        title: [{"region": n, "cells": [cell(v) for v in row]} for n, row in zip(names, mean)]
        for title, mean in zip(("All clips", "Clips recognised"), means)
    }
    return {"attention": tables, "no_attention": "", "equal": equal}


def _environment(run):
    """dict of what ran where, in words."""
    records = run.records.values()
    of_records = {
        name: sorted({str(r[name]) for r in records if r.get(name) is not None})
        for name in ("threads", "device")
    }
    versions = run.results.get("versions") or run.config.get("versions") or {}
    parameters = run.results.get("parameters")
    return {
        **versions,
        "precision": run.options.training.mixed_precision or "not recorded",
        "threads of an operation": ", ".join(of_records["threads"]) or "not recorded",
        "device": ", ".join(of_records["device"]) or "not recorded",
        "parameters of the model": f"{parameters:,}" if parameters else "not recorded",
        "time of all folds": rendering.duration(run.results.get("seconds")),
        "digest of the data": run.config.get("data_digest") or "not recorded",
    }


def _shown(options):
    """Options and their values, in words; those of what the model lacks are left out."""
    names = run_folder.options_of(options["model"])
    found = {name: value for name, value in options.items() if name in names}
    return {name: _plain(value) for name, value in found.items() if value is not None}


def _plain(value):
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
