"""Exports a run's model, trained on all its subjects: a SavedModel, ONNX or TensorFlow Lite."""

import dataclasses
import sys
from typing import Optional

import me_keras
from me_keras import tracking
from me_keras.exporting.export_model import FORMATS
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

EXAMPLES = """examples:
  python -m me_keras.export --run runs/demo
  python -m me_keras.export --run runs/demo --out models/demo --version 3
  python -m me_keras.export --run runs/demo --format onnx

The run says what is trained: its options, data and number of epochs. The model is kept in the run's
folder and taken from there the next time. It is served under the last part of --out.
--format onnx and tflite write model.onnx and model.tflite into the version that holds this model,
and make that version where there is none. The file answers as its signature displacement does.
Exit codes: 0 done, 1 training diverged or disk full, 2 wrong use or unusable data,
130 stopped."""


@dataclasses.dataclass(frozen=True)
class ExportOptions:
    """What is exported, and where to."""

    run: Optional[str] = option(None, "folder of the run to export, required", metavar="DIR")
    out: str = option("saved_models/frl_dgt", "folder of the versions", metavar="DIR")
    format: str = option(
        "savedmodel",
        "what is written; onnx needs me-keras[onnx]",
        FORMATS,
    )
    version: Optional[int] = option(
        None,
        "number of the version (default: the next; with onnx and tflite the highest). Alone, "
        "without a number: that of me-keras",
        metavar="N",
        least=1,
    )
    seed: Optional[int] = option(None, "seed of the training (default: the run's first)")
    data_root: Optional[tuple[str, ...]] = option(
        None, "where the run's database is now, if it has moved", metavar="DIR", nargs="+"
    )
    prepared: Optional[str] = option(
        None, "where its prepared form is now, if it has moved", metavar="DIR"
    )

    mlflow: bool = option(
        False,
        "also log it as an MLflow model, at MLFLOW_TRACKING_URI (needs me-keras[mlflow])",
    )

    def __post_init__(self):
        cli.check(self)


def main(argv=None):
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(ExportOptions, argv, "python -m me_keras.export", __doc__, EXAMPLES)
    return cli.run(_command, options, stopped="stopped; nothing was exported", debug=debug)


def _command(options):
    if not options.run:
        raise OptionError("--run is required: the folder of a run of me_keras.loso")
    if options.mlflow:
        tracking.check()
    asked = {name: value for name, value in vars(options).items() if name != "mlflow"}
    folder = me_keras.export_model(**asked)
    if options.format == "savedmodel":
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        base = folder.resolve().parent
        print(f"{folder}: {size / 2**20:.1f} MiB; serve {folder.parent} as {base.name}")
    else:
        path = folder / f"model.{options.format}"
        print(f"{path}: {path.stat().st_size / 2**20:.2f} MiB, with the contract in it")
    if options.mlflow:
        print(f"MLflow: {tracking.log_model(folder, tracking.command_line('export', options))}")


if __name__ == "__main__":
    sys.exit(main())
