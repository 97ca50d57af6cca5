import json
import os
import pathlib
import subprocess
import sys
import warnings

import fold_workers
import numpy as np
import pandas as pd
import pytest
import stand_in
import tensorflow as tf
from flow_fixture import FLAGS, write_flow
from tuning_fixture import QUICK, SUBJECTS, StubTrainer, stub_datasets

import me_keras
from me_keras import export, loso, tracking, tune
from me_keras.evaluation import run as evaluation
from me_keras.exporting.contract import read_contract
from pipelines.schema import DataError, OptionError


@pytest.fixture
def client(tmp_path, monkeypatch):
    """MLflow's client of a store in a folder."""
    tracking._import_mlflow() if "mlflow" in sys.modules else pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file:{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "micro")
    tracking.check()
    import mlflow

    return mlflow.MlflowClient()


def logged(client, kind):
    """The MLflow runs of a kind, the first one first."""
    experiment = client.get_experiment_by_name("micro")
    found = client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")
    return sorted(found, key=lambda run: run.data.tags["mlflow.runName"])


def history(client, run, name):
    found = client.get_metric_history(run.info.run_id, name)
    return {metric.step: metric.value for metric in found}


class FoldTrainer:
    """Folds that take no time: every clip is of the first class, and a fold's loss is its own."""

    def __init__(self, options, prepared):
        pass

    def __call__(self, task, callbacks):
        loss = {"smic/s01": 1.0, "smic/s02": 2.0, "smic/s03": 6.0}[task.fold.group] + task.seed
        epochs = [{"loss": loss, "accuracy": 0.5, "error": 0.0}, {"loss": 0.0, "accuracy": 1.0}]
        found = fold_workers.record(task, history=[{"error": 0.0, **one} for one in epochs])
        return found, {"row": np.array(found["predictions"]["row"])}, None


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command loso on three subjects."""
    monkeypatch.chdir(tmp_path)
    flow = write_flow(tmp_path / "flow")
    monkeypatch.setattr(evaluation, "FoldTrainer", FoldTrainer)
    command = ["--dataset", "smic-flow", "--data-root", str(flow), *FLAGS, "--out", "a run"]
    return lambda *extra: loso.main([*command, "--num-seeds", "2", *extra])


def test_a_run_with_its_options_scores_curves_and_files(client, run, tmp_path, capsys):
    assert run("--mlflow", "--learning-rate", "0.5") == 0
    (found,) = logged(client, "run")
    assert capsys.readouterr().out.splitlines()[-1] == f"MLflow: {found.info.run_id}"
    assert found.info.status == "FINISHED"
    results = json.loads((tmp_path / "a run/results.json").read_text())
    params, values, tags = found.data.params, found.data.metrics, found.data.tags
    assert (params["learning_rate"], params["filters"]) == ("0.5", "8 8")
    assert (params["motion"], params["num_seeds"]) == ("precomputed", "2")
    assert not {"out", "mlflow", "jobs"} & set(params)
    # Of nine clips, three of each class, all are called the first: F1 of it 2*3/(9+3), others 0
    assert values["uf1"] == pytest.approx(0.5 / 3) and values["uar"] == pytest.approx(1 / 3)
    assert values["f1/negative"] == pytest.approx(0.5) and values["f1/positive"] == 0
    assert [values["uf1_ci95_low"], values["uf1_ci95_high"]] == results["uf1"]["ci95"]
    assert values["uf1_sd"] == 0 and "dgm_gain" not in values
    assert tags["dataset"] == "smic-flow" and tags["data_digest"] == results["data_digest"]
    assert tags["protocol"] == results["protocol"] and tags["version.tensorflow"]
    assert tags["command"].startswith("python -m me_keras.loso --dataset smic-flow")
    assert "--learning-rate 0.5" in tags["command"] and "'a run'" in tags["command"]
    assert history(client, found, "training/loss/seed-0") == {1: 3.0, 2: 0.0}  # of 1, 2 and 6
    assert history(client, found, "training/loss/seed-1") == {1: 4.0, 2: 0.0}
    assert not [name for name in values if "error" in name]  # a metric that the model lacks
    assert history(client, found, "per_seed/uar") == pytest.approx({0: 1 / 3, 1: 1 / 3})
    artifacts = {one.path for one in client.list_artifacts(found.info.run_id)}
    pictures = {"confusion.png", "curves.png"}
    assert artifacts == {"config.json", "results.json", "report.html", *pictures}
    kept = client.download_artifacts(found.info.run_id, "results.json")
    assert json.loads(pathlib.Path(kept).read_text()) == results


def test_without_the_flag_nothing_is_logged_and_nothing_imported(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert run() == 0


def test_the_flag_leaves_the_run_the_same_and_a_run_can_be_logged_later(client, run, tmp_path):
    assert run() == 0 and run("--mlflow") == 0  # no other run, and nothing trained again
    again = tracking.log_run(tmp_path / "a run")
    first, second = logged(client, "run")
    assert again in (first.info.run_id, second.info.run_id)
    assert first.data.params == second.data.params and first.data.metrics == second.data.metrics


def test_a_run_that_is_not_finished_is_not_logged(client, run, tmp_path, capsys):
    assert run("--mlflow", "--shard", "1/2") == 0
    assert "MLflow" not in capsys.readouterr().out and logged(client, "run") == []
    with pytest.raises(DataError, match="a run holds no results.json: give the command of the run"):
        tracking.log_run(tmp_path / "a run")


def test_a_search_with_a_run_for_each_trial(client, tmp_path, monkeypatch):
    from me_keras import training
    from me_keras.evaluation import data
    from me_keras.tuning import figures

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(training, "Trainer", StubTrainer)
    monkeypatch.setattr(data, "forget_trainers", lambda: None)
    monkeypatch.setattr(figures, "draw", lambda *_: None)
    stub_datasets(monkeypatch)
    flow = write_flow(tmp_path / "flow", SUBJECTS)
    command = ["--dataset", "smic-flow", "--data-root", str(flow), "--out", "tuned", *QUICK]
    command += ["--max-trials", "3", "--only", "learning_rate", "dropout", "--mlflow"]
    assert tune.main(command) == 0
    (search,) = logged(client, "search")
    table = pd.read_csv("tuned/trials.csv")
    best = table.loc[table["uf1"].idxmax()]
    tags = search.data.tags
    assert float(tags["best.learning_rate"]) == pytest.approx(best["learning_rate"])
    assert float(tags["best.dropout"]) == best["dropout"]
    assert search.data.params["tuner"] == "random" and search.data.metrics["trials"] == 3
    assert search.data.metrics["best/search"] == pytest.approx(best["uf1"])
    artifacts = {one.path for one in client.list_artifacts(search.info.run_id)}
    assert artifacts == {"best.json", "tuning.json", "trials.csv"}
    trials = logged(client, "trial")
    assert [one.data.tags["mlflow.runName"] for one in trials] == [f"search-{n}" for n in range(3)]
    for one, (_, row) in zip(trials, table.sort_values("trial").iterrows()):
        assert one.data.tags["mlflow.parentRunId"] == search.info.run_id
        assert float(one.data.params["learning_rate"]) == pytest.approx(row["learning_rate"])
        for name in ("uf1", "loss", "seconds"):
            assert one.data.metrics[name] == pytest.approx(row[name])
        assert one.info.status == "FINISHED"
    (report,) = logged(client, "run")
    assert report.data.tags["mlflow.parentRunId"] == search.info.run_id
    assert json.loads(pathlib.Path("tuned/best.json").read_text())["run"]["mlflow"] is False


def test_a_failed_trial_has_its_reason_and_no_scores(client, tmp_path):
    row = {"search": "search", "trial": "0", "status": "failed", "start": False, "epochs": 2}
    row |= {"learning_rate": 9.0, "uf1": np.nan, "reason": "diverged: the loss is no number"}
    tracking._log_trial(row, {"space": ["learning_rate"], "objective": "uf1"}, "parent")
    (trial,) = logged(client, "trial")
    assert trial.info.status == "FAILED" and trial.data.metrics == {}
    assert trial.data.tags["reason"] == "diverged: the loss is no number"
    assert trial.data.params == {"learning_rate": "9.0", "epochs": "2"}


def test_an_exported_model_loads_from_mlflow_and_answers(client, tmp_path, monkeypatch):
    measure = {"mean": 0.6, "sd": 0.1, "ci95": [0.5, 0.7]}
    score = {**dict.fromkeys(("uf1", "uar", "accuracy"), measure), "seeds": 2, "note": None}
    facts = {"versions": {"tensorflow": tf.__version__}, "score": score, "training": {"epochs": 7}}
    version = stand_in.write(tmp_path / "tiny", edit=lambda contract: contract.update(facts)) / "1"
    monkeypatch.setattr(me_keras, "export_model", lambda **_: version)
    assert export.main(["--run", "any", "--mlflow"]) == 0
    (found,) = logged(client, "model")
    promised = read_contract(version)
    assert found.data.tags["mlflow.runName"] == f"{promised['model']}-1"
    assert found.data.tags["command"] == "python -m me_keras.export --run any --mlflow"
    assert found.data.tags["data_digest"] == promised["data"]["digest"]
    assert found.data.metrics["uf1"] == 0.6 and found.data.params["epochs"] == "7"
    import mlflow

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of MLflow's own types
        uri, answers = f"runs:/{found.info.run_id}/model", {}
        model = mlflow.pyfunc.load_model(uri)
        rng = np.random.default_rng(0)
        inputs = rng.random((2, 3, stand_in.SIZE, stand_in.SIZE, 1)).astype(np.float32)
        inputs = dict(zip(("onset", "apex"), inputs))
        answers["pyfunc"] = model.predict(inputs)
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        answers["tensorflow"] = mlflow.tensorflow.load_model(uri)(**tensors)
    wanted = stand_in.probabilities(**inputs)
    for answer in answers.values():
        np.testing.assert_allclose(answer["probabilities"], wanted, atol=1e-5)
        assert np.array(answer["classes"]).astype("U").tolist() == [list(stand_in.CLASSES)] * 3
    signature, size = model.metadata.signature, stand_in.SIZE
    specs = {spec.name: (spec.type.name, spec.shape) for spec in signature.inputs}
    assert specs == dict.fromkeys(("onset", "apex"), ("float32", (-1, size, size, 1)))
    specs = {spec.name: spec.shape for spec in signature.outputs}
    assert set(specs) == set(answers["pyfunc"]) and specs["probabilities"] == (-1, 3)
    kept = mlflow.artifacts.download_artifacts(f"{uri}/saved_model")
    assert read_contract(kept) == promised


@pytest.mark.parametrize(
    "command, argv", [(loso, []), (tune, []), (export, ["--run", "nothing"])], ids=str
)
def test_mlflow_that_is_not_installed_is_said_before_any_work(
    command, argv, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    assert command.main([*argv, "--mlflow"]) == 2
    printed = capsys.readouterr()
    assert printed.err == (
        "error: --mlflow needs me-keras[mlflow], on Python 3.10 or newer: pip install "
        "'me-keras[mlflow]'\n"
    )
    assert printed.out == "" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "uri, message",
    [
        ("", "MLFLOW_TRACKING_URI is not set: set it to a server, http://HOST:5000, or to a fol"),
        ("http://127.0.0.1:{port}", "http://127.0.0.1:.* takes no runs .API request to http"),
        ("sqlite:///{folder}/x.db", "x.db takes no runs .*a database needs all of MLflow: pip ins"),
        ("file:{folder}/file", "file:.*/file takes no runs"),
    ],
)
def test_a_server_that_takes_nothing_is_one_line(
    uri, message, client, tmp_path, monkeypatch, free_ports
):
    (tmp_path / "file").write_text("")
    uri = uri.format(port=free_ports(1)[0], folder=tmp_path)
    if "sqlite" in uri and "sqlalchemy" in sys.modules:
        pytest.skip("all of MLflow is here")
    if uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    else:
        monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(OptionError, match=f"--mlflow: .*{message}") as caught:
        tracking.check()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_a_server_that_fails_after_the_training_leaves_the_run(client, run, monkeypatch, capsys):
    def fails(*_, **__):
        raise ConnectionError("connection\n reset")

    monkeypatch.setattr(type(client), "log_batch", fails)
    assert run("--mlflow") == 1
    printed = capsys.readouterr()
    assert "results in a run" in printed.out
    (line,) = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: a run is complete, but MLflow at file:")
    assert line.endswith("did not take it (connection reset): give the same command again when it "
                         "does")  # fmt: skip
    monkeypatch.undo()
    (found,) = logged(client, "run")
    assert found.info.status == "FAILED"


def test_it_says_nothing_and_calls_nobody(tmp_path):
    """In a process of its own, as its settings are read when MLflow is imported."""
    pytest.importorskip("mlflow")
    code = (
        "import socket\n"
        "def refuse(*_): raise AssertionError('network')\n"
        "socket.socket.connect = refuse\n"
        "from me_keras import tracking\n"
        "tracking.check()\n"
        "row = dict(search='s', trial='0', status='failed', start=True, reason='', epochs=1)\n"
        "tracking._log_trial(row, dict(space=[], objective='uf1'), 'none')\n"
        "import sys; assert 'tensorflow' not in sys.modules\n"
    )
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"file:{tmp_path}"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
