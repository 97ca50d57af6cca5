import json

import pandas as pd
import pytest

from me_keras.tuning.search import search
from pipelines.schema import OptionError


def read(path):
    return json.loads(path.read_text())


def test_nested_folds_of_other_options_are_trained_again(options, quick, tmp_path):
    search(options(scope="nested", max_trials=1))
    path = tmp_path / "tuned/report/folds/seed-0/smic_s03.json"
    before = {p.name: p.stat().st_mtime_ns for p in path.parent.iterdir()}
    record = read(path)
    record["options"]["model"]["hidden_dim"] = 99
    path.write_text(json.dumps(record))
    search(options(scope="nested", max_trials=1))
    after = {p.name: p.stat().st_mtime_ns for p in path.parent.iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["smic_s03.json"]
    assert read(path)["options"]["model"]["hidden_dim"] == 16


def test_nested_reports_every_seed(options, quick, tmp_path):
    record = search(options(scope="nested", max_trials=1, num_seeds=2, seed=3))
    assert len(record["report"]["uf1"]["per_seed"]) == 2
    table = pd.read_csv(tmp_path / "tuned/report/predictions.csv")
    assert set(table["seed"]) == {3, 4} and table.groupby("seed").size().nunique() == 1


def test_nested_best_is_one_for_all_and_says_so(options, quick, tmp_path):
    search(options(scope="nested", max_trials=3, report=False))
    best, tuning = read(tmp_path / "tuned/best.json"), read(tmp_path / "tuned/tuning.json")
    assert len(best["run"]["tuned_on"]) == 8 and best["run"]["subjects"] == []
    top = max(tuning["searches"].values(), key=lambda one: one["inner_score"])
    assert best["training"]["learning_rate"] == top["options"]["learning_rate"]


def test_the_report_is_made_anew_when_better_options_are_found(options, quick, capsys):
    first = search(options(max_trials=1))["report"]
    second = search(options(max_trials=8))["report"]
    assert "is made anew" in capsys.readouterr().err
    assert second["uf1"]["mean"] > first["uf1"]["mean"]


def test_someone_elses_folder_is_not_removed(options, quick, tmp_path):
    search(options(max_trials=1, report=False))
    report = tmp_path / "tuned/report"
    report.mkdir()
    (report / "thesis.txt").write_text("precious")
    with pytest.raises(OptionError, match="is not a run"):
        search(options(max_trials=1))
    assert (report / "thesis.txt").read_text() == "precious"


def test_the_start_is_reported_beside_what_was_found(options, quick, tmp_path):
    record = search(options(learning_rate=1e-6, max_trials=8, report_start=True))
    start = read(tmp_path / "tuned/report-start/results.json")
    assert start == record["report_start"] and start["tuned_on"] is None
    assert record["report"]["uf1"]["mean"] > start["uf1"]["mean"]
    assert record["report"] == read(tmp_path / "tuned/report/results.json")


def test_a_damaged_fold_of_the_report_is_named(options, quick, tmp_path):
    from pipelines.schema import DataError

    search(options(scope="nested", max_trials=1))
    path = tmp_path / "tuned/report/folds/seed-0/smic_s03.json"
    path.write_text("{")
    with pytest.raises(DataError, match="smic_s03.json cannot be read"):
        search(options(scope="nested", max_trials=1))
