"""Looks this machine over, trains a moment, and changes nothing.

Says which packages, cores, memory and GPUs there are, which of them TensorFlow uses, how fast the
default model trains, and what is slow or wrong, each with a remedy. python -m pipelines.doctor
looks a copy of a database over.

Exit code: 0 healthy, 1 something found, 2 misuse. A note, which says what is known, is no finding.
"""

import dataclasses
import pathlib
import sys
from typing import Optional

from pipelines import cli
from pipelines.options import DataOptions
from pipelines.schema import OptionError


@dataclasses.dataclass(frozen=True)
class DoctorOptions:
    """What is tried, and what is written"""

    train: bool = cli.option(True, "train some steps of the default model on made-up frames")
    steps: int = cli.option(20, "training steps that are measured", least=1)
    batch_size: int = cli.option(DataOptions.batch_size, "pairs in a batch", least=1)
    json: Optional[str] = cli.option(None, "write the report there too", metavar="FILE")

    def __post_init__(self):
        cli.check(self)


def main(argv=None) -> int:
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(DoctorOptions, argv, "python -m me_keras.doctor", __doc__)
    return cli.run(_examine, options, stopped="stopped: nothing was changed", debug=debug)


def _examine(options) -> int:
    path = pathlib.Path(options.json or "report.json").expanduser()
    if not path.parent.is_dir():
        raise OptionError(f"--json {options.json}: no such folder: {path.parent}")
    from me_keras.machine import report
    from pipelines import files

    found = report.make(options.steps if options.train else 0, options.batch_size)
    print(report.text(found))
    if options.json:
        files.write_whole(path, report.json_text(found))
    return 0 if found.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
