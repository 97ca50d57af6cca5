"""The folder of a run: its options, a record per fold, and the results pooled from them."""

import io
import json
import pathlib
import re
import sys
import zipfile

import numpy as np

from me_keras import __version__
from me_keras.evaluation.folds import pool
from me_keras.options import BEFORE, NOT_OPTIONS, RENAMED, ExecutionOptions, Options
from pipelines import cli, files, protocols
from pipelines.schema import DataError, OptionError

_IN_A_FOLD = ("group", "seed", "predictions", "warmup", "history", "seconds")


def open_run(options, data_digest):
    """The run's folder: a new one, or the one of the same run stopped earlier.

    Shards of a run may open it at the same time.

    Raises:
        DataError: its config.json is damaged.
        OptionError: the folder holds a run with other options or other data, or something else, or
            `merge` and there is no run.
    """
    decisive = decisive_options(options)
    name = f"{options.dataset}-{options.model.name}-{files.digest([decisive, data_digest])}"
    out = pathlib.Path(options.run.out or pathlib.Path("runs", name))
    path = out / "config.json"
    whole = cli.replace(options, shard=None, merge=False)
    record = {**cli.to_json(whole), "data_digest": data_digest, "versions": versions()}
    text = json.dumps(record, indent=1) + "\n"
    names = _names(out)
    if "config.json" not in names:
        if names:
            raise OptionError(
                f"{out} exists and is not a run of this command: choose another --out"
            )
        if options.execution.merge:
            raise OptionError(f"{out} holds no run: train first, or say where it is with --out")
        if files.write_new(path, text):
            return out
    used = versions()["tensorflow"]  # another one draws other numbers for the same seed
    _check_same(path, {**decisive, "data_digest": data_digest, "tensorflow": used})
    if options.execution.shard is None:
        files.write_whole(path, text)
    return out


def decisive_options(options):
    """The options that decide what a fold computes, by name: not where, how often, and which."""
    return {
        name: cli.value_of(options, name)
        for name, leaf in cli.leaves(type(options)).items()
        if leaf.field.metadata["decides"] and leaf.owner is not ExecutionOptions
    }


def _names(out):
    """What is in the folder, files being written aside."""
    if out.exists() and not out.is_dir():
        return {out.name}
    return {path.name for path in out.glob("*") if not files.is_partial(path.name)}


def _check_same(path, now):
    remedy = "choose another --out, or delete that folder"
    options, record = _read_config(path, remedy)
    earlier = {**decisive_options(options), "data_digest": record.get("data_digest")}
    earlier["tensorflow"] = record.get("versions", {}).get("tensorflow", now["tensorflow"])
    for name, value in now.items():
        if earlier[name] != value:
            raise OptionError(
                f"{path.parent} holds a run with another {name} ({earlier[name]}, now {value}): "
                f"{remedy}"
            )


def _read_config(path, remedy):
    """tuple of the `Options` in a config.json, of this or an older version, and all it holds."""
    record = files.read_json(path, remedy)
    if record is None:
        raise DataError(
            f"{path.parent}: not a run, it holds no config.json; make one with "
            "python -m me_keras.loso"
        )
    try:
        before = cli.replace(Options(), **BEFORE)
        return cli.from_json(Options, record, RENAMED, NOT_OPTIONS, before), record
    except OptionError as error:
        raise DataError(f"{path}: {error}: {remedy}") from None


def read_run(folder):
    """What the folder of a run says.

    Returns:
        tuple of its `Options`, the dict that config.json holds (`data_digest` and `versions`
        beside the options), and the dict of results.json, None where the run is not finished.
    Raises:
        DataError: not the folder of a run, or a damaged file; names it and the remedy.
    """
    folder, remedy = pathlib.Path(folder), "run loso again"
    options, record = _read_config(folder / "config.json", remedy)
    return options, record, files.read_json(folder / "results.json", remedy)


def fold_path(out, seed, group, suffix=".json"):
    """Where a fold's record lies: out/folds/seed-0/smic_s01.json; its model: ….keras.

    Examples:
        >>> fold_path("runs/demo", 0, "synthetic/s01").as_posix()
        'runs/demo/folds/seed-0/synthetic_s01.json'
    """
    name = re.sub(r"[^A-Za-z0-9.-]", "_", group)
    return pathlib.Path(out) / "folds" / f"seed-{seed}" / f"{name}{suffix}"


def read_fold(path):
    """A finished fold's record, or None if it is not there.

    Raises:
        DataError: the file is damaged; the message names it and the remedy.
    """
    remedy = "delete it, and the same command trains that fold again"
    record = files.read_json(path, remedy)
    lacking = [name for name in _IN_A_FOLD if name not in record] if record is not None else []
    if lacking:
        raise DataError(f"{path} holds no {lacking[0]}: {remedy}")
    return record


def read_folds(out, tasks):
    """The records of `tasks`, in their order; None for one that is not on disk.

    Raises:
        DataError: a file is damaged.
    """
    return [read_fold(fold_path(out, task.seed, task.fold.group)) for task in tasks]


def keep(record, out, seen=None, model=None):
    """Writes the record of a fold.

    Args:
        seen: dict of arrays that `folds.run_fold` returned beside the record.
        model: bytes of the fold's `.keras` file, to be kept too.
    """
    seed, group = record["seed"], record["group"]
    if model is not None:
        files.write_whole(fold_path(out, seed, group, ".keras"), model)
    if seen and len(seen) > 1:  # more than the rows
        with io.BytesIO() as file:
            np.savez_compressed(file, **seen)
            files.write_whole(fold_path(out, seed, group, ".npz"), file.getvalue())
    files.write_whole(fold_path(out, seed, group), json.dumps(record) + "\n")


def read_seen(out, seed, group):
    """What the model looked at in a fold's held-out clips.

    Returns:
        dict of arrays: `row` (n,), and as `Trainer.predict` has them `displacement` (n, h, w, 2)
        float16 and `attention` (n, 9) float32, where there are such. None for a fold of a model
        that has neither, or of an older version, or where the file is damaged: it can be spared.
    """
    path = fold_path(out, seed, group, ".npz")
    try:
        with np.load(path) as stored:
            return dict(stored)
    except (OSError, ValueError, zipfile.BadZipFile):
        return None


def write_results(options, prepared, table, manifest, records, out):
    """Pools the folds and writes predictions.csv, results.json, the figures and TensorBoard's.

    Args:
        table: dict of columns, a row per clip: `prepared.table` and `group`.
        records: of all folds.
    Returns:
        dict that results.json holds.
    """
    from me_keras.evaluation import report, scores, tensorboard

    predictions = pool(records, table, prepared.classes)
    protocol = protocols.choose(options.dataset, options.data.protocol)
    skipped = protocols.lost(manifest["skipped"], protocol)
    results = {
        **scores.score(predictions, prepared.classes),
        "dataset": options.dataset,
        "model": options.model.name,
        "motion": options.model.motion,
        "protocol": options.data.protocol,
        "classes": list(prepared.classes),
        "counts": {
            "clips": int(predictions["key"].nunique()),
            "subjects": int(predictions["subject_key"].nunique()),
            "skipped": len(skipped),
        },
        "skipped": skipped,
        "parameters": records[0].get("parameters"),
        "seconds": sum(record["seconds"] for record in records),
        "data_digest": prepared.digest,
        "tuned_on": scores.tuning_stamp(options.run.tuned_on, predictions["subject_key"]),
        "versions": versions(),
    }
    files.write_whole(out / "predictions.csv", predictions.to_csv(index=False))
    files.write_whole(out / "results.json", json.dumps(results, indent=1) + "\n")
    report.confusion_figure(results, out / "confusion.png")
    report.curves_figure(records, results, out / "curves.png")
    tensorboard.log_results(results, predictions, decisive_options(options), out)
    return results


def versions():
    """Versions of what a result depends on."""
    import importlib.metadata

    names = ("tensorflow", "keras", "numpy", "mediapipe", "opencv-contrib-python")
    found = {name: importlib.metadata.version(name) for name in names}
    return {"me-keras": __version__, "python": sys.version.split()[0], **found}
