import json
import subprocess
import sys

import cv2
import numpy as np
import pandas as pd
import pytest

from me_keras import loso

FLAGS = ["--epochs", "2", "--warmup-epochs", "1", "--batch-size", "4", "--filters", "8", "8"]
FLAGS += ["--width", "16", "--heads", "2"]


@pytest.fixture
def flow(tmp_path):
    """A smic-flow folder of three subjects whose classes are plain to see."""
    folder = tmp_path / "flow"
    folder.mkdir()
    rows = []
    for subject in ("s01", "s02", "s03"):
        for label in (0, 1, 2):
            image = (
                np.random.default_rng(len(rows)).integers(110, 146, (28, 28, 3)).astype(np.uint8)
            )
            image[9 * label : 9 * label + 9, :, 1] = 255
            name = f"{subject}_{label}.png"
            cv2.imwrite(str(folder / name), image)
            rows.append((name, subject, f"{subject}_{label}", label))
    table = pd.DataFrame(rows, columns=["file", "subject", "clip", "label"])
    table.to_csv(folder / "labels.csv", index=False)
    return folder


@pytest.fixture
def run(flow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*extra):
        return loso.main(["--dataset", "smic-flow", "--data-root", str(flow), *FLAGS, *extra])

    return command


def test_the_folder_and_the_table(run, tmp_path, capsys):
    assert run("--out", "runs/a", "--num-seeds", "2", "--seed", "3") == 0
    printed = capsys.readouterr()
    assert "UF1" in printed.out and "9 clips, 3 subjects, 0 skipped, 2 seed(s)" in printed.out
    assert printed.err == ""
    out = tmp_path / "runs" / "a"
    names = {p.name for p in out.iterdir()}
    assert {"config.json", "results.json", "predictions.csv", "folds"} <= names
    assert {"confusion.png", "curves.png", "tensorboard"} <= names
    results = json.loads((out / "results.json").read_text())
    for name in ("uf1", "uar", "accuracy"):
        assert set(results[name]) == {"mean", "sd", "per_seed", "ci95"}
        assert len(results[name]["per_seed"]) == 2
    assert results["counts"] == {"clips": 9, "subjects": 3, "skipped": 0}
    assert results["dgm_gain"] is None and results["seconds"] > 0
    predictions = pd.read_csv(out / "predictions.csv")
    assert len(predictions) == 18 and set(predictions["seed"]) == {3, 4}
    assert json.loads((out / "config.json").read_text())["epochs"] == 2


def test_a_stopped_run_goes_on_and_trains_no_fold_again(run, tmp_path, monkeypatch, capsys):
    from me_keras.evaluation import folds

    whole = tmp_path / "whole"
    assert run("--out", str(whole)) == 0
    trained = []
    original = folds.run_fold

    def interrupted(trainer, fold, *rest):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(fold.group)
        return original(trainer, fold, *rest)

    out = tmp_path / "stopped"
    monkeypatch.setattr(folds, "run_fold", interrupted)
    assert run("--out", str(out)) == 130
    assert "finished folds are kept" in capsys.readouterr().err
    assert len(list((out / "folds").rglob("*.json"))) == 2
    trained.clear()
    assert run("--out", str(out)) == 0
    assert trained == ["smic/s03"]
    first, second = (json.loads((p / "results.json").read_text()) for p in (whole, out))
    assert first["uf1"] == second["uf1"]
    a, b = (pd.read_csv(p / "predictions.csv") for p in (whole, out))
    pd.testing.assert_frame_equal(a, b)
    trained.clear()
    assert run("--out", str(out)) == 0 and trained == []


def test_another_run_in_the_folder_is_refused(run, tmp_path, capsys):
    assert run("--out", "runs/a", "--subjects", "s01") == 0
    capsys.readouterr()
    assert run("--out", "runs/a", "--subjects", "s01", "--epochs", "3") == 2
    assert "holds a run with another epochs (2, now 3)" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    assert run("--out", "other") == 2
    assert "is not a run of this command" in capsys.readouterr().err


def test_more_seeds_and_subjects_go_on_in_the_same_folder(run, tmp_path):
    assert run("--out", "runs/a", "--subjects", "s01") == 0
    assert run("--out", "runs/a", "--num-seeds", "2") == 0
    results = json.loads((tmp_path / "runs/a/results.json").read_text())
    assert results["counts"]["subjects"] == 3 and len(results["uf1"]["per_seed"]) == 2


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--subjects", "s77"], "no subject s77; there are smic/s01"),
        (["--motion", "tvl1"], "use precomputed"),
        (["--data-root", "nowhere"], "nowhere"),
    ],
)
def test_misuse_is_one_line_and_2(run, capsys, extra, message):
    assert run(*extra) == 2
    err = capsys.readouterr().err
    assert message in err and err.startswith("error: ") and err.count("\n") == 1


def test_smic_without_data_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ME_KERAS_DATA", raising=False)
    assert loso.main(["--dataset", "smic"]) == 2
    err = capsys.readouterr().err
    for part in ("Oulu", "SMIC_all_raw", "--dataset synthetic"):
        assert part in err


def test_one_subject_is_refused(flow, run, capsys):
    table = pd.read_csv(flow / "labels.csv")
    table.assign(subject="s01").to_csv(flow / "labels.csv", index=False)
    assert run() == 2
    assert "at least two subjects" in capsys.readouterr().err


def test_help_is_quick_and_loads_no_tensorflow():
    code = (
        "import sys\nfrom me_keras import loso\n"
        "try:\n    loso.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "assert not {'tensorflow', 'keras', 'cv2', 'mediapipe', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout and "--num-seeds" in done.stdout


def test_importing_the_package_loads_neither_mediapipe_nor_cv2():
    code = (
        "import sys, me_keras, me_keras.layers, me_keras.models, me_keras.losses\n"
        "assert not {'cv2', 'mediapipe'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
