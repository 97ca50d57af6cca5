"""Figures: ratios within a repetition, aims, the tables and the JSON file."""

import dataclasses
import json

import pytest

from benchmarks import report
from benchmarks.measure import BenchOptions


def test_the_ratio_is_taken_within_each_repetition():
    # everything was ten times slower in the second round: the ratio does not care
    row = report.figure("ours", [10, 1, 12], "theirs", [5, 0.5, 5], "pairs/s")
    assert (row["value"], row["base"], row["ratio"]) == (10, 5, 2)
    assert row["spread"] == [2, 2.4] and row["repeats"] == 3


@pytest.mark.parametrize(
    "aim, met", [("ratio >= 2", True), ("ratio >= 2.1", False), ("value <= 9", False), ("", None)]
)
def test_aims(aim, met):
    assert report.figure("ours", [10], "theirs", [5], "s", aim)["met"] is met


def test_the_table_shows_both_sides_and_the_aim():
    figures = [report.figure("ours", [10], "theirs", [5], "s", "ratio <= 1")]
    rows = {"DIS": {"clips": 3, "error px": 0.12345}}
    found = dataclasses.asdict(report.Result(figures, {"batch": 32}, rows))
    head, rule, line, _, *more, _, note = report.markdown(found).splitlines()
    assert [cell.strip() for cell in line.strip("|").split("|")] == [
        "ours", "10", "theirs", "5", "s", "2", "2-2", "ratio <= 1 MISSED",
    ]  # fmt: skip
    assert len(head) == len(rule) == len(line) and note == "- batch: 32"
    assert more[0] == "|     | clips | error px |" and more[2] == "| DIS | 3     | 0.1235   |"


@pytest.mark.parametrize("failed, code", [("", 0), ("2 calls failed", 1)])
def test_a_benchmark_ends_with_its_figures(tmp_path, capsys, failed, code):
    path = tmp_path / "new" / "x.json"
    figures = [report.figure("ours", [10], "theirs", [5], "s", "ratio >= 1")]
    result = report.Result(figures, {"batch": 32}, failed=failed)
    flags = ["--json", str(path)]
    assert report.command(lambda options: result, BenchOptions, "x", "Text.")(flags) == code
    said = capsys.readouterr()
    assert "batch: 32" in said.out and (not failed or failed in said.err)
    found = json.loads(path.read_text())
    assert found["notes"] == {"batch": 32} and found["quick"] is False
    assert found["figures"][0]["met"] is True and found["figures"][0]["ratio"] == 2
