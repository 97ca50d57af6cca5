"""A run from a copy of a database to its scores: folds trained wherever the options say."""

import contextlib
import functools
import pathlib
import tempfile
import time
import typing

from me_keras import distribution, parallel
from me_keras.evaluation import KEPT, data, folds, gallery, report, results
from me_keras.evaluation.pages import run_page
from me_keras.options import parse_shard
from pipelines import cli, protocols
from pipelines.progress import Progress, say
from pipelines.schema import OptionError


def evaluate(options):
    """Trains and scores a model leave-one-subject-out, and writes the run's folder.

    A run that was stopped goes on from the folds that are in its folder.

    Args:
        options: `me_keras.Options`.
    Returns:
        dict that results.json holds, with `out`, the folder, and `seconds_this_call`. After a shard
        with folds left to train elsewhere: `out`, `missing` (their names) and `num_folds` alone; on
        all machines of TF_CONFIG but the first, which writes the results: `out` alone.
    Raises:
        DataError: the data cannot be used. OptionError: options that contradict each other or the
            folder's earlier run, or folds missing for `merge`. FloatingPointError: training
            diverged. OSError: the disk is full, or the process of a fold died.
    """
    start = time.perf_counter()
    protocol = protocols.choose(options.dataset, options.data.protocol)  # before any long step
    if not options.execution.merge:
        parallel.set_up(options.execution)
        _check_devices(options)
    options = cli.replace(options, threads=parallel.threads(options.execution))
    prepared, manifest = data.load_data(options)
    options = data.resolved(options, prepared.kind)
    prepared, groups, held_out = data.under_protocol(prepared, manifest, protocol, options)
    out = results.open_run(options, prepared.digest)
    seeds = range(options.run.seed, options.run.seed + options.run.num_seeds)
    tasks = folds.list_tasks(seeds, held_out)
    if options.execution.merge:
        records = results.read_folds(out, tasks)
    else:
        prepared = data.with_motion(prepared, options)
        records = train_folds(options, prepared, held_out, seeds, out)
    if not _writes(options.execution):
        return {"out": str(out)}
    missing = [str(task) for task, record in zip(tasks, records) if record is None]
    if missing and options.execution.merge:
        raise OptionError(
            f"{out}: {report.name_missing(missing, len(tasks))}. Train them with the same command "
            "without --merge"
        )
    if missing:
        return {"out": str(out), "missing": missing, "num_folds": len(tasks)}
    table = {**prepared.table, "group": groups}
    found = results.write_results(options, prepared, table, manifest, records, out)
    gallery.write(out)
    run_page.write(out)
    return {**found, "out": str(out), "seconds_this_call": time.perf_counter() - start}


def train_folds(options, prepared, held_out, seeds, out, own_options=None):
    """Trains the folds that are not on disk yet, or their shard, where `options` say.

    Args:
        options: `Options`, presets and protocol filled in.
        prepared: the clips, with their motion; `held_out`: list of `Fold` of its rows.
        out: folder of the run.
        own_options: dict of group -> `Options` of its fold in place of `options`, to be kept in
            its record; a fold on disk that was trained with others is trained again.
    Returns:
        list of all records, by seed, then fold; None where another shard has yet to train one.
    Raises:
        DataError: the record of a fold is damaged. FloatingPointError: training diverged.
        OSError: the disk is full, or the process of a fold died.
    """
    tasks = folds.list_tasks(seeds, held_out, own_options)
    records = results.read_folds(out, tasks)
    ours = _shard(tasks, options.execution.shard)
    missing = [task for task in ours if not _is_done(options, out, task, records[task.index])]
    if not missing:
        return records
    _check_agreement(options, missing, out)

    def epochs(task):
        training = (task.options or options).training
        return training.epochs + (training.warmup_epochs if options.model.motion == "dgm" else 0)

    total, left = (sum(map(epochs, some)) for some in (ours, missing))
    say(f"training {len(missing)} of {len(tasks)} folds, {left} epochs, into {out}")
    with Progress(total, "training", "epoch", total - left) as progress:

        def advance(task, by):
            place = ours.index(task) + 1
            progress.update(by, f"fold {place} of {len(ours)}: {task.fold.group}, seed {task.seed}")

        train = _training(options, prepared, out, advance)
        try:
            with contextlib.closing(parallel.run(train, missing, options.execution)) as done:
                for task, result in done:
                    if isinstance(result, parallel.Died):
                        times = parallel.RETRIES + 1
                        raise ChildProcessError(
                            f"{task}: its process died {times} times, at last {result}"
                        )
                    records[task.index], seen, model = result
                    if _writes(options.execution):
                        results.keep(records[task.index], out, seen, model)
                        if options.execution.executor == "ray":  # a worker may not reach `out`
                            _tensorboard().log_fold(records[task.index], seen, out)
                    if not options.execution.in_this_process:
                        advance(task, epochs(task))
        except OSError as error:
            raise OSError(f"{error}; {KEPT}") from error
    return records


def _training(options, prepared, out, advance):
    """The function of a task, for this process or for others; here it counts its epochs."""
    execution = options.execution
    if not execution.in_this_process:
        elsewhere = functools.partial(train_elsewhere, data.ClipsOnDisk.of(prepared, options))
        if execution.executor == "ray":
            return elsewhere
        return functools.partial(elsewhere, out=str(pathlib.Path(out).resolve()))
    import keras

    trainer, live = FoldTrainer(options, prepared), out if _writes(execution) else None

    def train(task):
        count = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: advance(task, 1))
        return _train_live(trainer, task, live, [count])

    return train


def _train_live(trainer, task, out, callbacks=()):
    """What `trainer` makes of a task; its curves are written while it trains, unless `out` is None.

    Args:
        out: folder of the run.
    """
    if out is None:
        return trainer(task, callbacks)
    log, seen = _tensorboard().FoldLog(out, task.seed, task.fold.group), None
    try:
        record, seen, model = trainer(task, [*callbacks, log])
    finally:
        log.finish(seen)
    return record, seen, model


def _tensorboard():
    from me_keras.evaluation import tensorboard  # loads Keras: not before a fold is trained

    return tensorboard


class FoldTrainer:
    """Trains folds one after another in this process: those of the same options on one graph.

    Args:
        options: `Options`, presets filled in.
        prepared: the clips that the folds' rows mean.
    """

    def __init__(self, options, prepared):
        self.options, self.prepared = options, prepared
        self.of_trainer: typing.Any = None
        self.trainer: typing.Any = None

    def __call__(self, task, callbacks=()):
        """The record of a `FoldTask`, what was seen, and the model's bytes where options keep it.

        Raises:
            FloatingPointError: training diverged; the message names the fold.
        """
        options = task.options or self.options
        self._make_trainer(options)
        datasets = data.datasets_of(self.prepared, options)
        try:
            record, seen = folds.run_fold(self.trainer, task.fold, task.seed, datasets, callbacks)
        except FloatingPointError as error:
            raise FloatingPointError(f"{task}: {error}") from None
        model = self._saved() if self.options.run.save_models else None
        if task.options:
            record["options"] = cli.to_json(task.options)
        parameters, device = self.trainer.num_parameters, parallel.device()
        facts = {"threads": parallel.num_threads(), "parameters": parameters, "device": device}
        return {**record, **facts}, seen, model

    def _make_trainer(self, options):
        if self.of_trainer == options:
            return
        if self.trainer:
            self.trainer = None
            data.forget_trainers()
        self.of_trainer, self.trainer = options, data.make_trainer(options, self.prepared)

    def _saved(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "model.keras")
            self.trainer.save(path)
            return path.read_bytes()


def train_elsewhere(clips, task, out=None):
    """As `FoldTrainer`, in another process, which makes its trainer once.

    Args:
        clips: `ClipsOnDisk`.
        out: folder of the run, for TensorBoard; None where this process may not reach it.
    """
    return _train_live(trainer_of(clips), task, out)


@functools.lru_cache(maxsize=1)
def trainer_of(clips):
    """The `FoldTrainer` of this process, made once."""
    return FoldTrainer(clips.options, clips.read())


def _shard(tasks, text):
    """Every n-th task, from the i-th on, for the shard "i/n"; all without one."""
    if text is None:
        return tasks
    number, count = parse_shard(text)
    return tasks[number - 1 :: count]


def _is_done(options, out, task, record):
    kept = results.fold_path(out, task.seed, task.fold.group, ".keras")
    own = cli.to_json(task.options) if task.options else None
    same = record is not None and record.get("options") == own
    return same and (not options.run.save_models or kept.exists())


def _check_devices(options):
    """Finds out before any long step whether a fold can be trained on the devices asked for."""
    if options.execution.in_this_process:
        strategy = distribution.choose_strategy(options.execution.strategy)
        distribution.check_batch(strategy, options.data.batch_size)


def _writes(execution):
    """Whether this process writes the run's files: of the machines of TF_CONFIG, the first."""
    return not execution.in_this_process or distribution.writes_results(execution.strategy)


def _check_agreement(options, missing, out):
    if options.execution.in_this_process:
        message = (
            f"the workers of TF_CONFIG do not find the same folds in {out}: it must be on a disk "
            "that they share, and their options the same"
        )
        strategy = distribution.choose_strategy(options.execution.strategy)
        state = f"{options.training.epochs} {list(map(str, missing))}"
        distribution.agree(strategy, state, message)
