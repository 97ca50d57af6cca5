"""Measures what each part of FRL-DGT is worth: a run for each switch, beside the full model."""

import sys

from me_keras.ablation.options import AblationOptions
from me_keras.evaluation import KEPT
from me_keras.options import NOT_OPTIONS, RENAMED
from pipelines import cli

EXAMPLES = """examples:
  python -m me_keras.ablate                                  the embedded synthetic database
  python -m me_keras.ablate --dataset smic --data-root DIR --num-seeds 3 --jobs 4
                                                             four folds side by side
  python -m me_keras.ablate --dataset smic --data-root DIR --factors motion fusion
  python -m me_keras.ablate --print-grid > rows.json         then edit rows.json, and
  python -m me_keras.ablate --grid rows.json                 a table of your own

The options given, those of me_keras.loso, are the reference; each row of the grid changes one thing
of it. All rows share clips, folds and seeds. A grid is JSON: {"factor": {"row": {"option": value}}}
with options of me_keras.loso, as "dgm_weight": 0.1. Rows that do not apply, such as another motion
on flow images, are named and left out.

The folder, --out or runs/ablation/<dataset>-<model>-<digest>, holds ablation.csv, ablation.json,
ablation.png, ablation.svg and a run's folder for each row. A command that was stopped goes on where
it was. Exit codes: 0 done, 1 a row failed, a process died or the disk is full, 2 wrong use or
unusable data, 130 stopped."""


def main(argv=None):
    """Runs the command; returns its exit code."""
    from pipelines import protocols

    epilog = f"{EXAMPLES}\n\nprotocols, the default first:\n{protocols.listing()}"
    name, ignored = "python -m me_keras.ablate", (*NOT_OPTIONS, "rows")
    options, debug = cli.parse(AblationOptions, argv, name, __doc__, epilog, RENAMED, ignored)
    return cli.run(_command, options, stopped=f"stopped; {KEPT}", debug=debug)


def _command(options):
    from me_keras.ablation import grid
    from pipelines.progress import say

    chosen = grid.choose(options)  # before TensorFlow is loaded
    for line in chosen.reasons:
        say(line)
    if options.ablation.print_grid:
        print(grid.as_json(chosen))
        return 0
    from me_keras.ablation import report
    from me_keras.ablation.run import ablate

    record = ablate(options, chosen)
    print(report.table(record))
    print(f"table, figure and runs in {record['out']}")
    return 1 if any(row["failed"] for row in record["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
