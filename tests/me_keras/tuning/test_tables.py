import json

import numpy as np
import pandas as pd
import pytest

from me_keras.options import Options
from me_keras.tuning import tables
from me_keras.tuning.search import search
from pipelines import cli


@pytest.fixture
def searched(options, quick, tmp_path):
    """A finished search, and the table of its trials."""
    search(options(max_trials=5, only=("learning_rate", "dropout"), report=False))
    return tmp_path / "tuned", pd.read_csv(tmp_path / "tuned/trials.csv", dtype={"trial": str})


def test_a_row_for_each_trial_with_all_that_is_known_of_it(searched):
    _, table = searched
    expected = ["search", "trial", "status", "start", "uf1", "uar", "accuracy", "loss", "seconds"]
    expected += ["epochs", "dropout", "learning_rate", "reason"]
    assert table.columns.tolist() == expected
    assert table["start"].tolist() == [True] + [False] * 4
    assert table.loc[0, "learning_rate"] == 0.002  # as given, not as near as the space has it
    assert table["uf1"].between(0, 1).all()


def test_best_is_the_best_and_is_what_loso_takes(searched):
    out, table = searched
    best = cli.from_json(Options, json.loads((out / "best.json").read_text()))
    top = table.loc[table["uf1"].idxmax()]
    assert best.training.learning_rate == top["learning_rate"]
    assert best.model.dropout == top["dropout"] and best.run.out is None


def test_tensorboard_reads_options_and_scores(searched):
    import tensorflow as tf
    from tensorboard.backend.event_processing import event_accumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    out, table = searched
    best = table.loc[table["uf1"].idxmax()]
    found = event_accumulator.EventAccumulator(str(out / "tensorboard" / f"search-{best.trial}"))
    found.Reload()
    (value,) = [float(tf.make_ndarray(one.tensor_proto)) for one in found.Tensors("uf1")]
    assert value == pytest.approx(best["uf1"])
    content = found.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert start.hparams["learning_rate"].number_value == pytest.approx(best["learning_rate"])


def test_the_terminal_table_names_the_best_first_and_the_failures():
    row = {"search": "search", "status": "completed", "start": False, "epochs": 2}
    row |= {"uar": 0.5, "accuracy": 0.5, "loss": 1.0, "seconds": 2.0, "reason": ""}
    rows = [{**row, "trial": str(n), "uf1": n / 10, "learning_rate": 1e-3} for n in range(3)]
    lost = {**row, "trial": "3", "uf1": np.nan, "status": "failed", "reason": "out of memory"}
    tuning = {"objective": "uf1", "failed": 1, "space": {"learning_rate": {}}}
    record = {"trials": [*rows, {**lost, "learning_rate": 1e-2}], "tuning": tuning}
    tuning["searches"] = {"search": {"best_is_start": False}}
    lines = tables.summary(record).splitlines()
    assert "4 trials of 1 search(es), 3 completed, 1 failed" in lines[0]
    assert lines[2].split() == ["search", "2", "0.2000", *"0.5000 0.5000 1.0000 2.0".split()] + [
        "learning_rate=0.001"
    ]
    assert lines[-1] == "failed 1x: out of memory"
    tuning["searches"] = {"search": {"best_is_start": True}}
    assert "no trial was better than the options given" in tables.summary(record)


def test_values_are_shown_short():
    assert tables.short(0.00123456) == "0.00123" and tables.short((8, 16)) == "8-16"
    assert tables.plain((8, 16)) == "8 16" and type(tables.plain(np.float64(1))) is float
