"""All benchmarks by one command: one file, one table, and a part that fails does not end it."""

import json
import re

import pytest

from benchmarks import __main__ as command
from benchmarks import machine, measure


@pytest.mark.slow
def test_parts_are_put_together_and_one_that_fails_does_not_end_it(tmp_path, capsys):
    path = tmp_path / "results.json"
    flags = ["--parts", "warp", "processes", "--quick", "--loso=--batch-size 0"]
    assert command.main([*flags, "--json", str(path)]) == 1
    found = json.loads(path.read_text())
    assert found["machine"]["cores"] >= 1 and found["quick"] is True
    assert "batch_size" in found["parts"]["processes"]["error"]
    assert found["parts"]["warp"]["figures"][0]["name"] == "warp"
    said = capsys.readouterr()
    assert "The warp, beside OpenCV" in said.out and "| warp " in said.out
    assert "1 of 2 failed, processes" in said.err


def test_a_part_that_hangs_is_stopped(tmp_path, capsys):
    flags = ["--parts", "warp", "--quick", "--timeout", "0.01"]
    assert command.main([*flags, "--json", str(tmp_path / "results.json")]) == 1
    assert "not done after 0.01 s" in capsys.readouterr().err


def test_a_process_that_fails_is_named():
    with pytest.raises(ChildProcessError, match="no_such_module"):
        measure.python(["-m", "no_such_module"])


def test_the_table_says_when_other_processes_were_running():
    facts = {**machine.facts(), "cores_usable": 2, "load_before": 0.5}
    content = {"machine": facts, "quick": False, "parts": {}}
    assert "other processes" not in command.markdown(content)
    facts["load_before"] = 0.7
    assert "other processes were running" in command.markdown(content)


def test_facts_are_what_figures_depend_on(monkeypatch):
    monkeypatch.setattr(machine, "_processor", lambda: {"flags": "fpu avx2 avx512f"})
    facts = machine.facts()
    assert facts["cores"] >= facts["cores_usable"] >= 1
    assert [name for name, on in facts["flags"].items() if on] == ["avx2", "avx512f"]
    assert facts["versions"]["tensorflow"].startswith("2.")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", facts["date"])
