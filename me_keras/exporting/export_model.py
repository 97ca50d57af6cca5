"""Writes a run's model as a version for TensorFlow Serving, with its contract and warm-up."""

from __future__ import annotations

import datetime
import pathlib

from pipelines import exits
from pipelines.progress import say
from pipelines.schema import MIRRORED_REGIONS, REGIONS

DEFAULT_OUT = "saved_models/frl_dgt"


def export_model(
    run, out=DEFAULT_OUT, version=None, seed=None, data_root=None, prepared=None
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
    Returns:
        the version's folder.
    Raises:
        DataError: the run, its data or the version cannot be used. OSError: the disk is full.
        FloatingPointError: training diverged.
    """
    from me_keras.exporting import trained, versions

    versions.check_free(out, version)  # before any long step
    return write_version(trained.train_on_all(run, seed, data_root, prepared), out, version)


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
