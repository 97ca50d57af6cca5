"""Searches the options of me_keras.loso with KerasTuner, and reports what they are worth."""

import sys

from me_keras import console
from me_keras.tuning.options import TuneConfig
from pipelines import cli

EXAMPLES = """examples:
  python -m me_keras.tune --max-trials 20                      the embedded synthetic database
  python -m me_keras.tune --dataset smic --data-root DIR --scope nested --tuner bayesian
  python -m me_keras.tune --dataset smic --data-root DIR --only learning_rate width dropout
  python -m me_keras.tune --config poor.json --report-start    from other options, compared
  python -m me_keras.loso --config tuning/<name>/best.json     a run with what was found

workers on this machine:
  python -m me_keras.tune --workers 2 …

workers on several machines, a trusted network: the same command everywhere, the data on each, with
  KERASTUNER_TUNER_ID=chief    KERASTUNER_ORACLE_IP=0.0.0.0 KERASTUNER_ORACLE_PORT=8991   on one,
  KERASTUNER_TUNER_ID=worker-a KERASTUNER_ORACLE_IP=<its address> KERASTUNER_ORACLE_PORT=8991
on each other, with a name of its own. A worker that was lost is started again with the same name.

The folder holds best.json, trials.csv, progress.png, parallel.png, importance.png, tensorboard/,
searches/, logs/ and report/. A search that was stopped goes on when the same command is given
again; --max-trials may grow. Exit codes: 0 done, 1 trials or workers failed, 2 wrong use or
unusable data, 130 interrupted."""


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(TuneConfig, argv, "python -m me_keras.tune", __doc__, EXAMPLES)
    console.quiet_tensorflow()
    note = "stopped; finished trials are kept, the same command goes on from here"
    return console.guarded(_command, config, interrupted=note)


def _command(config):
    from me_keras.tuning import session

    if session.role(config) == session.WORKER:
        session.work(config)
    else:
        session.search(config)


if __name__ == "__main__":
    sys.exit(main())
