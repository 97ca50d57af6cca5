"""Trains and evaluates a model leave-one-subject-out, from frames on disk to UF1 and UAR."""

import contextlib
import dataclasses
import functools
import sys
import time

from me_keras import console, distribution
from me_keras.config import ExecutorConfig, LosoConfig, with_presets
from me_keras.evaluation import data, executors, run_folder, shards, work
from me_keras.evaluation.data import Datasets, load_data, with_motion
from me_keras.evaluation.progress import Progress
from me_keras.evaluation.run_folder import open_run, versions, write_results
from me_keras.evaluation.work import make_trainer
from pipelines import cli, protocols

# With what this module defines, what other commands build upon.
__all__ = ["Datasets", "load_data", "make_trainer", "open_run", "versions", "with_motion"]
__all__ += ["main", "run", "train_folds", "under_protocol", "write_results"]

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
diverged, a process died or disk full, 2 wrong use or unusable data, 130 interrupted."""

_KEPT = "finished folds are kept, the same command goes on from here"


def main(argv=None):
    """Runs the command; returns its exit code."""
    epilog = f"{EXAMPLES}\n\nprotocols, the default first:\n{protocols.listing()}"
    config = cli.parse(LosoConfig, argv, "python -m me_keras.loso", __doc__, epilog)
    console.quiet_tensorflow()
    return console.guarded(_command, config, interrupted=f"stopped; {_KEPT}")


def _command(config):
    from me_keras.evaluation import report

    results, out = run(config)
    if results:
        print(report.table(results))
        print(f"results in {out}")


def run(config):
    """Evaluates `config` and writes the run's folder.

    Args:
        config: `LosoConfig`.
    Returns:
        tuple of the record that results.json holds, and the folder. The record is None for a shard
        after which other folds are left; which ones, and how to go on, is printed.
    Raises:
        DataError: the data cannot be used. ValueError: options that contradict each other or the
            folder's earlier run, folds missing for `merge`. FloatingPointError: training diverged.
            OSError: disk full, or the process of a fold died.
    """
    start = time.perf_counter()
    protocol = protocols.choose(config.dataset, config.protocol)  # before any long work
    given, config = config, dataclasses.replace(config, threads=executors.threads(config))
    if not config.merge:
        executors.check(config)
    _set_up_this_process(config)
    prepared, manifest = load_data(config)
    config = with_presets(config, prepared.kind)
    config = dataclasses.replace(config, protocol=protocol.name)
    prepared, groups, splits = under_protocol(prepared, manifest, protocol, config)
    out = open_run(config, prepared.digest)
    seeds = range(config.seed, config.seed + config.num_seeds)
    if not config.merge:
        prepared = with_motion(prepared, config)
        train_folds(config, prepared, splits, seeds, out)
    if config.in_this_process and not distribution.writes_results(config.strategy):
        print(f"this worker is done; the first one writes {out}")
        return None, out
    jobs = work.listed(seeds, splits)
    records = run_folder.read_records(out, jobs)
    left = [job for job, record in zip(jobs, records) if record is None]
    if left:
        _tell_what_is_left(given, out, left, len(jobs))
        return None, out
    table = {**prepared.table, "group": groups}
    results = write_results(config, prepared, table, manifest, records, out)
    results["seconds_this_call"] = time.perf_counter() - start
    return results, out


def _set_up_this_process(config):
    if not config.in_this_process:
        work.leave_gpus()
    elif not config.merge:
        work.limit_threads(config.threads)
        strategy = distribution.choose_strategy(config.strategy, config.worker_timeout)
        distribution.check_batch(strategy, config.batch_size)


def _check_agreement(config, missing, out):
    strategy = distribution.choose_strategy(config.strategy, config.worker_timeout)
    message = (
        f"the workers of TF_CONFIG do not find the same folds in {out}: it must be on a disk that "
        "they share, and their options the same"
    )
    distribution.agree(strategy, f"{config.epochs} {list(map(str, missing))}", message)


def _tell_what_is_left(config, out, left, total):
    what = f"{out}: {len(left)} of {total} folds are missing: {shards.naming(left)}"
    if config.merge:
        raise ValueError(f"{what}. Train them with the same command without --merge")
    ours = [field.name for field in dataclasses.fields(ExecutorConfig)]
    print(f"shard {config.shard} is done. {what}. When they are there, pool all with")
    print(f"  {shards.merge_command(config, out, ours)}")


def under_protocol(prepared, manifest, protocol, config):
    """What the protocol takes of the prepared clips, and what it holds out together.

    Prints what is on disk beside what the protocol expects of a whole copy.

    Returns:
        tuple of the clips taken, the group of each, and the list of `Fold`.
    Raises:
        DataError: no clip of the protocol, or too little to hold something out.
    """
    data.print_summary(manifest["clips"], protocol)
    selected, groups = data.select(prepared, manifest, protocol)
    return selected, groups, data.splits(groups, protocol, config)


def train_folds(config, prepared, splits, seeds, out):
    """Trains the folds that are not on disk yet, or their shard, where `config` says.

    Args:
        config: `LosoConfig`, presets and protocol filled in.
        prepared: the clips, with their motion; `splits`: list of `Fold` of its rows.
        out: folder of the run.
    Returns:
        list of all records, by seed, then fold; None where another shard has yet to train one.
    Raises:
        ValueError: the record of a fold is damaged. FloatingPointError: training diverged.
        OSError: disk full, or the process of a fold died.
    """
    jobs = work.listed(seeds, splits)
    records = run_folder.read_records(out, jobs)
    ours = shards.take(jobs, config.shard)
    missing = [job for job in ours if records[job.index] is None]
    if not missing:
        return records
    config = dataclasses.replace(config, threads=executors.threads(config))
    writes = True
    if config.in_this_process:
        writes = distribution.writes_results(config.strategy)
        _check_agreement(config, missing, out)
        make = functools.partial(work.FoldTrainer, config, prepared)
    else:
        make = work.recipe(config, prepared)
    epochs = config.epochs + (config.warmup_epochs if prepared.motion is None else 0)
    with Progress(len(ours), len(ours) - len(missing), epochs) as progress:
        try:
            with contextlib.closing(executors.run(missing, make, config, progress)) as done:
                for job, record in done:
                    if writes:
                        run_folder.keep(record, out)
                    records[job.index] = record
                    progress.finished(job)
        except OSError as error:
            raise OSError(f"{error}; {_KEPT}") from error
    return records


if __name__ == "__main__":
    sys.exit(main())
