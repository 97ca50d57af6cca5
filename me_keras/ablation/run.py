"""Trains the rows of an ablation, one after another, and compares each with the reference."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pandas as pd

from me_keras import models, parallel, training
from me_keras.ablation import report
from me_keras.ablation.grid import Grid, choose
from me_keras.ablation.options import AblationOptions
from me_keras.evaluation import data, paired, results, run, scores
from pipelines import cli, files, protocols
from pipelines.progress import say
from pipelines.schema import DataError, OptionError

_REMEDY = "choose another --out, or delete that folder"


def ablate(options: AblationOptions, grid: Grid | None = None) -> dict:
    """Trains and scores the reference and every row, or goes on where that was stopped.

    A row that fails is kept with its reason, and the others go on; without the reference there is
    nothing to compare. The folder holds ablation.csv, ablation.json, two figures of them and the
    run of each row.

    Args:
        grid: of `choose`, where it is at hand.
    Returns:
        dict that ablation.json holds, and `out`, the folder. `rows`, the reference first: a dict
        each of `factor`, `row`, `options` (changed), `folder`, `failed` ("" or why); with results
        also `uf1` and `uar` as results.json has them, `dgm_gain`, `parameters` (trained; None of a
        classical model) and `seconds` (training, all folds); and, but for the reference,
        `difference` (UF1 above the reference's: `low`, `mean`, `high`, its 95 % bootstrap interval
        over subjects), `p` of the paired permutation test, and `p_holm`, corrected for all rows.
    Raises:
        OptionError: the grid or options cannot be used. DataError: the data cannot.
        FloatingPointError: the reference diverged. OSError: the disk is full, or a process died.
    """
    grid = grid or choose(options)
    protocol = protocols.choose(options.dataset, options.data.protocol)  # before any long step
    out = _claim(options, grid)
    rows = (grid.reference, *grid.rows)
    sizes = _check_models(options, rows, len(protocol.classes))
    entries, found = [], {}
    for number, row in enumerate(rows):
        say(f"run {number + 1} of {len(rows)}: {row}")
        entry = {"factor": row.factor, "row": row.label, "options": row.changes}
        entries.append({**entry, "folder": row.folder, "failed": ""})
        try:
            found[number] = run.evaluate(cli.replace(row.options, out=str(out / row.folder)))
        except (DataError, FloatingPointError) as error:
            if row is grid.reference:
                raise type(error)(f"{row}: {error}") from None
            entries[-1]["failed"] = str(error)
            say(f"{row}: failed: {error}")
        data.forget_trainers()
    for number, result in found.items():
        kept = {name: result[name] for name in ("uf1", "uar", "dgm_gain", "seconds")}
        entries[number] |= {**kept, "parameters": sizes[number]}
    matrices = {number: _matrices(result) for number, result in found.items()}
    for number, columns in compare(matrices).items():
        entries[number] |= columns
    record = {
        **{name: found[0][name] for name in ("dataset", "model", "protocol", "counts")},
        "seeds": len(found[0]["uf1"]["per_seed"]),
        "tuned_on": found[0]["tuned_on"],
        "rows": entries,
        "left_out": [dict(zip(("factor", "row", "why"), left)) for left in grid.left_out],
        "data_digest": found[0]["data_digest"],
        "versions": results.versions(),
    }
    record = json.loads(json.dumps(record))
    report.write(record, out)
    return {**record, "out": str(out)}


def compare(matrices):
    """How far each system's UF1 is above the first one's, and whether that may be chance.

    Args:
        matrices: name -> `(seeds, subjects, k, k)` confusion matrices, the first the reference's.
    Returns:
        dict of the other names -> `difference` (`low`, `mean`, `high`), `p` and `p_holm`.
    """
    first, *others = matrices
    p_values = [paired.permutation_test(matrices[name], matrices[first]) for name in others]
    columns = {}
    for name, p, corrected in zip(others, p_values, paired.holm(p_values)):
        apart = paired.difference(matrices[name], matrices[first])
        interval = dict(zip(("low", "mean", "high"), apart))
        columns[name] = {"difference": interval, "p": p, "p_holm": corrected}
    return columns


def num_parameters(options, image_size, num_classes):
    """Trainable parameters of the model of resolved `Options`; None for scikit-learn's.

    Raises:
        ValueError: the model cannot be built so.
    """
    from pipelines.flow import MOTIONS

    model, motion = models.MODELS[options.model.name], options.model.motion
    if model.classical:
        return None
    channels = {"dgm": 0, "frames": 0, "precomputed": 3}
    channels |= {name: kind.channels for name, kind in MOTIONS.items()}
    chosen = {name: getattr(options.model, name) for name in model.options}
    built = models.build(model.name, image_size, num_classes, channels[motion], **chosen)
    return sum(int(np.prod(weight.shape)) for weight in built.trainable_weights)


def _claim(options, grid):
    """The folder of this ablation, which may be there already; its config.json is for `--config`.

    Whether the runs in it are of these options is checked where each is opened.
    """
    decisive = results.decisive_options(grid.reference.options)
    name = f"{options.dataset}-{options.model.name}-{files.digest(decisive)}"
    out = pathlib.Path(options.run.out or pathlib.Path("runs", "ablation", name))
    path = out / "config.json"
    known = out.is_dir() and "ablation" in (files.read_json(path, _REMEDY) or {})
    if not known and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OptionError(f"{out} exists and is not an ablation: choose another --out")
    rows = {row.folder: row.changes for row in grid.rows}
    config = {**cli.to_json(options), "versions": results.versions(), "rows": rows}
    files.write_whole(path, json.dumps(config, indent=1) + "\n")
    return out


def _check_models(options, rows, num_classes):
    """The number of parameters of each row's model; every one is built before any is trained."""
    from pipelines.prepared import ensure_prepared

    wanted, sizes = options.data, []
    known: dict = {}
    _, manifest = ensure_prepared(wanted.preparation, wanted.prepared, 0, wanted.protocol)
    parallel.set_up(options.execution)  # before TensorFlow's first operation
    training.make_deterministic(options.training.tf32)
    for row in rows:
        model = row.options.model
        if model not in known:
            try:
                known[model] = num_parameters(row.options, manifest["image_size"], num_classes)
            except ValueError as error:
                raise OptionError(f"{row}: {str(error).splitlines()[0]}") from None
        sizes.append(known[model])
    data.forget_trainers()
    return sizes


def _matrices(result):
    """A run's `(seeds, subjects, k, k)` confusion matrices."""
    table = pd.read_csv(pathlib.Path(result["out"], "predictions.csv"))
    return scores.subject_matrices(table, len(result["classes"]))
