"""Runs one function over many items in fresh processes: in order, with bounded memory."""

from __future__ import annotations

import collections
import contextlib
import multiprocessing
import os
import signal
import threading
from concurrent import futures

from pipelines import schema

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
AHEAD = 4  # items per process that are under way or waiting to be taken


def run(function, items, config, jobs: int = 0):
    """Yields `function(item, config)` for each item, in order.

    Args:
        function, items, config: must pickle; `function` at the top level of a module.
        jobs: number of processes; 0 for one per core, 1 to stay in this process.
    Raises:
        DataError: a process died, which means that the machine ran out of memory, or a crash in
            a library. Whatever `function` raises is raised here.
    """
    jobs = min(jobs or len(os.sched_getaffinity(0)), len(items))
    if jobs <= 1:
        for item in items:
            yield function(item, config)
        return
    # Spawned, not forked: TensorFlow's threads in this process would not survive a fork.
    context = multiprocessing.get_context("spawn")
    pool = futures.ProcessPoolExecutor(jobs, context, initializer=_start)
    waiting: collections.deque = collections.deque()
    rest = iter(items)
    try:
        with _inherited():  # the processes start here
            for _, item in zip(range(jobs), rest):
                waiting.append(pool.submit(function, item, config))
        while waiting:
            for _, item in zip(range(AHEAD * jobs - len(waiting)), rest):
                waiting.append(pool.submit(function, item, config))
            yield waiting.popleft().result()
    except futures.process.BrokenProcessPool as error:
        raise schema.DataError("a worker process died (out of memory?): try --jobs 1") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _start():
    """In each process: one thread, since they share the cores; Ctrl-C is for the parent."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # also where it could not be inherited
    cv2.setNumThreads(1)


@contextlib.contextmanager
def _inherited():
    """What processes started inside inherit: Ctrl-C ignored from the start, one thread for BLAS."""
    kept = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    main = threading.current_thread() is threading.main_thread()  # only it may set signals
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, previous)
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
