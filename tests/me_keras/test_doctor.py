"""The command: exit codes, files, what it refuses; once for real."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from machine_fixture import MACHINE, TRIAL

from me_keras import doctor
from me_keras.machine import findings, report
from me_keras.machine.report import Report

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def asked(monkeypatch):
    """What a report was asked for, in order; it finds what the attribute `found` holds."""

    class Calls(list):
        found: tuple = ()

        def make(self, steps, batch_size):
            self.append((steps, batch_size))
            return Report(MACHINE, TRIAL if steps else None, list(self.found))

    calls = Calls()
    monkeypatch.setattr(report, "make", calls.make)
    return calls


def test_a_healthy_machine_is_code_0(asked, capsys):
    assert doctor.main([]) == 0
    assert asked == [(20, 32)]
    printed = capsys.readouterr()
    assert printed.out.endswith("healthy: 0 errors, 0 warnings, 0 notes\n") and not printed.err


def test_a_finding_is_code_1_and_json_holds_it(asked, tmp_path):
    asked.found = [findings.Finding("warning", "slow", "wait")]
    path = tmp_path / "machine.json"
    assert doctor.main(["--no-train", "--batch-size", "8", "--json", str(path)]) == 1
    assert asked == [(0, 8)]
    value = json.loads(path.read_text())
    assert value["findings"][0]["text"] == "slow" and value["trial"] is None


@pytest.mark.parametrize(
    "arguments, line",
    [
        (["--steps", "0"], "steps must be at least 1, got 0"),
        (["--batch-size", "0"], "batch_size must be at least 1, got 0"),
    ],
)
def test_wrong_use_is_one_line(asked, capsys, arguments, line):
    with pytest.raises(SystemExit) as left:
        doctor.main(arguments)
    assert left.value.code == 2 and line in capsys.readouterr().err and not asked


def test_a_folder_that_is_not_there_is_told_before_any_long_step(asked, capsys, tmp_path):
    assert doctor.main(["--json", f"{tmp_path}/no/machine.json"]) == 2
    assert "no such folder" in capsys.readouterr().err and not asked


def test_this_machine_with_a_broken_driver(tmp_path):
    """In a process of its own, TensorFlow as it is: no GPU, though there may be one."""
    fake = tmp_path / "nvidia-smi"
    fake.write_text("#!/bin/sh\necho 'Failed to initialize NVML: Unknown Error'\nexit 255\n")
    fake.chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "me_keras.doctor", "--no-train"]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    words = " ".join(done.stdout.split())
    assert "ERROR nvidia-smi: Failed to initialize NVML: Unknown Error" in words
    assert "sees no GPU" in words and "variables CUDA_VISIBLE_DEVICES=-1" in words
    assert max(map(len, done.stdout.splitlines())) <= 80
