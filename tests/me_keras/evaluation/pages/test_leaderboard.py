import json
import shutil

import numpy as np
import pandas as pd
import pytest
from run_fixture import write_run

from me_keras.evaluation import paired, scores
from me_keras.evaluation.pages import leaderboard
from pipelines.schema import DataError, OptionError


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """made(name, …): folder of a run, written once."""
    top, known = tmp_path_factory.mktemp("runs"), {}

    def make(name, **options):
        if name not in known:
            known[name] = write_run(top / name, **options)
        return known[name]

    return make


@pytest.fixture(scope="module")
def three(made):
    """Folders of a good, a poor and a fitted run."""
    good, poor = made("good", skill=4.0), made("poor", skill=0.5, draw=1, epochs=7)
    return good, poor, made("fitted", seeds=(0,), skill=1.5, model="ridge", motion="tvl1", draw=2)


def test_the_best_is_first_and_the_reference(three):
    rows = leaderboard.rank(leaderboard.read(three[::-1]))
    assert [row.name for row in rows] == ["good", "fitted", "poor"]
    assert rows[0].difference is None and rows[0].p is None
    means = [row.score("uf1")["mean"] for row in rows]
    assert means == sorted(means, reverse=True)


def test_differences_and_p_values_are_those_of_the_paired_tests(three):
    runs = leaderboard.read(three)
    rows = {row.name: row for row in leaderboard.rank(runs, three[1])}
    good, poor, fitted = (scores.subject_matrices(run.predictions, 3) for run in runs)
    assert rows["poor"].difference is None
    assert rows["good"].difference == paired.difference(poor, good)
    assert rows["good"].difference[1] < 0  # the reference is the poor one
    p = [paired.permutation_test(poor, other) for other in (good, fitted)]
    assert [rows[name].p for name in ("good", "fitted")] == p
    assert [rows[name].p_holm for name in ("good", "fitted")] == paired.holm(p)


def test_seeds_that_cannot_be_paired_leave_p_open_and_the_rest_corrected_alone(made, three):
    runs = leaderboard.read([three[0], made("three seeds", seeds=(0, 1, 2), skill=0.2), three[1]])
    good, poor, unpaired = leaderboard.rank(runs)
    assert unpaired.name == "three seeds" and unpaired.p is unpaired.p_holm is None
    assert unpaired.difference is not None and poor.p_holm == poor.p


def test_one_run_is_its_own_reference(three):
    [row] = leaderboard.rank(leaderboard.read(three[:1]))
    assert row.difference is None and row.differs == {}


def test_only_options_that_both_models_have_and_that_matter_are_said_to_differ(three):
    rows = {row.name: row.differs for row in leaderboard.rank(leaderboard.read(three))}
    assert rows["poor"] == {"epochs": (7, 30)} and rows["good"] == rows["fitted"] == {}
    assert leaderboard.plain_differences(rows["poor"]) == "epochs 7, not 30"


def test_the_table_by_hand(three):
    rows = leaderboard.rank(leaderboard.read(three))
    table = leaderboard.table(rows)
    found = json.loads((three[1] / "results.json").read_text())
    line = table.iloc[2]
    assert line["run"] == str(three[1]) and line["motion"] == "dgm" and line["seeds"] == 2
    assert line["uf1"] == found["uf1"]["mean"] and line["uf1_sd"] == found["uf1"]["sd"]
    assert [line["uf1_low"], line["uf1_high"]] == found["uf1"]["ci95"]
    assert line["f1_surprise"] == found["per_class_f1"]["surprise"]
    assert line["uar_synthetic"] == found["uar"]["mean"] and line["seconds"] == 90
    assert line["reference_above_low"] < line["reference_above"] < line["reference_above_high"]
    assert pd.isna(table["uf1_sd"][1]) and pd.isna(table["p"][0])  # one seed; the reference


def test_names_are_as_short_as_they_can_be():
    assert leaderboard.unique_names(["r/a", "r/b"]) == ["a", "b"]
    found = leaderboard.unique_names(["x/r/a/report", "x/r/b/report", "y/b/report", "x/c"])
    assert found == ["a/report", "r/b/report", "y/b/report", "c"]


def refused(folders, kind=DataError):
    with pytest.raises(kind) as caught:
        leaderboard.read(folders)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mistakes_with_folders(three, tmp_path):
    assert "name the folders of the runs" in refused([], OptionError)
    again = f"{three[0].parent}/x/../{three[0].name}"
    (three[0].parent / "x").mkdir()
    assert refused([three[0], again], OptionError) == f"{again} is given twice: leave one out"
    assert "not a run, it holds no config.json" in refused([three[0], tmp_path])
    half = shutil.copytree(three[0], tmp_path / "half")
    (half / "results.json").unlink()
    (half / "folds" / "seed-1" / "synthetic_s03.json").unlink()
    said = refused([three[0], half])
    assert "not finished, it holds 5 finished folds" in said
    assert said.endswith(f"--num-seeds 2 --out {half}")


@pytest.mark.parametrize(
    "name, options, says",
    [
        ("database", {"dataset": "smic-flow"}, "database (synthetic; smic-flow)"),
        ("protocol", {"protocol": "other-5"}, "protocol (synthetic-3; other-5)"),
        ("people", {"people": ("s01", "s04")}, "people held out (also s02"),
        ("clips", {"per_class": 1}, "clips (also synthetic/s01/c03"),
        ("groups", {"num_folds": 3}, "--num-folds (none; 3)"),
    ],
)
def test_runs_that_were_tested_otherwise_are_named_and_not_compared(
    made, three, name, options, says
):
    other = made(name, **options)
    said = refused([three[0], other])
    assert said.startswith(f"{three[0]} and {other} differ in ")
    assert says.replace("also s02", "also synthetic/s02") in said
    assert said.endswith(": compare them apart")


def test_other_data_and_other_labels_are_found(three, tmp_path):
    other = shutil.copytree(three[0], tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "data_digest": "fedcba98765"}))
    said = refused([three[0], other])
    assert "differ in prepared data, by digest (01234567; fedcba98): compare them apart" in said
    (other / "config.json").write_text(json.dumps(config))
    table = pd.read_csv(other / "predictions.csv")
    first = table["key"] == "synthetic/s02/c08"
    table["label"] = np.where(first, 2, table["label"])
    table.to_csv(other / "predictions.csv", index=False)
    assert "give synthetic/s02/c08 another subject, class or fold" in refused([three[0], other])


def test_an_unknown_reference_is_refused(three, tmp_path):
    with pytest.raises(OptionError, match="none of the runs given: name it too"):
        leaderboard.rank(leaderboard.read(three), tmp_path)
