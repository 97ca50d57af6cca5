"""python -m pipelines.prepare: flags, printed lines, exit codes; Ctrl-C leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time

import cartoon
import pytest

from pipelines import prepare
from pipelines.prepared import default_folder, ensure_prepared

CLIPS = {"s01_ne_01": 4, "s02_po_01": 3}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ME_KERAS_DATA", raising=False)


def test_the_command_prepares_what_loso_would(tmp_path, capsys):
    root = cartoon.write_smic(tmp_path / "smic", CLIPS)
    flags = ["--dataset", "smic", "--data-root", str(root), "--jobs", "1", "--max-frames", "3"]
    assert prepare.main(flags) == 0
    preparation = prepare.PreparationOptions("smic", (str(root),), max_frames=3)
    folder = default_folder(preparation)
    assert capsys.readouterr().out == f"{folder}: 2 clips of 2 subjects, 0 skipped\n"
    assert ensure_prepared(preparation)[0] == folder
    assert capsys.readouterr().err == ""  # nothing was prepared again
    assert prepare.main([*flags, "--out", "named"]) == 0
    assert capsys.readouterr().out.startswith("named: 2 clips")


def test_skipped_clips_are_listed(tmp_path, capsys):
    root = cartoon.write_smic(tmp_path / "smic", CLIPS)
    broken = next(root.rglob("s01_ne_01/image001002.bmp"))
    broken.write_bytes(b"")
    flags = ["--dataset", "smic", "--data-root", str(root), "--jobs", "1"]
    assert prepare.main(flags) == 2
    message = capsys.readouterr().err.splitlines()[-1]
    assert message.startswith("error: 1 of 2 clips cannot be used") and "Traceback" not in message
    assert prepare.main([*flags, "--allow-missing"]) == 0
    printed = capsys.readouterr()
    reason = f"{broken}: the file is empty; copy it again ({broken})"
    assert f"skipped smic/s01/s01_ne_01: {reason}\n" in printed.err
    assert printed.out.endswith(": 1 clips of 1 subjects, 1 skipped\n")


def test_no_data_root_is_one_line(capsys):
    assert prepare.main(["--dataset", "smic"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for words in ("needs --data-root", "Oulu", "SMIC_all_raw/HS/s1", "--dataset synthetic"):
        assert words in message


@pytest.mark.parametrize(
    "flag, value, message",
    [
        ("--image-size", "8", "image_size must be at least 32, got 8"),
        ("--max-frames", "2", "max_frames must be at least 3, got 2"),
        ("--jobs", "-1", "jobs must be at least 0, got -1"),
    ],
)
def test_values_out_of_range(flag, value, message, capsys):
    with pytest.raises(SystemExit) as stop:
        prepare.main([flag, value])
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_help_is_quick_and_loads_no_heavy_library():
    code = (
        "import sys, pipelines.prepare as p\n"
        "try: p.main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'tensorflow', 'mediapipe', 'cv2', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(tmp_path):
    root = cartoon.write_smic(tmp_path / "smic", {f"s{i:02d}_ne_01": 6 for i in range(1, 21)})
    out = tmp_path / "out" / "prepared"
    line = [sys.executable, "-m", "pipelines.prepare", "--dataset", "smic", "--jobs", "2"]
    run = subprocess.Popen(
        [*line, "--data-root", str(root), "--out", str(out)],
        env={**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(prepare.__file__))},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in background
    )
    deadline = time.time() + 60
    while not list(out.parent.glob(".prepared.partial-*/shard*")) and time.time() < deadline:
        time.sleep(0.02)
    os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to all processes
    _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert errors.splitlines()[-1] == "interrupted: nothing was written"
    assert "Traceback" not in errors and "Warning" not in errors
    assert [path.name for path in out.parent.iterdir()] == [".prepared.lock"]
