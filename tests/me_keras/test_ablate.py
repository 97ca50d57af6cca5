import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from ablation_fixture import stand_in
from flow_fixture import FLAGS, write_flow
from sklearn.metrics import f1_score

from me_keras import ablate

ROWS = {"ours": {"no linear read-out": {"linear_readout": False}}}
BAD = {"order": {"after attention": {"fusion_order": "after"}}}


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = write_flow(tmp_path / "flow")
    (tmp_path / "rows.json").write_text(json.dumps(ROWS))
    (tmp_path / "bad.json").write_text(json.dumps({**BAD, **ROWS}))
    data = ["--dataset", "smic-flow", "--data-root", str(flow), "--out", "table"]

    def command(*extra):
        return ablate.main([*data, *FLAGS, *extra])

    return command


@pytest.mark.parametrize("flag", ["--help", "--help-all"])
def test_help_is_quick_and_loads_no_tensorflow(flag):
    code = (
        "import sys\nfrom me_keras import ablate\n"
        f"try:\n    ablate.main(['{flag}'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'numpy', 'cv2', 'scipy', 'pandas', 'sklearn'}\n"
        "assert not heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for part in ("examples:", "--factors", "--grid FILE", "--print-grid", "--jobs", "ablation.svg"):
        assert part in done.stdout
    assert ("--shift-apex" in done.stdout) == (flag == "--help-all")


def test_the_grid_is_printed_and_read_again_without_tensorflow(tmp_path):
    line = [sys.executable, "-m", "me_keras.ablate", "--dataset", "smic-flow", "--print-grid"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    table = json.loads(done.stdout)
    assert set(table) == {"fusion", "order", "ours"}
    assert table["order"] == {"linear fusion after attention": {"fusion_order": "after"}}
    assert "left out: motion, TV-L1 flow: --motion tvl1 does not suit smic-flow" in done.stderr
    (tmp_path / "again.json").write_text(done.stdout)
    again = subprocess.run(
        [*line, "--grid", str(tmp_path / "again.json")], capture_output=True, text=True, timeout=60
    )
    assert json.loads(again.stdout) == table and "left out" not in again.stderr


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--factors", "colour"], "--factors colour: not in the grid, which has motion, fusion"),
        (["--factors", "motion"], "no row of the grid applies"),
        (["--grid", "nowhere.json"], "--grid nowhere.json: cannot be read as JSON"),
        (["--grid", "no.json"], "--grid no.json: a, b: unknown option 'colour'"),
        (["--grid", "rows.json", "--no-linear-readout"], "is the same as the reference"),
        (["--protocol", "nothing"], "nothing"),
        (["--data-root", "nowhere"], "nowhere"),
    ],
)
def test_misuse_is_one_line_and_2(run, capsys, tmp_path, extra, message):
    (tmp_path / "no.json").write_text('{"a": {"b": {"colour": 1}}}')
    assert run(*extra) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(err) == 1 and message in err[0]
    assert not list((tmp_path / "table").rglob("results.json"))


@pytest.mark.parametrize("extra", [["--shard", "1/2"], ["--merge"]])
def test_what_is_for_loso_is_refused_with_the_flags(run, capsys, extra):
    with pytest.raises(SystemExit) as caught:
        run(*extra)
    assert caught.value.code == 2 and "here there is --jobs" in capsys.readouterr().err


def test_a_failed_row_is_named_and_1(run, capsys, monkeypatch):
    stand_in(monkeypatch)
    assert run("--grid", "bad.json") == 1
    printed = capsys.readouterr()
    assert "failed: order, after attention: " in printed.out and "no linear read-out" in printed.out
    assert "error" not in printed.err
    assert run("--grid", "bad.json", "--fusion-order", "after", "--factors", "ours") == 2
    assert "holds a run with another fusion_order" in capsys.readouterr().err
    assert run("--grid", "rows.json", "--fusion-order", "after", "--out", "other") == 1
    err = capsys.readouterr().err
    assert err.splitlines()[-1].startswith("error: reference: ")


@pytest.mark.slow
def test_one_command_trains_compares_draws_and_goes_on(run, tmp_path, capsys, monkeypatch):
    """Real training of two rows; the difference is computed again from their predictions."""
    small = ["--no-local-fusion", "--no-face-fusion", "--num-seeds", "2", "--grid", "rows.json"]
    assert run(*small) == 0
    out = tmp_path / "table"
    text = capsys.readouterr().out
    assert "no linear read-out" in text and "table, figure and runs in table" in text
    names = {path.name for path in out.iterdir()}
    assert {"ablation.csv", "ablation.json", "ablation.png", "ablation.svg"} <= names

    def pooled(row):
        table = pd.read_csv(out / row / "predictions.csv")
        scores = []
        for _, seed in table.groupby("seed"):
            scores.append(f1_score(seed["label"], seed["prediction"], average="macro"))
        return np.mean(scores)

    record = json.loads((out / "ablation.json").read_text())
    reference, row = record["rows"]
    assert reference["uf1"]["mean"] == pytest.approx(pooled("reference"))
    apart = pooled("linear_readout=False") - pooled("reference")
    assert row["difference"]["mean"] == pytest.approx(apart)
    assert row["p"] in [n / 8 for n in range(1, 9)] and row["p_holm"] == row["p"]
    assert 0 < row["parameters"] < reference["parameters"]

    def nothing_left(*_):
        raise AssertionError("all folds are there")

    monkeypatch.setattr("me_keras.evaluation.folds.run_fold", nothing_left)
    assert run(*small) == 0
    assert json.loads((out / "ablation.json").read_text()) == record
