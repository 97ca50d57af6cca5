import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from flow_fixture import write_flow
from tuning_fixture import QUICK, SUBJECTS

from me_keras import tune

ROOT = pathlib.Path(tune.__file__).parents[1]


@pytest.fixture
def run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flow = write_flow(tmp_path / "flow", SUBJECTS)
    data = ["--dataset", "smic-flow", "--data-root", str(flow), "--out", "tuned"]

    def command(*extra):
        return tune.main([*data, *QUICK, *extra])

    command.line = [sys.executable, "-m", "me_keras.tune", *data, *QUICK]
    command.env = {**os.environ, "PYTHONPATH": str(ROOT)}
    return command


@pytest.mark.parametrize("flag", ["--help", "--help-all"])
def test_help_is_quick_and_loads_no_tensorflow(flag):
    code = (
        f"import sys\nfrom me_keras import tune\n"
        f"try:\n    tune.main(['{flag}'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'keras_tuner', 'cv2', 'mediapipe', 'pandas', 'sklearn'}\n"
        "assert not heavy & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    for part in ("examples:", "--scope", "--jobs", "--max-trials"):
        assert part in done.stdout
    assert ("--max-failures" in done.stdout) == (flag == "--help-all")


@pytest.mark.parametrize("extra", [["--objective", "f2"], ["--tuner", "magic"], ["--scope", "x"]])
def test_unknown_choices_name_those_there_are(run, capsys, extra):
    with pytest.raises(SystemExit) as caught:
        run(*extra)
    assert caught.value.code == 2
    assert "invalid choice" in capsys.readouterr().err


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--only", "filters"], "has no effect with --model frl_dgt --motion precomputed"),
        (["--only", "frobnicate"], "--only frobnicate: cannot be searched; choose from"),
        (["--only", "width"], "--only width: is now hidden_dim"),
        (["--space", "nowhere.json"], "neither small nor full nor a JSON file"),
        (["--space", "empty.json"], "nothing to search"),
        (["--inner-folds", "7"], "fewer than 7 inner folds: lower --inner-folds"),
        (["--development-subjects", "s99"], "no subject s99"),
        (["--data-root", "nowhere"], "nowhere"),
        (["--workers", "2"], "--workers is now --jobs"),
        (["--port=8991"], "--port is gone: trials run on --jobs processes"),
        (["--answer-timeout", "9"], "--executor ray"),
        (["--trial-timeout", "9"], "--trial-timeout is gone: a trial runs until it ends"),
    ],
)
def test_misuse_is_one_line_and_2(run, capsys, tmp_path, extra, message):
    (tmp_path / "empty.json").write_text("{}")
    assert run(*extra) == 2
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(err) == 1 and message in err[0]
    assert not (tmp_path / "tuned").exists()


@pytest.mark.parametrize(
    "extra, message",
    [
        (["--max-trials", "0"], "max_trials must be at least 1"),
        (["--shard", "1/2"], "here there is --jobs"),
        (["--width", "16"], "--width is now --hidden-dim"),
    ],
)
def test_values_that_cannot_be_are_refused_with_the_flags(run, capsys, extra, message):
    with pytest.raises(SystemExit) as caught:
        run(*extra)
    assert caught.value.code == 2 and message in capsys.readouterr().err


def test_options_of_an_older_search_are_read(run, capsys, tmp_path):
    older = {"dataset": "smic-flow", "width": 8, "workers": 0, "port": 0, "scope": "all"}
    older |= {"trial_timeout": 3600, "answer_timeout": 600, "only": ["learning_rate"]}
    (tmp_path / "older.json").write_text(json.dumps({**older, "max_trials": 7}))
    assert run("--config", "older.json", "--space", "nowhere.json") == 2
    assert "--space nowhere.json" in capsys.readouterr().err


def test_a_folder_of_another_search_is_named(run, capsys, monkeypatch):
    from me_keras.tuning import search

    monkeypatch.setattr(search, "_run_trials", lambda *_: None)
    assert run("--only", "learning_rate") == 1  # no trial was run
    assert "error: no trial was completed" in capsys.readouterr().err
    assert run("--only", "dropout") == 2
    err = capsys.readouterr().err
    assert "tuned holds a search of another space" in err and "choose another --out" in err


@pytest.mark.slow
def test_a_search_side_by_side_is_stopped_and_goes_on_where_it_was(run, tmp_path):
    """Two processes, one killed in its first trial; the command is stopped, then given again."""
    line = [*run.line, "--jobs", "2", "--max-trials", "6", "--no-report", "--only"]
    line += ["learning_rate", "--model", "ststnet"]  # the quickest to trace
    state = tmp_path / "tuned/searches/search/trials.json"
    with open(tmp_path / "printed", "w+") as printed:
        keywords = {"env": run.env, "stdout": printed, "stderr": printed, "text": True}
        command = subprocess.Popen(line, **keywords)
        try:
            wait_for(lambda: len(_children(command.pid)) == 2)
            os.kill(_children(command.pid)[0], signal.SIGKILL)
            wait_for(lambda: state.exists() and _ended(state) >= 2)
            command.send_signal(signal.SIGTERM)
            assert command.wait(20) == 130
        finally:
            command.kill()
            command.wait()
        ended = _ended(state)
        wait_for(lambda: not _children(command.pid), 20)
        assert subprocess.run(line, **keywords).returncode == 0
    text = (tmp_path / "printed").read_text()
    assert "its process was killed by SIGKILL" in text and "it runs again" in text
    assert "the same command goes on from here" in text
    table = pd.read_csv(tmp_path / "tuned/trials.csv", dtype={"trial": str})
    assert sorted(table["trial"]) == [str(n) for n in range(6)] and 2 <= ended < 6
    assert table["status"].eq("completed").all()


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError("waited in vain")


def _ended(state):
    return len(json.loads(state.read_text())["oracle"]["end_order"])


def _children(parent):
    """Processes that train for this one."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            status, line = (folder / "status").read_text(), (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status and b"popen_loky" in line:
            found.append(int(folder.name))
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("run")
def test_a_search_improves_on_a_poor_start_on_people_not_searched_on(tmp_path, capsys):
    """Real training; the command in the README does the same on the synthetic database."""
    poor = {"learning_rate": 1e-6, "epochs": 6, "batch_size": 4, "width": 16, "heads": 2}
    (tmp_path / "poor.json").write_text(json.dumps(poor))
    ranges = {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}}
    (tmp_path / "space.json").write_text(json.dumps(ranges))
    given = ["--config", "poor.json", "--space", "space.json", "--dataset", "smic-flow"]
    given += ["--data-root", "flow", "--out", "tuned", "--inner-folds", "2"]
    assert tune.main([*given, "--max-trials", "3", "--report-start"]) == 0
    found, start = (
        json.loads((tmp_path / f"tuned/{name}/results.json").read_text())
        for name in ("report", "report-start")
    )
    assert found["uf1"]["mean"] >= start["uf1"]["mean"] + 0.1
    assert found["tuned_on"]["reported"] == [] and found["counts"] == start["counts"]
    assert "with the options given" in capsys.readouterr().out
