import json
import threading

import fold_workers
import numpy as np
import pytest

from me_keras.evaluation import results
from me_keras.options import Options
from pipelines import cli, files
from pipelines.schema import DataError, OptionError


def options(out, **more):
    return cli.replace(Options(), out=str(out), epochs=2, **more)


def test_the_same_run_opens_it_again_another_does_not(tmp_path, monkeypatch):
    out = results.open_run(options(tmp_path / "a"), "digest")
    assert out == tmp_path / "a"
    again = options(out, num_seeds=3, jobs=2, executor="local", threads=1, subjects=("s01",))
    assert results.open_run(again, "digest") == out
    assert json.loads((out / "config.json").read_text())["run"]["num_seeds"] == 3
    with pytest.raises(
        OptionError, match="holds a run with another hidden_dim .None, now 16.: choose"
    ):
        results.open_run(options(out, hidden_dim=16), "digest")
    with pytest.raises(OptionError, match="holds a run with another data_digest"):
        results.open_run(options(out), "other")
    monkeypatch.setattr(results, "versions", lambda: {"tensorflow": "9.9.9"})
    with pytest.raises(OptionError, match=r"tensorflow \(2\.\d+\.\d, now 9\.9\.9\): "):
        results.open_run(again, "digest")


def test_its_name_does_not_depend_on_where_it_is_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {
        results.open_run(cli.replace(Options(), **how), "digest")
        for how in (
            {},
            {"jobs": 4, "seed": 3, "subjects": ("s01",), "save_models": True},
            {"executor": "ray", "prepared": "elsewhere", "allow_missing": True},
            {"shard": "2/3", "data_root": ("copy",)},
            {"merge": True},
        )
    }
    assert len(names) == 1
    for what in ({"epochs": 3}, {"dropout": 0.2}, {"rigid": False}, {"mirror": 0.1}):
        assert results.open_run(cli.replace(Options(), **what), "digest") not in names


def test_a_shard_leaves_no_trace_of_itself(tmp_path):
    out = results.open_run(options(tmp_path / "a", shard="2/3", num_seeds=2), "digest")
    record = json.loads((out / "config.json").read_text())
    assert record["execution"]["shard"] is None
    before = (out / "config.json").read_bytes()
    results.open_run(options(out, shard="1/3", num_seeds=2, jobs=8), "digest")
    assert (out / "config.json").read_bytes() == before


def test_of_two_different_runs_that_open_it_at_once_one_is_refused(tmp_path):
    for attempt in range(10):
        out, opened, refused = tmp_path / str(attempt), [], []
        barrier = threading.Barrier(2)

        def open_it(width, out=out, opened=opened, refused=refused, barrier=barrier):
            barrier.wait()
            try:
                results.open_run(options(out, hidden_dim=width, shard="1/2"), "digest")
                opened.append(width)
            except OptionError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=open_it, args=(width,)) for width in (16, 32)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(opened) == 1 and "holds a run with another hidden_dim" in refused[0]
        assert json.loads((out / "config.json").read_text())["model"]["hidden_dim"] == opened[0]


def test_what_is_no_run(tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    for out in (tmp_path, tmp_path / "thesis.txt"):
        with pytest.raises(OptionError, match="exists and is not a run of this command"):
            results.open_run(options(out), "digest")
    with pytest.raises(OptionError, match="none holds no run: train first, or say where"):
        results.open_run(options(tmp_path / "none", merge=True), "digest")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_damaged_config_is_named_with_the_remedy(tmp_path, text):
    out = results.open_run(options(tmp_path / "a"), "digest")
    (out / "config.json").write_text(text)
    with pytest.raises(DataError, match="a/config.json .*: choose another --out, or delete that"):
        results.open_run(options(out), "digest")


def test_an_older_flat_config_is_read_with_the_names_it_had(tmp_path):
    out = tmp_path / "old"
    older = {
        "dataset": "smic",
        "model": "ststnet",
        "epochs": 2,
        "width": 16,
        "heads": 2,
        "depth": 3,
    }
    older |= {"worker_timeout": 300.0, "filters": [8, 12], "data_root": ["copy"], "shard": None}
    record = {**older, "data_digest": "digest", "versions": {"keras": "2.15.0"}}
    files.write_whole(out / "config.json", json.dumps(record))
    read, found, scores = results.read_run(out)
    assert (read.dataset, read.model.name, read.model.hidden_dim) == ("smic", "ststnet", 16)
    assert (read.model.num_heads, read.model.num_layers, read.model.filters) == (2, 3, (8, 12))
    assert found["data_digest"] == "digest" and scores is None
    assert not read.model.linear_readout  # what it was trained as
    assert results.open_run(cli.replace(read, out=str(out)), "digest") == out
    assert json.loads((out / "config.json").read_text())["model"]["hidden_dim"] == 16
    assert results.read_run(out)[0] == cli.replace(read, out=str(out))


@pytest.mark.parametrize(
    "name, text, message",
    [
        (
            "config.json",
            None,
            "run: not a run, it holds no config.json; make one with python -m me",
        ),
        ("config.json", "{", "run/config.json cannot be read .*: run loso again"),
        ("config.json", '{"epochs": 0}', "run/config.json: epochs must be at least 1, got 0: run"),
        ("config.json", '{"eras": 1}', "run/config.json: unknown option 'eras'.*: run loso again"),
        ("results.json", "[1]", "run/results.json holds no JSON object: run loso again"),
    ],
)
def test_a_folder_that_cannot_be_read_as_a_run(tmp_path, name, text, message):
    out = results.open_run(options(tmp_path / "run"), "digest")
    if text is None:
        (out / name).unlink()
    else:
        (out / name).write_text(text)
    with pytest.raises(DataError, match=message):
        results.read_run(out)


def test_folds_on_disk_in_the_order_of_the_tasks(tmp_path):
    tasks = fold_workers.tasks(3)
    for task in (tasks[2], tasks[0]):
        results.keep(fold_workers.record(task), tmp_path)
    records = results.read_folds(tmp_path, tasks)
    assert [record and record["group"] for record in records] == ["s00", None, "s02"]


def test_a_fold_on_disk_is_whole_or_absent_with_its_model(tmp_path):
    path = results.fold_path(tmp_path, 3, "smic/s01")
    assert path.relative_to(tmp_path).as_posix() == "folds/seed-3/smic_s01.json"
    assert results.read_fold(path) is None
    record = {**fold_workers.record(fold_workers.tasks(1)[0]), "group": "smic/s01", "seed": 3}
    results.keep(record, tmp_path, {"row": np.arange(3)}, b"zip")  # rows alone are not kept
    assert results.read_fold(path) == record
    assert results.read_seen(tmp_path, 3, "smic/s01") is None
    assert sorted(p.name for p in path.parent.iterdir()) == ["smic_s01.json", "smic_s01.keras"]


def test_what_was_seen_lies_beside_the_record(tmp_path, rng):
    record = fold_workers.record(fold_workers.tasks(1)[0])
    seen = {"row": np.arange(2), "displacement": rng.normal(size=(2, 4, 4, 2)).astype(np.float16)}
    results.keep(record, tmp_path, seen)
    found = results.read_seen(tmp_path, 0, "s00")
    assert set(found) == set(seen) and found["displacement"].dtype == np.float16
    for name, values in seen.items():
        np.testing.assert_array_equal(found[name], values)
    results.fold_path(tmp_path, 0, "s00", ".npz").write_bytes(b"PK")
    assert results.read_seen(tmp_path, 0, "s00") is None


@pytest.mark.parametrize(
    "text, message", [('{"seed": ', "cannot be read"), ('{"group": "s01"}', "holds no seed")]
)
def test_a_damaged_fold_is_named_with_the_remedy(tmp_path, text, message):
    path = results.fold_path(tmp_path, 0, "s01")
    files.write_whole(path, text)
    with pytest.raises(DataError, match=rf"s01.json {message}.*: delete it, and the same command"):
        results.read_fold(path)
