"""Tasks on Ray. The real ones, two nodes on this machine, are slow."""

import functools
import json
import os
import pathlib
import socket
import sys
import time

import fold_workers
import pytest
from flow_fixture import FLAGS, records, write_flow

from me_keras import loso, parallel, ray_cluster
from me_keras.evaluation import run as evaluation
from me_keras.options import ExecutionOptions
from pipelines.schema import DataError


def options(**more):
    return ExecutionOptions(executor="ray", ray_timeout=1.0, **more)


def test_without_ray_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r"pip install 'me-keras\[ray\]' \(Python 3.10"):
        ray_cluster.check(options())


@pytest.fixture
def silent():
    """The port of somebody who listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_nobody_or_a_stranger_at_the_address(silent):
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = server.getsockname()[1]
    for address in (f"127.0.0.1:{closed}", f"ray://127.0.0.1:{closed}", f"127.0.0.1:{silent}"):
        start = time.monotonic()
        message = f"--ray-address {address}: no Ray cluster answers there within 1 s .--ray-timeout"
        with pytest.raises(DataError, match=message):
            ray_cluster.check(options(ray_address=address))
        assert time.monotonic() - start < 5


@pytest.mark.parametrize("address", ["somewhere", "host:", ":6379", "host:port"])
def test_a_malformed_address(address):
    pytest.importorskip("ray")
    with pytest.raises(DataError, match="expected host:port"):
        ray_cluster.check(options(ray_address=address))


def test_the_environment_may_hold_the_address(monkeypatch, silent):
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{silent}")
    with pytest.raises(DataError, match=f"127.0.0.1:{silent}: no Ray cluster"):
        ray_cluster.check(options())


@pytest.fixture(scope="module")
def head():
    """The address of a cluster of two nodes, one CPU each."""
    pytest.importorskip("ray")
    tests = pathlib.Path(fold_workers.__file__).parent
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ray_cluster.QUIET.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (tests, tests.parent))))
        from ray.cluster_utils import Cluster

        node = {"num_cpus": 1, "object_store_memory": ray_cluster.OBJECT_STORE}
        nodes = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
        try:
            nodes.add_node(**node)
            nodes.wait_for_nodes()
            yield nodes.address
        finally:
            nodes.shutdown()


def run(function, head, tasks=None, **more):
    tasks = tasks or fold_workers.tasks(6)
    done = ray_cluster.run(function, tasks, options(ray_address=head, **more), parallel.RETRIES)
    return {task.fold.group: result for task, result in done}


@pytest.mark.slow
def test_tasks_on_two_nodes(head, tmp_path, capfd):
    found = run(functools.partial(fold_workers.of_this_process, seconds=0.3), head)
    assert sorted(found) == [f"s{n:02d}" for n in range(6)]
    assert not any(isinstance(result, parallel.Died) for result in found.values()), found
    assert len({result["process"] for result in found.values()}) == 2
    assert max(result["had"] for result in found.values()) > 1  # a process takes task by task
    assert capfd.readouterr() == ("", "")

    assert len(run(fold_workers.Dies(str(tmp_path), "s01", 2), head)) == 6  # twice killed
    (tmp_path / "more").mkdir()
    found = run(fold_workers.Dies(str(tmp_path / "more"), "s01", 9), head)
    died = found.pop("s01")
    assert isinstance(died, parallel.Died) and str(died)
    assert not any(isinstance(result, parallel.Died) for result in found.values())
    with pytest.raises(FloatingPointError, match="^fold s0., seed 0: no$"):
        run(fold_workers.diverge, head)
    for more in ({"gpus_per_fold": 1.0}, {"cpus_per_fold": 2.0}):
        with pytest.raises(DataError, match="most found: 1 CPUs, 0 GPUs; waited 1 s"):
            run(fold_workers.record, head, **more)


@pytest.mark.slow
def test_from_an_iterable_no_more_tasks_are_taken_than_fit(head):
    out = []

    def hand_out():
        for task in fold_workers.tasks(5):
            yield parallel.WAIT
            out.append(task)
            yield task

    for _ in ray_cluster.run(fold_workers.record, hand_out(), options(ray_address=head), 0):
        assert len(out) <= 2
        out.pop(0)
    assert not out


@pytest.mark.slow
def test_a_machine_without_the_package_is_named_as_such(head, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def train(task):\n    return None\n")
    monkeypatch.syspath_prepend(tmp_path)
    import only_here

    with pytest.raises(DataError, match="a Ray worker cannot import only_here: install the same"):
        run(only_here.train, head, fold_workers.tasks(1))


@pytest.mark.slow
def test_a_real_run_on_two_nodes_equals_the_local_one_though_a_process_dies(
    head, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    flow = write_flow(tmp_path / "flow")
    command = ["--dataset", "smic-flow", "--data-root", str(flow), *FLAGS]
    command += ["--no-local-fusion", "--no-face-fusion"]  # quicker to trace
    marks = tmp_path / "marks"
    marks.mkdir()
    deadly = functools.partial(fold_workers.train_but_die_once, str(marks), "smic/s02")
    with monkeypatch.context() as patch:
        patch.setattr(evaluation, "train_elsewhere", deadly)
        ray = ["--executor", "ray", "--ray-address", head]
        assert loso.main([*command, "--out", "ray", *ray]) == 0
    assert "error" not in capfd.readouterr().err
    assert len(list(marks.iterdir())) == 1
    assert loso.main([*command, "--out", "local", "--jobs", "2", "--threads", "1"]) == 0
    assert len(records(tmp_path / "ray")) == 3
    assert records(tmp_path / "ray") == records(tmp_path / "local")
    found = [json.loads((tmp_path / out / "results.json").read_text()) for out in ("ray", "local")]
    assert found[0]["uf1"] == found[1]["uf1"]
