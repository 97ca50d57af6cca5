"""The benchmark of preparing: a small run, and the memory of a family of processes."""

import json
import subprocess
import sys
import time

import pytest

from benchmarks import prepare


@pytest.mark.slow
def test_a_small_run(tmp_path, capsys):
    flags = ["--clips", "3", "--num-frames", "5", "--repeats", "1", "--jobs", "1", "2"]
    assert prepare.main([*flags, "--json", str(tmp_path / "x.json")]) == 0
    assert "3 clips" in capsys.readouterr().out
    rows = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert list(rows) == ["1", "2"]
    for row in rows.values():
        assert row["ratio"] == pytest.approx(row["prepare frames/s"] / row["FaceMesh faces/s"])
        assert row["442 clips s"] > row["start s"] and row["peak MiB"] > 100


def test_memory_counts_children():
    script = "import sys; kept = bytearray(64 << 20); print(flush=True); sys.stdin.read()"
    with prepare.peak_memory(0.02) as before:
        time.sleep(0.1)
    with prepare.peak_memory(0.02) as peak:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen([sys.executable, "-c", script], **pipes) as child:
            child.stdout.readline()
            time.sleep(0.3)
            child.stdin.close()
    assert peak[0] - before[0] > 60 << 20


def test_too_few_clips(capsys):
    with pytest.raises(SystemExit):
        prepare.main(["--clips", "2"])
    assert "clips must be more than processes" in capsys.readouterr().err
