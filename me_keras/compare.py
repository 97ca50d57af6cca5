"""Compares finished runs on the same clips: a ranked page, a table, and paired tests."""

import dataclasses
import pathlib
import sys
from typing import Optional

from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

EXAMPLES = """examples:
  python -m me_keras.compare runs/*
  python -m me_keras.compare runs/a runs/b --reference runs/b --out docs/compare.html

Only runs of the same database, protocol, clips and held-out people are compared. A run without a
report.html gets one. Exit codes: 0 done, 1 a file cannot be written, 2 wrong use, or runs that are
not finished or cannot be compared, 130 stopped."""


@dataclasses.dataclass(frozen=True)
class CompareOptions:
    """What is compared, and where the page goes."""

    runs: tuple[str, ...] = option((), "folders of finished runs", metavar="RUN", positional=True)
    reference: Optional[str] = option(
        None, "folder of the run the others are tested against (default: the best)", metavar="RUN"
    )
    out: str = option("compare.html", "the page; its table goes beside it as .csv", metavar="FILE")

    def __post_init__(self):
        if pathlib.Path(self.out).suffix.lower() not in (".html", ".htm"):
            raise OptionError(f"--out must end in .html, got {self.out!r}")


def main(argv=None):
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(
        CompareOptions, argv, "python -m me_keras.compare", __doc__, EXAMPLES
    )
    return cli.run(_command, options, debug=debug)


def _command(options):
    from me_keras.evaluation.pages import compare_page, leaderboard, run_page

    runs = leaderboard.read(options.runs)
    rows = leaderboard.rank(runs, options.reference)
    for run in runs:
        run_page.write_missing(run)
    page, table = compare_page.write(rows, options.out)
    print(compare_page.text(rows))
    print(f"page in {page}, table in {table}")


if __name__ == "__main__":
    sys.exit(main())
