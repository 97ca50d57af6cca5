"""Runs one function over many tasks that train: in this process, in several, or on a Ray cluster.

A result does not depend on where a task runs, but for the last bits: the number of threads of an
operation decides how its sums are split.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import tempfile

from me_keras import ray_cluster
from pipelines import parallel, silence, stack
from pipelines.parallel import WAIT, Died, cores
from pipelines.progress import say
from pipelines.schema import OptionError

__all__ = ["WAIT", "Died", "limit_threads", "num_threads", "run", "set_up", "threads"]

RETRIES = 2  # of a task whose process dies


def run(function, tasks, execution, own_process=False):
    """Yields (task, `function(task)`) as results come, from wherever `execution` says.

    Args:
        function: of a task. For other processes than this one it must pickle, and keeps what it
            trains with from task to task: in an `lru_cache`.
        tasks: list, or an iterable from which a task is taken when there is room for it; it may
            yield `WAIT`: none for now. A task as text is what a message calls it.
        execution: `ExecutionOptions`.
        own_process: use another process for `jobs=1` too.
    Yields:
        tuples of a task and its result, which is a `Died` where its process died every time.
    Raises:
        DataError: Ray is not installed, nobody answers at its address, or no machine has what a
            task asks for. Whatever `function` raises is raised here.
    """
    if execution.executor == "ray":
        task = functools.partial(
            _in_child, function, threads(execution), _at_a_time(execution), None
        )
        return ray_cluster.run(task, tasks, execution, RETRIES)
    if execution.in_this_process and not own_process:
        return parallel.run(function, tasks, 1)
    return _run_in_processes(function, tasks, execution, own_process)


def set_up(execution):
    """Sets up this process: call before any long step, and before TensorFlow's first operation.

    Raises:
        DataError: Ray is not installed, or its cluster not in reach.
        OptionError: TensorFlow already runs with another number of threads.
    """
    if execution.executor == "ray":
        ray_cluster.check(execution)
    if execution.in_this_process:
        limit_threads(execution.threads)
        return
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):  # it has the GPUs already
        tf.config.set_visible_devices([], "GPU")  # whose memory other processes will want


def threads(execution):
    """TensorFlow's threads for one operation in each process: half of its cores, or as asked."""
    return execution.threads or max(1, _cores_of_each(execution) // 2)


def _at_a_time(execution):
    """How many operations each process runs at once."""
    return max(1, _cores_of_each(execution) // threads(execution))


def _cores_of_each(execution):
    if execution.executor == "ray":
        return max(1, int(execution.cpus_per_fold))
    return max(1, cores() // execution.jobs)


def num_threads():
    """TensorFlow's threads for one operation in this process."""
    import tensorflow as tf

    return tf.config.threading.get_intra_op_parallelism_threads() or cores()


def device():
    """What TensorFlow computes on in this process: the names of its GPUs, or "CPU"."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    names = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus
    ]
    return ", ".join(names) or "CPU"


def limit_threads(count=None):
    """Sets TensorFlow's threads for one operation in this process.

    Its operations are small here. Two at a time, on half of the cores each, take less time than one
    after the other on all: docs/benchmarks.md. The number decides how sums are split, and so the
    last bits of a result.

    Args:
        count: int; None for half of the cores, unless TensorFlow already runs.
    Raises:
        OptionError: TensorFlow already runs with another number.
    """
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(count or max(1, cores() // 2))
    except RuntimeError:
        if count:
            raise OptionError(
                f"threads: TensorFlow already runs with another number than {count} in this process"
            ) from None


def _in_child(function, count, at_a_time, places, task):
    """One task, in a process made for such."""
    _set_up_child(count, at_a_time, places)
    return function(task)


@functools.lru_cache(maxsize=1)
def _set_up_child(count, at_a_time, places):
    """Once in each process: TensorFlow's threads, and the share of this machine's GPUs.

    Args:
        count: threads of an operation. at_a_time: operations.
        places: folder of the locks that number the processes of this machine, which share out its
            GPUs; None where the process may use all GPUs that it sees.
    """
    silence.quiet()
    stack.check()  # of this machine, which may be another one
    import tensorflow as tf

    os.environ.pop("TF_CONFIG", None)  # it is no member of a MultiWorkerMirroredStrategy
    limit_threads(count)
    tf.config.threading.set_inter_op_parallelism_threads(at_a_time)
    gpus = tf.config.list_physical_devices("GPU")
    if gpus and places is not None:
        gpus = [gpus[take_place(places) % len(gpus)]]
        tf.config.set_visible_devices(gpus, "GPU")


_held_places: list = []  # a lock is let go when nobody holds its object any more


def take_place(folder):
    """The smallest number that no other process holds; it is free again when this one ends."""
    import filelock

    for place in itertools.count():
        lock = filelock.FileLock(os.path.join(folder, str(place)))
        with contextlib.suppress(filelock.Timeout):
            lock.acquire(timeout=0)
            _held_places.append(lock)
            return place


def _run_in_processes(function, tasks, execution, own_process):
    def on_retry(task, died):
        say(f"{task}: its process was {died}; it runs again")

    count = threads(execution)
    with tempfile.TemporaryDirectory() as places:
        yield from parallel.run(
            functools.partial(_in_child, function, count, _at_a_time(execution), places),
            tasks,
            execution.jobs,
            retries=RETRIES,
            threads=count,
            own_process=own_process,
            on_retry=on_retry,
        )
