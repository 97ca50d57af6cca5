"""A run as a library call; test_loso.py has the command."""

import pathlib
import re
import subprocess
import sys

import fold_workers
import pytest
from flow_fixture import write_flow

import me_keras
from me_keras import parallel
from me_keras.evaluation import data, results, run
from me_keras.options import Options
from pipelines import cli
from pipelines.schema import OptionError

ROOT = pathlib.Path(__file__).parents[3]


class Trainer:
    """Trains two epochs, as callbacks are told; diverges in the fold of seed 7."""

    generator, num_parameters = None, 17

    def __init__(self, options, **_):
        self.options = options

    def reset(self, seed):
        self.seed = seed

    def fit(self, dataset, callbacks):
        for epoch in range(2):
            for callback in callbacks:
                callback.on_epoch_end(epoch, {"loss": 1.0})
        if self.seed == 7:
            raise FloatingPointError("the loss is no longer a number: lower --learning-rate")
        return [{"loss": 1.0, "accuracy": 0.5, "reconstruction": 0.0, "smoothness": 0.0}] * 2

    def predict(self, dataset):
        import numpy as np

        rows = np.concatenate([place["row"].numpy() for _, place in dataset])
        rows = rows[rows >= 0]
        return {"row": rows, "probabilities": np.full((len(rows), 3), 1 / 3)}

    def save(self, path):
        pathlib.Path(path).write_bytes(f"model of seed {self.seed}".encode())


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data, "make_trainer", lambda options, prepared: Trainer(options))
    flow = write_flow(tmp_path / "flow")
    given = {"dataset": "smic-flow", "data_root": (str(flow),), "batch_size": 4, "epochs": 2}
    return cli.replace(Options(), **given)


def test_what_a_notebook_gets(options, capsys):
    found = me_keras.evaluate(options)
    assert set(found["uf1"]) == {"mean", "sd", "per_seed", "ci95"}
    assert found["counts"] == {"clips": 9, "subjects": 3, "skipped": 0}
    assert found["seconds_this_call"] > 0 and found["motion"] == "precomputed"
    assert found["uf1"] == results.read_run(found["out"])[2]["uf1"]
    lines = capsys.readouterr().err.splitlines()  # no terminal: dated lines
    assert re.search(r"training: 6 of 6 epochs, \d+ s .fold 3 of 3: smic/s03, seed 0.$", lines[-1])
    assert any("training 3 of 3 folds, 6 epochs, into runs/smic-flow-frl_dgt" in x for x in lines)


def test_a_fold_that_diverges_is_named_and_those_before_are_kept(options):
    with pytest.raises(FloatingPointError, match="^fold smic/s01, seed 7: the loss is no longer a"):
        me_keras.evaluate(cli.replace(options, seed=6, num_seeds=2, out="a"))
    assert len(list(pathlib.Path("a").rglob("folds/**/*.json"))) == 3


def test_models_are_kept_where_asked_even_of_folds_that_were_trained_without(options):
    assert me_keras.evaluate(cli.replace(options, out="a"))
    assert not list(pathlib.Path("a").rglob("*.keras"))
    assert me_keras.evaluate(cli.replace(options, out="a", save_models=True))
    kept = sorted(pathlib.Path("a").rglob("*.keras"))
    assert [path.as_posix() for path in kept] == [
        f"a/folds/seed-0/smic_s0{n}.keras" for n in (1, 2, 3)
    ]
    assert kept[0].read_bytes() == b"model of seed 0"


def test_a_fold_whose_process_died_every_time_is_named(options, monkeypatch):
    def run_and_die(function, tasks, execution):
        yield tasks[0], (fold_workers.record(tasks[0]), None, None)
        yield tasks[1], parallel.Died("killed by SIGKILL (out of memory?)")

    monkeypatch.setattr(run.parallel, "run", run_and_die)
    message = "fold smic/s02, seed 0: its process died 3 times, at last killed by SIGKILL .out of"
    with pytest.raises(OSError, match=message + ".*; finished folds are kept, the same command"):
        me_keras.evaluate(cli.replace(options, out="a", jobs=2))
    assert len(list(pathlib.Path("a").rglob("folds/**/*.json"))) == 1


def test_shards_share_out_the_folds(options):
    """Every n-th fold from the i-th on: what is left is said, by name."""
    shared = cli.replace(options, out="a", num_seeds=2)
    found = me_keras.evaluate(cli.replace(shared, shard="2/4"))
    assert set(found) == {"out", "missing", "num_folds"} and found["num_folds"] == 6
    assert found["missing"] == [
        "fold smic/s01, seed 0",
        "fold smic/s03, seed 0",
        "fold smic/s01, seed 1",
        "fold smic/s02, seed 1",
    ]
    with pytest.raises(OptionError, match="4 of 6 folds are missing: fold smic/s01, seed 0; "):
        me_keras.evaluate(cli.replace(shared, merge=True))
    assert not me_keras.evaluate(cli.replace(shared, shard="5/7"))["missing"] == []
    for shard in ("1/2", "2/2"):
        found = me_keras.evaluate(cli.replace(shared, shard=shard))
    assert "uf1" in found  # the last one finds all folds there


def test_who_lets_others_train_loads_no_tensorflow():
    code = "import sys; from me_keras.evaluation import run; print('tensorflow' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
