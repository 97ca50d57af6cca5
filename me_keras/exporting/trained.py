"""The model that is exported: trained on all subjects, just as long as the run's folds were.

Its score is the run's: of the same training on other people. There is no better estimate, since no
clip is left to test it on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import pathlib
import tempfile

import numpy as np

from me_keras import __version__, distribution
from me_keras.evaluation import data, results
from me_keras.models import MODELS
from me_keras.options import Options, resolve
from pipelines import cli, files, protocols
from pipelines.progress import Progress, say
from pipelines.schema import REGIONS, DataError

MODEL, RECORD = "all_subjects.keras", "all_subjects.json"  # in the run's folder


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A trained model, and what is known of how it came to be.

    Attributes:
        model: `keras.Model`, float32, outside any distribution strategy.
        regions: (9, 4) boxes of the average aligned face, y1, x1, y2, x2 in [0, 1].
        mirror_test: whether probabilities are averaged with the mirrored face's.
        alignment, motion, data, score: as in the contract. training: as the model card shows it.
    """

    model: object
    classes: tuple[str, ...]
    regions: np.ndarray
    mirror_test: bool
    alignment: dict | None
    motion: dict
    data: dict
    score: dict | None
    training: dict


def train_on_all(run, seed=None, data_root=None, prepared=None) -> TrainedModel:
    """The model of a run, trained on all its clips; from the run's folder if it was before.

    Args:
        run: folder of the run.
        seed: int; default: the run's first.
        data_root, prepared: where the run's data are now, if they have moved.
    Raises:
        DataError: not the folder of a run, or the data are not the run's.
        FloatingPointError: training diverged. OSError: the disk is full.
    """
    run = pathlib.Path(run)
    options, record, scores = results.read_run(run)
    if MODELS[options.model.name].classical:
        raise DataError(
            f"{run}: {options.model.name} is fitted by scikit-learn and has no SavedModel: export "
            "the run of a network"
        )
    if scores is None:
        say(f"note: {run} holds no results.json: the contract will hold no score")
    changed = {"data_root": data_root, "prepared": prepared, "seed": seed}
    options = cli.replace(options, **{k: v for k, v in changed.items() if v is not None})
    protocol = protocols.choose(options.dataset, options.data.protocol)
    clips, manifest = data.load_data(options)
    options = resolve(options, clips.kind)
    precision = distribution.resolve_precision(options.training.mixed_precision)
    options = cli.replace(options, mixed_precision=precision, protocol=protocol.name)
    clips, _, _ = data.under_protocol(clips, manifest, protocol, options)
    if clips.digest != record.get("data_digest"):
        raise DataError(
            f"{run}: the clips found now are not those of the run (digest {clips.digest[:8]}, "
            f"the run's {str(record.get('data_digest'))[:8]}): give its --data-root or --prepared, "
            "or run loso again"
        )
    counts = np.bincount(clips.labels, minlength=len(clips.classes))
    training = options.training
    return TrainedModel(
        model=_model(run, clips, options),
        classes=tuple(clips.classes),
        regions=average_regions(clips),
        mirror_test=training.mirror_test,
        alignment=_alignment(manifest),
        motion=describe_motion(options.model.motion),
        data={
            "dataset": options.dataset,
            "protocol": protocol.name,
            "digest": clips.digest,
            "clips": len(clips),
            "subjects": len(set(clips.subject_keys)),
        },
        score=score_of(scores),
        training={
            "run": run.resolve().name,
            "model": options.model.name,
            "seed": options.run.seed,
            "epochs": training.epochs,
            "warmup_epochs": training.warmup_epochs if options.model.motion == "dgm" else 0,
            "mirror_test": training.mirror_test,
            "class_counts": dict(zip(clips.classes, map(int, counts))),
        },
    )


def score_of(results) -> dict | None:
    """What the contract tells of results.json; None for a run without results."""
    if results is None:
        return None
    names = ("uf1", "uar", "accuracy")
    scores = {n: {k: results[n][k] for k in ("mean", "sd", "ci95")} for n in names}
    counts = {name: results["counts"][name] for name in ("clips", "subjects")}
    tuned = results.get("tuned_on")
    note = tuned["note"] if tuned else None
    return {**scores, "seeds": len(results["uf1"]["per_seed"]), **counts, "note": note}


def average_regions(clips) -> np.ndarray:
    """(9, 4) mean boxes of the clips, as fractions of the centre crop the model sees."""
    margin = (clips.frame_size - clips.image_size) // 2
    boxes = (clips.regions * clips.frame_size - margin) / clips.image_size  # (n, 9, 4)
    return np.clip(boxes, 0, 1).mean(axis=0).reshape(len(REGIONS), 4)


def describe_motion(source) -> dict:
    """Where a model's motion comes from, and the channels of its motion maps, for the contract."""
    flow = ["dx to the right, px", "dy down, px", "optical strain, px per px"]
    ranked = "approximate rank pooling of the frames onset to apex, -1 to 1"
    sorted_frames = "the same, the frames sorted by their difference to the onset"
    channels = {
        "dgm": [],
        "frames": [],
        "precomputed": ["as the database publishes them"],
        "difference": ["apex - onset, -1 to 1"],
        "dynamic_image": [ranked],
        "ranked_image": [ranked],
        "intensity_image": [sorted_frames],
        "dynamic_images": [ranked, sorted_frames],
    }
    return {"source": source, "channels": channels.get(source, flow)}


def _alignment(manifest):
    """How the clips were aligned; None where a database publishes images of motion."""
    from pipelines.faces import align

    if manifest["kind"] == "precomputed":
        return None
    return {
        "image_size": manifest["image_size"],
        "margin": manifest["margin"],
        "rigid": bool(manifest["parameters"].get("rigid", True)),
        "eye_distance": align.EYE_DISTANCE,
        "eye_level": align.EYE_LEVEL,
    }


def _model(run, clips, options):
    """The trained model: from the run's folder, if its recipe is the same, or trained now."""
    from me_keras.models.recognizer import load_model

    path, recipe = run / MODEL, _recipe(options, clips)
    if _kept(run, recipe):
        say(f"taking the model that is in {run}: the same options and data")
    else:
        history = _train(data.with_motion(clips, options), options, path)
        kept = {"recipe": recipe, "sha256": _sha256(path), "seed": options.run.seed, **history}
        files.write_whole(run / RECORD, json.dumps(kept, indent=1) + "\n")
    return load_model(path, compile=False)


def _train(clips, options, path):
    """Trains on all clips, exactly as `folds.run_fold` trains on those of a fold."""
    import keras

    trainer = data.make_trainer(options, clips)
    datasets, rows = data.Datasets(clips, options.data), np.arange(len(clips))
    seed, training = options.run.seed, options.training
    warms_up = trainer.generator is not None and training.warmup_epochs
    total = training.epochs + (training.warmup_epochs if warms_up else 0)
    say(f"training on all {len(clips)} clips, {total} epochs")
    with Progress(total, "training on all subjects", "epoch") as progress:
        count = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: progress.update())
        trainer.reset(seed)
        warmup = trainer.warm_up(datasets.pairs(rows, seed), [count]) if warms_up else []
        history = trainer.fit(datasets.train(rows, seed), [count])
    with tempfile.TemporaryDirectory() as folder:
        saved = pathlib.Path(folder, MODEL)
        trainer.save(saved)
        files.write_whole(path, saved.read_bytes())
    return {"warmup": warmup, "history": history}


def _recipe(options, clips):
    """Digest of all that the weights depend on."""
    decisive = {
        name: cli.value_of(options, name)
        for name, leaf in cli.leaves(Options).items()
        if leaf.path[0] in ("data", "model", "training") and leaf.field.metadata["decides"]
    }
    return files.digest([decisive, options.run.seed, clips.digest, clips.classes, __version__])


def _kept(run, recipe):
    """Whether the run's folder holds a whole model of this recipe."""
    with contextlib.suppress(DataError, OSError):
        kept = files.read_json(run / RECORD, "") or {}
        return kept.get("recipe") == recipe and kept.get("sha256") == _sha256(run / MODEL)
    return False


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
