"""The model that is deployed: trained on all subjects, just as long as the run's folds were.

Its score is the run's: of the same training on other people. There is no better estimate, since no
clip is left to test it on.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib

import numpy as np

from me_keras import __version__, loso
from me_keras.config import LosoConfig, ModelConfig, TrainingConfig, with_presets
from pipelines import protocols
from pipelines.schema import REGIONS, DataError

WEIGHTS = "deployable.weights.h5"
RECORD = "deployable.json"


@dataclasses.dataclass(frozen=True)
class Deployable:
    """A trained model, and what is known of how it came to be.

    Attributes:
        model: `keras.Model`, float32, outside any distribution strategy.
        regions: (9, 4) boxes of the average aligned face, y1, x1, y2, x2 in [0, 1].
        mirror_test: whether probabilities are averaged with the mirrored face's.
        alignment, data, score: as in the contract. training: as the model card shows it.
    """

    model: object
    classes: tuple[str, ...]
    regions: np.ndarray
    mirror_test: bool
    alignment: dict
    data: dict
    score: dict | None
    training: dict


def read_run(folder) -> tuple[LosoConfig, dict, dict | None]:
    """A run's options, the whole of its config.json, and its results, None if it has none.

    Raises:
        DataError: not the folder of a run, or one whose model cannot be exported.
        ValueError: a damaged file.
    """
    folder = pathlib.Path(folder)
    path = folder / "config.json"
    record, results = _read(path), _read(folder / "results.json")
    if record is None:
        raise DataError(
            f"{folder}: not a run, it holds no config.json; make one with python -m me_keras.loso"
        )
    names = {field.name for field in dataclasses.fields(LosoConfig)}
    given = {name: value for name, value in record.items() if name in names}
    values: dict = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    try:
        config = LosoConfig(**values)
    except (TypeError, ValueError) as error:
        raise DataError(f"{path}: {error}; run loso again") from None
    _check_exportable(folder, config)
    return config, record, results


def _read(path):
    from me_keras.evaluation.files import read_json

    return read_json(path, "run loso again")


def _check_exportable(folder, config):
    if config.model != "frl_dgt":
        raise DataError(
            f"{folder}: its model is {config.model}; only frl_dgt can be exported, the one that "
            "finds the displacement by itself"
        )
    if config.motion not in (None, "dgm"):
        what = "holds motion images" if config.motion == "precomputed" else "is not TensorFlow's"
        raise DataError(
            f"{folder}: its --motion {config.motion} {what}, but a served model is given two "
            "frames; export a run with --motion dgm on a database of frames"
        )


def obtain(run, seed=None, data_root=None, prepared_folder=None) -> Deployable:
    """The deployable model of a run: from the run's folder if it was trained before.

    Args:
        run: folder of the run.
        seed: int; default: the run's first.
        data_root, prepared_folder: where the run's data are now, if they have moved.
    Raises:
        DataError: the run cannot be exported, or the data are not the run's.
        FloatingPointError: training diverged.
    """
    config, record, results = read_run(run)
    changed = {"data_root": data_root, "prepared": prepared_folder, "seed": seed}
    config = dataclasses.replace(config, **{k: v for k, v in changed.items() if v is not None})
    protocol = protocols.choose(config.dataset, config.protocol)
    prepared, manifest = loso.load_data(config)
    config = with_presets(config, prepared.kind)
    prepared, _, _ = loso.under_protocol(prepared, manifest, protocol, config)
    if prepared.digest != record.get("data_digest"):
        raise DataError(
            f"{run}: the clips found now are not those of the run (digest {prepared.digest[:8]}, "
            f"the run's {str(record.get('data_digest'))[:8]}): give its --data-root or --prepared, "
            "or run loso again"
        )
    trainer = loso.make_trainer(config, prepared)
    model = _trained(trainer, prepared, config, pathlib.Path(run))
    counts = np.bincount(prepared.labels, minlength=len(prepared.classes))
    return Deployable(
        model=model,
        classes=tuple(prepared.classes),
        regions=average_regions(prepared),
        mirror_test=config.mirror_test,
        alignment=_alignment(manifest),
        data={
            "dataset": config.dataset,
            "protocol": protocol.name,
            "digest": prepared.digest,
            "clips": len(prepared),
            "subjects": len(set(prepared.subject_keys)),
        },
        score=score_of(results),
        training={
            "run": pathlib.Path(run).resolve().name,
            "seed": config.seed,
            "epochs": config.epochs,
            "warmup_epochs": config.warmup_epochs,
            "mirror_test": config.mirror_test,
            "class_counts": dict(zip(prepared.classes, map(int, counts))),
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
    return {
        **scores,
        "seeds": len(results["uf1"]["per_seed"]),
        **counts,
        "note": tuned["note"] if tuned else None,
    }


def average_regions(prepared) -> np.ndarray:
    """(9, 4) mean boxes of the clips, as fractions of the centre crop the model sees."""
    margin = (prepared.frame_size - prepared.image_size) // 2
    boxes = (prepared.regions * prepared.frame_size - margin) / prepared.image_size  # (n, 9, 4)
    return np.clip(boxes, 0, 1).mean(axis=0).reshape(len(REGIONS), 4)


def _alignment(manifest):
    from pipelines.faces import align

    return {
        "image_size": manifest["image_size"],
        "margin": manifest["margin"],
        "rigid": bool(manifest["parameters"].get("rigid", True)),
        "eye_distance": align.EYE_DISTANCE,
        "eye_level": align.EYE_LEVEL,
    }


def _trained(trainer, prepared, config, folder):
    """A fresh model with the deployable weights, trained now or taken from the run's folder."""
    from me_keras.evaluation.files import write_whole

    model = fresh(trainer.model)
    weights, record = folder / WEIGHTS, folder / RECORD
    recipe = _recipe(config, prepared)
    if _kept(record, weights, recipe):
        model.load_weights(weights)
        return model
    history = _train(trainer, prepared, config)
    model.set_weights(trainer.model.get_weights())
    partial = folder / f"partial.{WEIGHTS}"
    model.save_weights(partial)
    partial.replace(weights)
    kept = {"recipe": recipe, "weights": _sha256(weights), "seed": config.seed, **history}
    write_whole(record, json.dumps(kept, indent=1) + "\n")
    return model


def _train(trainer, prepared, config):
    """Trains on all clips, exactly as `folds.run_fold` trains on those of a fold."""
    from tqdm import tqdm

    datasets, rows = loso.Datasets(prepared, config), np.arange(len(prepared))
    total = config.warmup_epochs + config.epochs
    with tqdm(total=total, unit="epoch", desc="all subjects", disable=None) as bar:

        def on_epoch(values):
            bar.set_postfix(loss=f"{values['loss']:.3f}", refresh=False)
            bar.update()

        trainer.reset(config.seed)
        warmup = []
        if config.warmup_epochs:
            warmup = trainer.warm_up(datasets.pairs(rows, config.seed), on_epoch)
        return {
            "warmup": warmup,
            "history": trainer.fit(datasets.train(rows, config.seed), on_epoch),
        }


def fresh(model):
    """A copy of `model` in float32 and outside any distribution strategy, fit to be exported.

    A model under a strategy keeps a copy of some variables per replica, half precision is slow
    where the serving machine lacks it, and what was built for XLA is slow without it.
    """
    from me_keras import distribution

    with distribution.precision("off"):  # of the layers that layers make
        copy = type(model).from_config(_for_serving(model.get_config()))
    copy.set_weights(model.get_weights())
    return copy


def _for_serving(config):
    """A model's configuration with mixed precision and forms made for XLA taken out."""
    if isinstance(config, dict):
        if config.get("class_name") == "Policy":
            return "float32"
        plain = {key: _for_serving(value) for key, value in config.items()}
        return {**plain, "compiled": False} if "compiled" in plain else plain
    if isinstance(config, (list, tuple)):
        return type(config)(_for_serving(value) for value in config)
    return config


def _recipe(config, prepared):
    """Digest of all that the weights depend on."""
    names = [f.name for kind in (ModelConfig, TrainingConfig) for f in dataclasses.fields(kind)]
    options = {name: getattr(config, name) for name in sorted(set(names))}
    facts = [options, config.seed, prepared.image_size, prepared.digest, prepared.classes]
    text = json.dumps([*facts, __version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _kept(record, weights, recipe):
    """Whether the run's folder holds whole weights of this recipe."""
    try:
        kept = _read(record) or {}
        return kept.get("recipe") == recipe and kept.get("weights") == _sha256(weights)
    except (OSError, ValueError):
        return False


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
