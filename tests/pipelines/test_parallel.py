"""Processes: order, laziness, errors, deaths, Ctrl-C, and none left behind."""

import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from pipelines import parallel, schema


def double(task):
    return task * 2, os.getpid()


def fail(task):
    raise schema.DataError(f"task {task}")


def die_at_first(task):
    """Kills its own process, but for the second time it is given a task."""
    name, marks = task
    mark = pathlib.Path(marks) / name
    if name == "good" or mark.exists():
        return f"{name} done"
    mark.write_text("")
    os.kill(os.getpid(), signal.SIGKILL)


def die(task):
    if task == 1:
        os._exit(3)
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def environment(task):
    return os.environ["OMP_NUM_THREADS"], os.environ.get("ME_KERAS_TEST")


def test_one_job_stays_in_this_process():
    results = list(parallel.run(double, iter([1, 2]), 1))
    assert results == [(1, (2, os.getpid())), (2, (4, os.getpid()))]


def test_one_job_may_have_a_process_of_its_own():
    results = list(parallel.run(double, [1, 2], 1, own_process=True))
    assert [value for _, (value, _) in results] == [2, 4]
    assert {pid for _, (_, pid) in results} != {os.getpid()}


def test_nothing_to_do():
    assert list(parallel.run(double, [], 2)) == []


def test_results_in_order_from_other_processes():
    results = list(parallel.run(double, range(40), 2, ordered=True))
    assert [(task, value) for task, (value, _) in results] == [(i, 2 * i) for i in range(40)]
    pids = {pid for _, (_, pid) in results}
    assert len(pids) == 2 and os.getpid() not in pids


def slow_first(task):
    time.sleep(1.5 if task == 0 else 0)
    return task


def test_results_as_they_come():
    assert [task for task, _ in parallel.run(slow_first, range(4), 2)] == [1, 2, 3, 0]


def counted(taken, count=50):
    for task in range(count):
        taken.append(task)
        yield task


def test_a_task_is_taken_only_when_a_process_is_free():
    taken, done = [], 0
    for _ in parallel.run(double, counted(taken), 2):
        done += 1
        assert len(taken) <= done + 2  # what is being yielded counts as done
    assert done == 50


def test_in_order_only_a_few_are_taken_ahead():
    taken = []
    results = parallel.run(double, counted(taken), 2, ordered=True)
    next(results)
    assert len(taken) <= 2 * parallel.AHEAD
    results.close()


def test_tasks_that_depend_on_results_may_wait():
    seen = []

    def tasks():
        yield 1
        while not seen:
            yield parallel.WAIT
        yield seen[0] + 1

    for _, (value, _) in parallel.run(double, tasks(), 2):
        seen.append(value)
    assert seen == [2, 6]


@pytest.mark.parametrize("jobs", [1, 2])
def test_errors_are_raised_here(jobs):
    with pytest.raises(schema.DataError, match="^task 0$"):
        list(parallel.run(fail, [0, 1], jobs, ordered=True))


def test_an_error_ends_the_processes():
    results = parallel.run(fail_late, [1, 0], 2)
    _, pid = next(results)
    with pytest.raises(schema.DataError, match="^late$"):
        next(results)
    assert gone([pid])


def fail_late(task):
    if task == 0:
        time.sleep(1)
        raise schema.DataError("late")
    return os.getpid()


def test_a_task_whose_process_died_is_run_again(tmp_path):
    tasks = [("bad", str(tmp_path)), ("good", str(tmp_path)), ("worse", str(tmp_path))]
    said = []
    results = parallel.run(
        die_at_first, tasks, 2, ordered=True, retries=1, on_retry=lambda *told: said.append(told)
    )
    assert dict(results) == {task: f"{task[0]} done" for task in tasks}
    assert sorted((task[0], str(died)) for task, died in said) == [
        ("bad", "killed by SIGKILL (out of memory?)"),
        ("worse", "killed by SIGKILL (out of memory?)"),
    ]


def test_deaths_are_named_and_take_no_other_task_along():
    results = dict(parallel.run(die, range(8), 2, ordered=True))
    assert [results[i] for i in (0, 3, 4, 5, 6, 7)] == [0, 3, 4, 5, 6, 7]
    assert isinstance(results[1], parallel.Died) and "exit code 3" in str(results[1])
    assert str(results[2]) == "killed by SIGKILL (out of memory?)"


def test_threads_and_environment(monkeypatch):
    monkeypatch.setenv("ME_KERAS_TEST", "1")
    assert list(parallel.run(environment, [0], 2, threads=3)) == [(0, ("3", "1"))]


def test_cores_where_affinity_is_unknown(monkeypatch):
    assert 1 <= parallel.cores() <= os.cpu_count()
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert parallel.cores() == os.cpu_count()


PARENT = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored if the tests run in background
from pipelines import cli, parallel
sys.path.insert(0, {folder!r})
from test_parallel import sleep
def command():
    for task, _ in parallel.run(sleep, range(2), 2):
        pass
sys.exit(cli.run(command, stopped="stopped as asked"))
"""


def sleep(task):
    os.write(1, f"pid {os.getpid()}\n".encode())  # whole, whoever else writes
    time.sleep(60)


@pytest.fixture
def parent():
    """A process with two children under way, and the numbers of those."""
    code = PARENT.format(folder=os.path.dirname(__file__))
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    lines = [process.stdout.readline() for _ in range(2)]
    try:
        assert all(lines), process.stderr.read()
        yield process, [int(line.split()[1]) for line in lines]
    finally:
        process.kill()
        process.communicate()


def running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pids, seconds=5.0):
    until = time.monotonic() + seconds
    while any(map(running, pids)) and time.monotonic() < until:
        time.sleep(0.1)
    return not any(map(running, pids))


@pytest.mark.parametrize("how", ["ctrl-c", "terminated"])
def test_stopping_ends_all_and_prints_one_line(parent, how):
    process, pids = parent
    if how == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to the children as well
    else:
        process.terminate()
    assert process.wait(8) == 130
    assert gone(pids)
    assert process.stderr.read() == "stopped as asked\n"


def test_processes_end_when_the_parent_is_killed(parent):
    process, pids = parent
    process.kill()
    assert gone(pids)
