import errno
import json
import os
import re
import signal
import subprocess
import sys
import time

import fold_workers
import pandas as pd
import pytest
from flow_fixture import FLAGS, records, write_flow

from me_keras import loso
from me_keras.evaluation import folds
from me_keras.evaluation import run as evaluation
from pipelines import stack

SMALL = [*FLAGS, "--no-local-fusion", "--no-face-fusion"]  # quicker to trace


@pytest.fixture
def flow(tmp_path):
    """A smic-flow folder of three subjects whose classes are plain to see."""
    return write_flow(tmp_path / "flow")


@pytest.fixture
def run(flow, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def command(*extra):
        return loso.main(["--dataset", "smic-flow", "--data-root", str(flow), *SMALL, *extra])

    return command


@pytest.fixture
def untrained(run, monkeypatch):
    """The command with folds that take no time: what is around them is tested."""

    class FoldTrainer:
        def __init__(self, options, prepared):
            pass

        def __call__(self, task, callbacks):
            for callback in callbacks:
                callback.on_epoch_end(0, {"loss": 1.0})
            return fold_workers.record(task), None, None

    monkeypatch.setattr(evaluation, "FoldTrainer", FoldTrainer)
    return run


def test_the_folder_and_the_table(run, tmp_path, capsys):
    assert run("--out", "runs/a", "--num-seeds", "2", "--seed", "3") == 0
    printed = capsys.readouterr()
    assert "UF1" in printed.out and "9 clips, 3 subjects, 0 skipped, 2 seed(s)" in printed.out
    assert "error" not in printed.err and "training: 12 of 12 epochs" in printed.err
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
    assert json.loads((out / "config.json").read_text())["training"]["epochs"] == 2


def test_a_stopped_run_goes_on_and_trains_no_fold_again(run, tmp_path, monkeypatch, capsys):
    whole, small = tmp_path / "whole", ["--model", "ststnet"]  # three are built and traced
    assert run(*small, "--out", str(whole)) == 0
    trained = []
    original = folds.run_fold

    def interrupted(trainer, fold, *rest):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(fold.group)
        return original(trainer, fold, *rest)

    out = tmp_path / "stopped"
    monkeypatch.setattr(folds, "run_fold", interrupted)
    assert run(*small, "--out", str(out)) == 130
    assert "finished folds are kept" in capsys.readouterr().err
    assert len(list((out / "folds").rglob("*.json"))) == 2
    trained.clear()
    assert run(*small, "--out", str(out)) == 0
    assert trained == ["smic/s03"]
    first, second = (json.loads((p / "results.json").read_text()) for p in (whole, out))
    assert first["uf1"] == second["uf1"]
    a, b = (pd.read_csv(p / "predictions.csv") for p in (whole, out))
    pd.testing.assert_frame_equal(a, b)
    trained.clear()
    assert run(*small, "--out", str(out)) == 0 and trained == []


def test_another_run_in_the_folder_is_refused(untrained, tmp_path, capsys):
    assert untrained("--out", "runs/a", "--subjects", "s01") == 0
    capsys.readouterr()
    assert untrained("--out", "runs/a", "--subjects", "s01", "--epochs", "3") == 2
    assert "holds a run with another epochs (2, now 3)" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("precious")
    assert untrained("--out", "other") == 2
    assert "is not a run of this command" in capsys.readouterr().err


def test_more_seeds_and_subjects_go_on_in_the_same_folder(untrained, tmp_path):
    assert untrained("--out", "runs/a", "--subjects", "s01") == 0
    assert untrained("--out", "runs/a", "--num-seeds", "2") == 0
    results = json.loads((tmp_path / "runs/a/results.json").read_text())
    assert results["counts"]["subjects"] == 3 and len(results["uf1"]["per_seed"]) == 2


def errors(printed):
    """What was said on stderr beside how far the run is."""
    return [line for line in printed.err.splitlines() if not re.match(r"\d{4}-\d\d-\d\d ", line)]


def fold_files(out):
    return sorted(path.stem for path in out.rglob("folds/**/*.json"))


def test_shards_then_merge(untrained, tmp_path, capsys):
    out, whole = tmp_path / "shards", tmp_path / "whole"
    assert untrained("--out", str(whole), "--num-seeds", "2") == 0
    capsys.readouterr()
    command = ["--out", str(out), "--num-seeds", "2"]
    assert untrained(*command, "--shard", "2/4") == 0
    printed = capsys.readouterr().out
    assert fold_files(out) == ["smic_s02", "smic_s03"]  # of seeds 0 and 1
    assert "shard 2/4 is done" in printed and "UF1" not in printed
    assert "4 of 6 folds are missing: fold smic/s01, seed 0; fold smic/s03, seed 0" in printed
    merge = printed.splitlines()[-1].split()
    assert merge[:3] == ["python", "-m", "me_keras.loso"] and "--shard" not in merge
    assert not (out / "results.json").exists()

    assert loso.main(merge[3:]) == 2
    (err,) = errors(capsys.readouterr())
    assert "4 of 6 folds are missing: fold smic/s01, seed 0; " in err
    assert "Train them with the same command without --merge" in err
    assert len(fold_files(out)) == 2  # nothing was trained

    assert untrained(*command, "--shard", "1/4") == 0
    assert untrained(*command, "--shard", "3/4") == 0
    assert not (out / "results.json").exists()
    assert untrained(*command, "--shard", "4/4") == 0  # the last one finds all folds there
    assert (out / "results.json").exists()
    for name in ("results.json", "predictions.csv", "confusion.png", "curves.png"):
        (out / name).unlink()
    assert loso.main(merge[3:]) == 0
    assert (out / "predictions.csv").read_text() == (whole / "predictions.csv").read_text()
    first, second = (json.loads((p / "results.json").read_text()) for p in (out, whole))
    assert first["uf1"] == second["uf1"] and first["counts"] == second["counts"]
    assert {p.name for p in out.iterdir()} == {p.name for p in whole.iterdir()}


def test_a_shard_again_trains_nothing_and_an_empty_one_neither(untrained, tmp_path, monkeypatch):
    out = tmp_path / "a"
    assert untrained("--out", str(out), "--shard", "1/3") == 0
    monkeypatch.setattr(evaluation, "FoldTrainer", None)
    assert untrained("--out", str(out), "--shard", "1/3") == 0
    assert untrained("--out", str(out), "--shard", "5/5") == 0
    assert fold_files(out) == ["smic_s01"]


def test_merging_what_was_never_trained(untrained, capsys):
    assert untrained("--out", "nothing", "--merge") == 2
    assert "nothing holds no run: train first, or say where" in capsys.readouterr().err


def test_subjects_by_hand_then_merge(untrained, tmp_path):
    for subject in ("s01", "s03", "s02"):
        assert untrained("--out", "a", "--subjects", subject) == 0
    assert untrained("--out", "a", "--merge") == 0
    results = json.loads((tmp_path / "a" / "results.json").read_text())
    assert results["counts"]["subjects"] == 3


def full_disk(monkeypatch, at):
    """The disk is full from the `at`-th file on."""
    original, written = os.fsync, []

    def fsync(file):
        written.append(file)
        if len(written) >= at:
            raise OSError(errno.ENOSPC, "No space left on device")
        original(file)

    monkeypatch.setattr(os, "fsync", fsync)
    return written


def test_a_full_disk_keeps_the_finished_folds(untrained, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        full_disk(patch, at=4)  # options, two folds, then no more
        assert untrained("--out", "a") == 1
    (err,) = errors(capsys.readouterr())
    assert err.startswith("error: a/folds/seed-0/smic_s03.json cannot be written (No space left")
    assert "free some space" in err and "finished folds are kept, the same command goes on" in err
    assert fold_files(tmp_path / "a") == ["smic_s01", "smic_s02"]
    assert not list((tmp_path / "a").rglob("*.partial"))
    assert untrained("--out", "a") == 0
    assert (tmp_path / "a" / "results.json").exists()


def test_a_fold_that_diverges_stops_the_run_with_1(untrained, tmp_path, monkeypatch, capsys):
    def diverge(task):
        if task.fold.group == "smic/s02":
            raise FloatingPointError(f"{task}: the loss is no longer a number")
        return original(task)

    original = fold_workers.record
    monkeypatch.setattr(fold_workers, "record", diverge)
    assert untrained("--out", "a") == 1
    (err,) = errors(capsys.readouterr())
    assert err == "error: fold smic/s02, seed 0: the loss is no longer a number"
    assert fold_files(tmp_path / "a") == ["smic_s01"]


@pytest.mark.parametrize("name", ["config.json", "folds/seed-0/smic_s02.json"])
def test_a_damaged_file_of_the_run_is_named_with_the_remedy(untrained, tmp_path, capsys, name):
    assert untrained("--out", "a") == 0
    (tmp_path / "a" / name).write_text('{"epochs": ')
    capsys.readouterr()
    for more in ([], ["--merge"], ["--shard", "1/2"]):
        assert untrained("--out", "a", *more) == 2
        (err,) = errors(capsys.readouterr())
        assert f"a/{name} cannot be read" in err and "delete" in err


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--jobs", "0"], "jobs must be at least 1, got 0"),
        (["--threads", "0"], "threads must be at least 1, got 0"),
        (["--shard", "3/2"], "shard i/n needs 1 <= i <= n, got 3/2"),
        (["--shard", "half"], "shard must be i/n, such as 1/4, got 'half'"),
        (["--shard", "1/2", "--merge"], "leave --shard out"),
        (["--executor", "slurm"], "invalid choice: 'slurm'"),
        (["--executor", "ray", "--jobs", "2"], "jobs is for --executor local"),
        (["--gpus-per-fold", "-1"], "gpus_per_fold must lie in [0, inf), got -1.0"),
        (["--cpus-per-fold", "nan"], "cpus_per_fold must lie in [0, inf), got nan"),
    ],
)
def test_wrong_ways_to_share_the_work_end_with_2(run, capsys, extra, message):
    with pytest.raises(SystemExit) as stop:
        run(*extra)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def test_ray_that_is_not_there_is_said_before_any_work(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert run("--executor", "ray") == 2
    printed = capsys.readouterr()
    assert "pip install 'me-keras[ray]'" in printed.err and printed.out == ""
    assert not (tmp_path / "prepared").exists()


def command_in_a_process(flow, *extra, **kwargs):
    command = [sys.executable, "-m", "me_keras.loso", "--dataset", "smic-flow", *SMALL]
    command += ["--data-root", str(flow), *extra]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        **kwargs,
    )


@pytest.mark.slow
def test_side_by_side_shard_by_shard_and_one_after_the_other_are_equal_to_the_bit(
    flow, run, tmp_path, capsys
):
    """Two shards start at once, with nothing prepared yet; one of them trains two at a time."""
    ways = {
        "alone": [["--threads", "1", "--num-seeds", "1"]],
        "shared": [["--shard", "1/2", "--jobs", "2", "--threads", "1"]],
    }
    ways["shared"].append(["--shard", "2/2", "--threads", "1"])
    done = {}
    for out, all_extra in ways.items():
        folders = ["--out", str(tmp_path / out), "--prepared", str(tmp_path / f"prepared-{out}")]
        running = [command_in_a_process(flow, *folders, *extra) for extra in all_extra]
        done[out] = [(process, *process.communicate(timeout=300)) for process in running]
        for process, _, err in done[out]:
            assert process.returncode == 0, err
    alone, shared = (records(tmp_path / out) for out in ways)
    assert len(alone) == 3 and alone == shared
    assert {record["threads"] for record in alone.values()} == {1}
    merge = ["--out", str(tmp_path / "shared"), "--prepared", str(tmp_path / "prepared-shared")]
    assert run(*merge, "--merge") == 0
    printed = capsys.readouterr()
    assert "error" not in printed.err and "UF1" in printed.out
    texts = [(tmp_path / name / "predictions.csv").read_text() for name in ways]
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_sigterm_keeps_the_finished_folds_and_says_how_to_go_on(flow, tmp_path):
    """Within 5 s, in the middle of a fold."""
    out = tmp_path / "a"
    folders = ["--out", str(out), "--prepared", str(tmp_path / "prepared")]
    long = ["--epochs", "20000", "--num-seeds", "1"]
    with command_in_a_process(flow, *folders, *long) as process:
        for line in process.stderr:
            if "training" in line:
                break
        time.sleep(5)
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("stopped; finished folds are kept, the same command goes on"):
                break
        assert time.monotonic() - start < 5 and "Traceback" not in "".join(lines)
        assert process.wait(timeout=60) == 130  # the end itself takes a second of TensorFlow's


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
    (err,) = errors(capsys.readouterr())
    assert message in err and err.startswith("error: ")


def test_smic_without_data_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ME_KERAS_DATA", raising=False)
    assert loso.main(["--dataset", "smic"]) == 2
    err = capsys.readouterr().err
    for part in ("Oulu", "SMIC_all_raw", "--dataset synthetic"):
        assert part in err


def test_one_subject_is_refused(run, tmp_path, capsys):
    alone = write_flow(tmp_path / "alone", subjects=("s01",))
    assert run("--data-root", str(alone)) == 2
    assert "smic-flow: leaving one out needs at least two subjects" in capsys.readouterr().err


def test_help_is_quick_and_loads_no_tensorflow():
    code = (
        "import sys\nfrom me_keras import loso\n"
        "try:\n    loso.main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'cv2', 'mediapipe', 'pandas', 'numpy'}\n"
        "assert not heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout and "--num-seeds" in done.stdout
    assert "megc2018-holdout" in done.stdout and "--stochastic-depth" not in done.stdout


def test_help_all_shows_every_option(capsys):
    with pytest.raises(SystemExit):
        loso.main(["--help-all"])
    assert "--stochastic-depth" in capsys.readouterr().out


def test_importing_the_package_loads_neither_mediapipe_nor_cv2():
    heavy = {"mediapipe"} if stack.installed() == "current" else {"mediapipe", "cv2"}
    code = (  # Keras 3 loads cv2 itself, where it is
        "import sys, me_keras, me_keras.layers, me_keras.models, me_keras.losses\n"
        f"assert not {heavy} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
