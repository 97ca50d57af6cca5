"""Runs one function over many tasks in fresh processes of this machine.

Built on loky, which comes with joblib. Each process has a pool of its own, so that one that dies
takes no other's tasks with it, and it is known which task it was at.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import os
import re
import signal
import threading
import time
import typing
import warnings
from concurrent import futures

WAIT = object()  # among the tasks: none for now, ask again when one of those under way is done
AHEAD = 2  # tasks that each process has under way and waiting where results are taken in order
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_WATCH = 0.5  # seconds between looks at whether the parent still runs
_END = object()


class Died(ChildProcessError):
    """A process ended in the middle of a task; the message says how."""


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # Linux: those of a batch job, not all of the machine
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    function: typing.Callable,
    tasks: typing.Iterable,
    jobs: int = 0,
    *,
    ordered: bool = False,
    retries: int = 0,
    threads: int = 1,
    own_process: bool = False,
    on_retry: typing.Callable | None = None,
) -> typing.Iterator[tuple[typing.Any, typing.Any]]:
    """Yields (task, `function(task)`) as results come, or in the order of the tasks.

    Args:
        function, tasks: must pickle. A task is taken when a process is free for it (`ordered`: a
            few ahead). An iterable of tasks may yield `WAIT`.
        jobs: number of processes; 0 for one per core, 1 to stay in this process.
        retries: how often a task whose process died is run again.
        threads: of OpenMP, BLAS and OpenCV in each process.
        own_process: whether one job has a process of its own, too.
        on_retry: called with the task and its `Died` before it is run again.
    Yields:
        tuple of the task and its result, which is a `Died` if its process died every time.
    Raises:
        Whatever `function` or `tasks` raise; the processes are then ended.
    """
    jobs = jobs or cores()
    if jobs == 1 and not own_process:
        for task in tasks:
            if task is not WAIT:
                yield task, function(task)
        return
    processes: list[_Process] = []
    done = False
    try:
        room = jobs * (AHEAD if ordered else 1)
        rest, number, due, more = iter(tasks), 0, 0, True
        ready: dict = {}  # number of a task -> the task and the future of its result
        while True:
            held = sum(len(process.held) for process in processes)
            while more and held + len(ready) < room:
                task = next(rest, _END)
                if task is WAIT and (held or ready):
                    break
                more = task is not _END
                if more and task is not WAIT:
                    _choose(processes, jobs, function, threads).add(number, task)
                    number, held = number + 1, held + 1
            if not held:
                break
            wanted = [item.future for process in processes for item in process.held]
            futures.wait(wanted, return_when=futures.FIRST_COMPLETED)
            for process in processes:
                ready.update(process.finished(retries, on_retry))
            while ready and (not ordered or due in ready):
                task, future = ready.pop(due if ordered else next(iter(ready)))
                due += 1
                yield task, future.result()
        done = True
    finally:
        for process in processes:
            process.end(kill=not done)


def _choose(processes, jobs, function, threads):
    """The process with the fewest tasks; a new one where all have some and there is room."""
    chosen = min(processes, key=lambda process: len(process.held), default=None)
    if chosen is None or (chosen.held and len(processes) < jobs):
        chosen = _Process(function, threads)
        processes.append(chosen)
    return chosen


@dataclasses.dataclass
class _Item:
    number: int
    task: typing.Any
    future: futures.Future
    deaths: int = 0


class _Process:
    """A process, and the tasks it is given: it is at the first of them."""

    def __init__(self, function, threads):
        self.function, self.threads = function, threads
        self.held: collections.deque[_Item] = collections.deque()
        self._start()

    def _start(self):
        from joblib.externals import loky

        # Without `pgrep` loky warns, but ends its process all the same; with `psutil` it renews a
        # process that has grown by 300 MB, as TensorFlow's do, and warns.
        warnings.filterwarnings("ignore", "Failed to kill subprocesses|A worker stopped")
        environment = dict.fromkeys(_THREADS, str(self.threads))
        self._pool = loky.ProcessPoolExecutor(
            1, initializer=_set_up, initargs=(os.getpid(), self.threads), env=environment
        )

    def add(self, number, task):
        with _without_ctrl_c():  # the process starts here
            self.held.append(_Item(number, task, self._pool.submit(self.function, task)))

    def finished(self, retries, on_retry):
        """Yields (number, (task, future)) of the tasks that are done."""
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        while self.held and self.held[0].future.done():
            item = self.held.popleft()
            error = item.future.exception()
            if isinstance(error, TerminatedWorkerError):
                died = Died(_how(error))
                item.deaths += 1
                again = item.deaths <= retries
                if again:
                    self.held.appendleft(item)
                    if on_retry:
                        on_retry(item.task, died)
                else:
                    item.future = futures.Future()
                    item.future.set_result(died)
                self._start_again()
                if again:
                    return
            yield item.number, (item.task, item.future)

    def _start_again(self):
        self.end(kill=True)
        self._start()
        with _without_ctrl_c():
            for item in self.held:
                item.future = self._pool.submit(self.function, item.task)

    def end(self, kill):
        # loky stumbles where it is to kill a process before it has passed its tasks on.
        for _ in range(2000 if kill else 0):
            if all(item.future.running() or item.future.done() for item in self.held):
                break
            time.sleep(0.001)
        self._pool.shutdown(wait=True, kill_workers=kill)


def _how(error):
    """How a process ended, as loky's message has it: "{SIGKILL(-9)}"."""
    name, code = re.findall(r"(\w+)\((-?\d+)\)", str(error))[-1:][0] or ("", "")
    if int(code or 0) >= 0:
        return f"ended with exit code {code or 'unknown'}"
    return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _set_up(parent, threads):
    """In each process: Ctrl-C is for the parent, and when that is gone, so is this."""
    import cv2

    def watch():
        while os.getppid() == parent:
            time.sleep(_WATCH)
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(threads)
    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def _without_ctrl_c():
    """What starts inside never gets Ctrl-C; this process gets it when the block ends."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
