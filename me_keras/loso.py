"""Trains and evaluates a model leave-one-subject-out, from frames on disk to UF1 and UAR."""

import sys

from me_keras import tracking
from me_keras.evaluation import KEPT
from me_keras.options import NOT_OPTIONS, RENAMED, Options
from pipelines import cli

EXAMPLES = """examples:
  python -m me_keras.loso                                  the embedded synthetic database
  python -m me_keras.loso --dataset smic --data-root DIR   a licensed copy of SMIC
  python -m me_keras.loso --dataset smic --data-root DIR --num-seeds 3 --motion tvl1
  python -m me_keras.loso --dataset smic --data-root DIR --jobs 4
                                                           four folds side by side
  python -m me_keras.loso --dataset smic --data-root DIR --executor ray --ray-address HEAD:6379
                                                           folds on the machines of a Ray cluster
  sbatch --array=1-16 --wrap 'python -m me_keras.loso … --shard $SLURM_ARRAY_TASK_ID/16'
                                                           then, once: the same with --merge

A run that was stopped goes on when the same command is given again. Exit codes: 0 done, 1 training
diverged, a process died or the disk is full, 2 wrong use or unusable data, 130 stopped."""


def main(argv=None):
    """Runs the command; returns its exit code."""
    from pipelines import protocols

    epilog = f"{EXAMPLES}\n\nprotocols, the default first:\n{protocols.listing()}"
    name = "python -m me_keras.loso"
    options, debug = cli.parse(Options, argv, name, __doc__, epilog, RENAMED, NOT_OPTIONS)
    return cli.run(_command, options, stopped=f"stopped; {KEPT}", debug=debug)


def _command(options):
    from me_keras.evaluation import report, run

    if options.run.mlflow:
        tracking.check()
    found = run.evaluate(options)
    print(report.summary(found, options))
    if options.run.mlflow and "uf1" in found:
        print(f"MLflow: {tracking.log_run(found['out'], tracking.command_line('loso', options))}")


if __name__ == "__main__":
    sys.exit(main())
