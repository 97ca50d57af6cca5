"""Writes a run's model as a version for TensorFlow Serving, with its contract and warm-up.

An ONNX or TensorFlow Lite file is added to a version: see `edge`.
"""

from __future__ import annotations

import datetime
import importlib.util
import pathlib

from pipelines import exits
from pipelines.progress import say
from pipelines.schema import MIRRORED_REGIONS, REGIONS, OptionError

DEFAULT_OUT = "saved_models/frl_dgt"
FORMATS = ("savedmodel", "onnx", "tflite")


def export_model(
    run,
    out=DEFAULT_OUT,
    version=None,
    seed=None,
    data_root=None,
    prepared=None,
    format="savedmodel",
) -> pathlib.Path:
    """Exports the model of a run, trained on all its subjects.

    The model is trained with the run's options, data and number of epochs; it is kept in the run's
    folder and taken from there the next time.

    Args:
        run: folder of a run of `evaluate`.
        out: folder of the versions; its last part is the name that the model is served under.
        version: int; None for the next.
        seed: int, of the training; None for the run's first.
        data_root, prepared: where the run's database and its prepared form are now, if they moved.
        format: "savedmodel"; or "onnx" or "tflite", a file `model.<format>` more in the version
            that holds this model: `version`, or the highest. Where there is none, it is made.
    Returns:
        the version's folder.
    Raises:
        OptionError: the format's packages are missing, or it cannot hold the model.
        DataError: the run, its data or the version cannot be used. OSError: the disk is full.
        FloatingPointError: training diverged, or a file answers otherwise than the SavedModel.
    """
    from me_keras.exporting import trained, versions

    check_format(format)
    if format == "savedmodel":
        versions.check_free(out, version)  # before any long step
    model = trained.train_on_all(run, seed, data_root, prepared)
    if format == "savedmodel":
        return write_version(model, out, version)
    from me_keras.exporting import edge

    folder = _version_of(model, out, version) or write_version(model, out, version)
    edge.write(model, folder, format)
    return folder


def check_format(format) -> None:
    """Raises OptionError for an unknown format, or one whose packages are not installed."""
    if format not in FORMATS:
        raise OptionError(f"format must be one of {', '.join(FORMATS)}, got {format!r}")
    needed = ("tf2onnx", "onnxruntime") if format == "onnx" else ()
    if not all(map(importlib.util.find_spec, needed)):
        raise OptionError(
            "--format onnx needs me-keras[onnx], on Python 3.10 or newer: pip install "
            "'me-keras[onnx]'"
        )


def _version_of(model, out, version):
    """The folder of `version`, or the highest, if it holds this model; None if there is none."""
    from me_keras.exporting import contract, versions

    number = version or max(versions.numbers(out), default=0)
    if number not in versions.numbers(out):
        return None
    folder = pathlib.Path(out) / str(number)
    promised = contract.read_contract(folder)
    if (promised["data"], promised.get("training")) == (model.data, model.training):
        return folder
    versions.check_free(out, version)  # it was asked for by its number, and holds another model
    return None


def write_version(model, out, version=None) -> pathlib.Path:
    """Writes a `trained.TrainedModel` as a version folder, whole or not at all; its path.

    Every signature has answered its warm-up requests before the folder appears.
    """
    import tensorflow as tf

    from me_keras.exporting import card, contract, signatures, versions, warmup

    out = pathlib.Path(out)
    say(f"writing the signatures of the model into {out}, and trying each")
    mirrored = MIRRORED_REGIONS if model.mirror_test else None
    answers = signatures.Signatures(model.model, model.classes, model.regions, mirrored)
    try:
        with versions.new_version(out, version) as (folder, number):
            signatures.save(answers, folder)
            loaded = tf.saved_model.load(str(folder))
            warmup.write(answers, folder, served_name(out))
            warmup.replay(folder, loaded)
            promised = _contract(model, answers, loaded, served_name(out), number)
            contract.write_contract(folder, promised)
            card.write(folder, promised)
    except (tf.errors.ResourceExhaustedError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in exits.FULL:
            raise
        message = f"{out}: the disk is full, nothing was exported: free some space ({error})"
        raise OSError(message) from None
    return out / str(number)


def served_name(base) -> str:
    """What a server calls the model in this folder of versions."""
    return pathlib.Path(base).resolve().name


def _contract(model, answers, loaded, name, number):
    from me_keras import motion_figures
    from me_keras.evaluation import results
    from me_keras.exporting import contract, images, signatures

    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "format": contract.FORMAT,
        "model": name,
        "version": number,
        "created": now.isoformat(timespec="seconds"),
        "image_size": answers.image_size,
        "classes": list(model.classes),
        "regions": list(REGIONS),
        "canonical_regions": model.regions.astype(float).round(6).tolist(),
        "attention": "global_fusion" if answers.has_attention else "equal",
        "alignment": model.alignment,
        "motion": model.motion,
        "still": {
            "motion_explained": motion_figures.STILL_EXPLAINED,
            "displacement_max_px": motion_figures.STILL_PX,
        },
        "ranges": {
            "float32": [0, 1],
            "uint8": [0, 255],
            "encoded_bytes": [1, images.MAX_BYTES],
            "encoded_side_px": [1, images.MAX_SIDE],
        },
        "signatures": signatures.describe(loaded),
        "data": model.data,
        "score": model.score,
        "training": model.training,
        "versions": results.versions(),
    }
