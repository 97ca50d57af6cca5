"""Stand-ins for what trains folds, also in another process, which imports them by name."""

import dataclasses
import gc
import os
import pathlib
import signal
import sys
import time

import numpy as np

from me_keras.evaluation import folds, run


def tasks(count=4, seeds=(0,)):
    """Tasks of so many folds."""
    splits = [folds.Fold(f"s{n:02d}", np.arange(2), np.arange(2, 4)) for n in range(count)]
    return folds.list_tasks(seeds, splits)


def record(task, **more):
    """A record of a fold without any training: every clip is of the first of three classes."""
    rows = [int(row) for row in task.fold.test]
    return {
        "group": task.fold.group,
        "seed": task.seed,
        "predictions": {"row": rows, "probabilities": [[0.8, 0.1, 0.1]] * len(rows)},
        "warmup": [],
        "history": [{"loss": 1.0, "accuracy": 0.5, "reconstruction": 0.0, "smoothness": 0.0}],
        "seconds": 0.1,
        "seconds_setup": 0.01,
        **more,
    }


def of_this_process(task, seconds=0.0):
    """Answers with what this process is, and how many tasks it has had."""
    had.append(task.index)
    time.sleep(seconds)
    found = {"process": os.getpid(), "had": len(had), "member": "TF_CONFIG" in os.environ}
    if "tensorflow" in sys.modules:
        from me_keras import parallel

        threading = sys.modules["tensorflow"].config.threading
        found["threads"] = parallel.num_threads()
        found["inter"] = threading.get_inter_op_parallelism_threads()
    return found


had: list = []


@dataclasses.dataclass(frozen=True)
class Dies:
    """Ends its process in the middle of fold `group`, the first `times` times."""

    folder: str
    group: str
    times: int

    def __call__(self, task):
        die_the_first_times(self.folder, task, self.group, self.times)
        return of_this_process(task)


def die_the_first_times(folder, task, group, times):
    """Kills this process if fold `group` has been tried fewer than `times` times."""
    if task.fold.group != group:
        return
    path = pathlib.Path(folder)
    tried = len(list(path.glob("tried-*")))
    if tried < times:
        (path / f"tried-{tried}").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def diverge(task):
    """A fold whose loss is no number."""
    raise FloatingPointError(f"{task}: no")


def train_but_die_once(folder, group, clips, task):
    """As `run.train_elsewhere`, but its process dies once, after the first epoch of `group`."""
    import keras

    def die(*_):
        die_the_first_times(folder, task, group, 1)

    trainer = run.trainer_of(clips)
    return trainer(task, [keras.callbacks.LambdaCallback(on_epoch_end=die)])


def memory_after_each_trial(tasks):
    """Resident memory of this process, MiB, after each of the trials `tasks`."""
    from me_keras.tuning import trials

    sizes = []
    for task in tasks:
        trials.try_out(task)
        gc.collect()
        pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
        sizes.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
    return sizes
