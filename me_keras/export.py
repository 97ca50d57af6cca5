"""Exports a run's model for TensorFlow Serving: trained on all subjects, with its contract."""

import dataclasses
import datetime
import errno
import pathlib
import sys
from typing import Optional

from me_keras import console
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import MIRRORED_REGIONS, REGIONS

EXAMPLES = """examples:
  python -m me_keras.export --run runs/demo
  python -m me_keras.export --run runs/demo --out models/demo --version 3

The run says what is trained: its options, data and number of epochs. The weights are kept in the
run's folder and taken from there the next time. The model is served under the last part of --out.
Exit codes: 0 done, 1 training diverged or disk full, 2 wrong use or unusable data,
130 interrupted."""


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """Options of `python -m me_keras.export`."""

    run: Optional[str] = option(None, "folder of the run to export, required", metavar="DIR")
    out: str = option("saved_models/frl_dgt", "folder of the versions", metavar="DIR")
    version: Optional[int] = option(None, "number of the version (default: the next)", metavar="N")
    seed: Optional[int] = option(None, "seed of the training (default: the run's first)")
    data_root: Optional[tuple[str, ...]] = option(
        None, "where the run's database is now, if it has moved", metavar="DIR", nargs="+"
    )
    prepared: Optional[str] = option(
        None, "where its prepared form is now, if it has moved", metavar="DIR"
    )

    def __post_init__(self):
        if not self.run:
            raise ValueError("--run is required: the folder of a run of me_keras.loso")
        if self.version is not None and self.version < 1:
            raise ValueError(f"--version must be at least 1, got {self.version}")


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(ExportConfig, argv, "python -m me_keras.export", __doc__, EXAMPLES)
    console.quiet_tensorflow()
    return console.guarded(_command, config, interrupted="stopped; nothing was exported")


def _command(config):
    folder = export(config)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(
        f"{folder}: {size / 2**20:.1f} MiB; serve {folder.parent} as {served_name(folder.parent)}"
    )


def export(config):
    """Exports a run and returns the version's folder.

    Args:
        config: `ExportConfig`.
    Raises:
        DataError: the run, its data or the version cannot be used. OSError: the disk is full.
        FloatingPointError: training diverged.
    """
    from me_keras.exporting import deployable, versions

    versions.check_free(config.out, config.version)  # before any long work
    found = deployable.obtain(config.run, config.seed, config.data_root, config.prepared)
    if found.score is None:
        print(f"note: {config.run} holds no results.json: the contract says no score")
    return write_version(found, config.out, config.version)


def write_version(found, base, version=None):
    """Writes a `Deployable` as a version folder, whole or not at all, and returns the folder.

    Every signature has answered its warm-up requests before the folder appears.

    Args:
        found: `deployable.Deployable`.
        base: folder of all versions; its name is the one the model is served under.
        version: integer; None for the next.
    """
    import tensorflow as tf

    from me_keras.exporting import card, contract, signatures, versions, warmup

    base = pathlib.Path(base)
    mirrored = MIRRORED_REGIONS if found.mirror_test else None
    answers = signatures.Answers(found.model, found.classes, found.regions, mirrored)
    try:
        with versions.new_version(base, version) as (folder, number):
            signatures.save(answers, folder)
            loaded = tf.saved_model.load(str(folder))
            warmup.write(answers, folder, served_name(base))
            warmup.replay(folder, loaded)
            promised = _contract(found, base, number, answers, signatures.describe(loaded))
            contract.write_contract(folder, promised)
            card.write(folder, promised, found.training)
    except tf.errors.ResourceExhaustedError as error:
        raise OSError(f"{base}: the disk is full, nothing was exported ({error})") from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise OSError(f"{base}: the disk is full, nothing was exported") from None
    return base / str(number)


def served_name(base):
    """What a server calls the model in this folder of versions."""
    return pathlib.Path(base).resolve().name


def _contract(found, base, number, answers, signatures):
    from me_keras import loso
    from me_keras.exporting import images
    from me_keras.exporting.contract import FORMAT

    now = datetime.datetime.now(datetime.timezone.utc)
    return {
        "format": FORMAT,
        "model": served_name(base),
        "version": number,
        "created": now.isoformat(timespec="seconds"),
        "image_size": answers.image_size,
        "classes": list(found.classes),
        "regions": list(REGIONS),
        "canonical_regions": found.regions.astype(float).round(6).tolist(),
        "attention": "global_fusion" if answers.has_attention else "equal",
        "alignment": found.alignment,
        "ranges": {
            "float32": [0, 1],
            "uint8": [0, 255],
            "encoded_bytes": [1, images.MAX_BYTES],
            "encoded_side_px": [1, images.MAX_SIDE],
        },
        "signatures": signatures,
        "data": found.data,
        "score": found.score,
        "training": found.training,
        "versions": loso.versions(),
    }


if __name__ == "__main__":
    sys.exit(main())
