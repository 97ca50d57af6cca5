import json

import numpy as np
import pytest

from benchmarks import systems

SCORE = {"mean": 0.5, "sd": 0.25, "per_seed": [0.25, 0.75]}


def test_several_databases_have_a_column_each():
    found = {"uf1": {**SCORE, "ci95": [0.1, 0.9]}, "uar": {**SCORE, "per_seed": [0.5]}}
    found["per_database"] = {"smic": {"uf1": SCORE}}
    expected = {"UF1": "0.500 +- 0.250 [0.100, 0.900]", "UAR": "0.500"}
    assert systems.scores(found) == expected
    found["per_database"]["samm"] = {"uf1": {**SCORE, "mean": 0.25}}
    expected |= {"UF1 smic": "0.500 +- 0.250", "UF1 samm": "0.250 +- 0.250"}
    assert systems.scores(found) == expected


def test_all_are_compared_with_the_first(rng):
    right = np.array([[6, 0], [0, 6]])
    better = np.tile(right, (3, 10, 1, 1))
    noise = rng.integers(0, 3, (1, 10, 2, 2))  # of one seed: nothing is drawn
    found = systems.beside({"a": better, "b": noise, "c": better, "d": noise})
    assert found["a"] == {"UF1 of a above": "", "p": ""}
    assert found["c"] == {"UF1 of a above": "+0.000 [+0.000, +0.000]", "p": "1.0000"}
    assert found["b"] == found["d"]
    # all swapped or none differ as much: 2 of 1024 swaps, times three comparisons
    assert float(found["b"]["p"]) == pytest.approx(3 * 2 / 1024, abs=0.004)


@pytest.mark.parametrize("flag", ["--num-seeds 2", "--model ststnet", "--shard 1/2"])
def test_what_is_decided_here_is_refused(flag, tmp_path, capsys):
    assert systems.main(["--quick", "--out", str(tmp_path), f"--loso={flag}"]) == 2
    assert f"leave out {flag.split()[0]}, it is decided here" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())  # before anything is rendered


@pytest.mark.slow
def test_one_command_trains_compares_and_goes_on(tmp_path, capsys, monkeypatch):
    path = tmp_path / "found.json"
    words = ["--quick", "--num-seeds", "2", "--out", str(tmp_path / "runs"), "--loso=--motion dis"]

    def table(*models):
        code = systems.main([*words, "--json", str(path), "--models", *models])
        return code or json.loads(path.read_text())

    found = table("frl_dgt", "ridge", "tsfmicro")
    rows, notes = found["rows"], found["notes"]
    assert list(rows) == ["frl_dgt", "ridge"] and rows["frl_dgt"].keys() == rows["ridge"].keys()
    assert "cannot take --motion dis" in notes["without tsfmicro"]
    assert rows["frl_dgt"]["UF1"].count("+-") == 1 and rows["ridge"]["UF1"].count("+-") == 0
    assert rows["ridge"]["UF1 of frl_dgt above"].count("[") == 1
    assert 0 < float(rows["ridge"]["p"]) <= 1 and rows["ridge"]["motion"] == "dis"
    assert rows["frl_dgt"]["parameters"] > 1000 and rows["ridge"]["parameters"] == "-"
    assert rows["frl_dgt"]["seconds per fold"] > 0
    assert "| UF1 of frl_dgt above " in capsys.readouterr().out

    def nothing_left(*_):
        raise AssertionError("all folds are there")

    monkeypatch.setattr("me_keras.evaluation.folds.run_fold", nothing_left)
    monkeypatch.setattr("pipelines.synthetic.write.generate", nothing_left)
    assert table("frl_dgt", "ridge", "tsfmicro") == found
    assert table("tsfmicro") == 2
    assert "error: --model tsfmicro cannot take" in capsys.readouterr().err
