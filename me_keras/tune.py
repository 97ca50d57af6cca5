"""Searches the options of me_keras.loso with KerasTuner, and reports what they are worth."""

import sys

from me_keras import tracking
from me_keras.options import NOT_OPTIONS, RENAMED
from me_keras.tuning.options import GONE, SearchOptions
from pipelines import cli
from pipelines.schema import OptionError

EXAMPLES = """examples:
  python -m me_keras.tune --max-trials 20                      the embedded synthetic database
  python -m me_keras.tune --dataset smic --data-root DIR --scope nested --tuner bayesian
  python -m me_keras.tune --dataset smic --data-root DIR --only learning_rate hidden_dim dropout
  python -m me_keras.tune --dataset smic --data-root DIR --jobs 4
                                                               four trials side by side
  python -m me_keras.tune --dataset smic --data-root DIR --executor ray --ray-address HEAD:6379
                                                               trials on a Ray cluster's machines
  python -m me_keras.tune --config poor.json --report-start    from other options, compared
  python -m me_keras.loso --config tuning/<name>/best.json     a run with what was found

The folder of a search, --out or tuning/<dataset>-<scope>-<tuner>, holds best.json, trials.csv,
tuning.json, progress.png, parallel.png, importance.png, tensorboard/, searches/ and report/. A
search that was stopped goes on when the same command is given again; --max-trials may grow. Exit
codes: 0 done, 1 trials failed, a process died or the disk is full, 2 wrong use or unusable data,
130 stopped."""

STOPPED = "stopped; finished trials are kept, the same command goes on from here"


def main(argv=None):
    """Runs the command; returns its exit code."""
    argv = sys.argv[1:] if argv is None else list(argv)
    name, ignored = "python -m me_keras.tune", (*NOT_OPTIONS, *GONE)
    for old, what in GONE.items():
        flag = "--" + old.replace("_", "-")
        if any(word.split("=")[0] == flag for word in argv):
            return cli.run(_refuse, f"{flag} {what}")
    options, debug = cli.parse(SearchOptions, argv, name, __doc__, EXAMPLES, RENAMED, ignored)
    return cli.run(_command, options, stopped=STOPPED, debug=debug)


def _refuse(message):
    raise OptionError(message)


def _command(options):
    from me_keras.evaluation import report
    from me_keras.tuning import tables
    from me_keras.tuning.search import search

    if options.run.mlflow:
        tracking.check()
    record = search(options)
    found, start = record["report"], record["report_start"]
    print(tables.summary(record))
    if found:
        print(report.table(found))
        print(f"tuning: {record['tuning']['note']}")
    for name in ("uf1", "uar", "accuracy") if start else ():
        before, after = start[name]["mean"], found[name]["mean"]
        print(f"{name}: {before:.4f} with the options given, {after:.4f} with those found")
    print(f"best options in {record['out']}/best.json" + (", report in report/" if found else ""))
    if options.run.mlflow:
        print(f"MLflow: {tracking.log_search(record, tracking.command_line('tune', options))}")


if __name__ == "__main__":
    sys.exit(main())
