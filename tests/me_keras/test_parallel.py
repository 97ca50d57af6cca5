import functools
import os
import subprocess
import sys

import fold_workers
import pytest

from me_keras import parallel
from me_keras.options import ExecutionOptions
from pipelines.schema import OptionError


def test_in_this_process_in_order_one_task_at_a_time():
    handed_out = []

    def hand_out():
        for task in fold_workers.tasks(2, seeds=(0, 1)):
            handed_out.append(task)
            yield task
            yield parallel.WAIT

    done = parallel.run(fold_workers.record, hand_out(), ExecutionOptions())
    for number, (task, record) in enumerate(done, start=1):
        assert len(handed_out) == number and handed_out[-1] is task
        assert (record["seed"], record["group"]) == (task.seed, task.fold.group)
    assert [(t.seed, t.fold.group) for t in handed_out] == [
        (0, "s00"),
        (0, "s01"),
        (1, "s00"),
        (1, "s01"),
    ]


@pytest.mark.parametrize(
    "options, cores, threads",
    [
        ({}, 8, (4, 2)),
        ({}, 2, (1, 2)),
        ({}, 1, (1, 1)),
        ({"threads": 3}, 8, (3, 2)),
        ({"jobs": 2}, 8, (2, 2)),
        ({"jobs": 3}, 8, (1, 2)),
        ({"jobs": 16}, 8, (1, 1)),
        ({"jobs": 2, "threads": 8}, 8, (8, 1)),
        ({"executor": "ray"}, 8, (1, 1)),
        ({"executor": "ray", "cpus_per_fold": 4.0}, 8, (2, 2)),
        ({"executor": "ray", "cpus_per_fold": 0.5}, 8, (1, 1)),
    ],
)
def test_jobs_share_the_cores(monkeypatch, options, cores, threads):
    """Threads of an operation, and operations at a time."""
    monkeypatch.setattr(parallel, "cores", lambda: cores)
    execution = ExecutionOptions(**options)
    assert (parallel.threads(execution), parallel._at_a_time(execution)) == threads


def test_an_operation_takes_half_of_the_cores():
    code = "from me_keras import options, parallel as p; p.set_up(options.ExecutionOptions()); "
    code += "print(p.num_threads(), p.cores())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    count, cores = map(int, said.split())
    assert count == max(1, cores // 2)


@pytest.mark.slow
def test_processes_are_set_up_and_a_task_whose_process_dies_runs_again(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("TF_CONFIG", "{}")
    done = parallel.run(
        fold_workers.Dies(str(tmp_path), "s01", 2),
        fold_workers.tasks(5),
        ExecutionOptions(jobs=2, threads=3),
    )
    found = {task.fold.group: result for task, result in done}
    assert len(found) == 5 and os.getpid() not in {r["process"] for r in found.values()}
    assert {(r["threads"], r["inter"], r["member"]) for r in found.values()} == {(3, 1, False)}
    assert max(r["had"] for r in found.values()) > 1  # a process takes task by task
    line = "fold s01, seed 0: its process was killed by SIGKILL (out of memory?); it runs again"
    assert capsys.readouterr().err.count(line) == 2


def test_processes_of_a_machine_are_numbered_and_a_number_is_free_again(tmp_path):
    code = "import sys; from me_keras import parallel; print(parallel.take_place(sys.argv[1]))"
    take = functools.partial(
        subprocess.run, [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert parallel.take_place(tmp_path) == 0
    assert [take().stdout, take().stdout] == ["1\n", "1\n"]


def test_threads_that_come_too_late_are_refused():
    import tensorflow as tf

    tf.constant(1.0) + 1.0
    parallel.set_up(ExecutionOptions())
    with pytest.raises(OptionError, match="already runs with another number than 37 in this"):
        parallel.set_up(ExecutionOptions(threads=37))
