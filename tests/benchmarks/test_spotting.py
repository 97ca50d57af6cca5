"""The benchmark of spotting: how intervals are matched and counted, the classical rule, a run."""

import json
import types

import numpy as np
import pytest
import stand_in

from benchmarks import spotting


def test_overlap_is_intersection_over_union():
    assert spotting.overlap((0, 2), (1, 3)) == pytest.approx(1 / 3)
    assert spotting.overlap((0, 1), (2, 3)) == 0 and spotting.overlap((1, 2), (1, 2)) == 1


def test_each_true_interval_counts_once():
    true = [(0.0, 1.0), (5.0, 6.0)]
    assert spotting.count([(0.0, 0.9), (0.1, 1.0), (3.0, 4.0)], true)[:3] == (1, 2, 1)
    assert spotting.count([(0.0, 0.9), (0.1, 1.0)], true)[3] == pytest.approx(0.9)
    assert spotting.count([(0.0, 0.49)], true)[:3] == (0, 1, 2)  # under half
    assert spotting.count([], true) == (0, 0, 2, 0.0) and spotting.count([(0, 1)], []) == (
        0,
        1,
        0,
        0.0,
    )


def test_f1_is_pooled_over_videos():
    counts = np.array([[2, 0, 0, 1.8], [1, 1, 2, 0.6]], float)
    row = spotting.summary(counts)
    assert row["F1"].startswith("0.667 [") and (row["right"], row["wrong"], row["missed"]) == (
        3,
        1,
        2,
    )
    assert row["overlap"] == pytest.approx(0.8)
    assert spotting.f1(np.zeros(4)) == 0
    low, high = map(float, row["F1"][7:-1].split(", "))
    assert low == pytest.approx(0.4) and high == pytest.approx(1.0)  # either video alone
    assert spotting.difference(counts, counts) == "+0.000 [+0.000, +0.000]"


def test_the_threshold_is_the_best_and_of_several_the_middle():
    assert spotting.chosen((1, 2, 3, 4, 5), [0.2, 0.9, 0.9, 0.9, 0.1]) == 3
    assert spotting.chosen((1, 2, 3), [0.5, 0.4, 0.3]) == 1


def test_the_classical_rule_takes_what_stands_out():
    """A pair of frames around 1 s differs, in runs that the apex between them parts; one lasts."""
    times = np.arange(0, 6, 0.05)
    curve = np.full(len(times), 0.1)
    for start, end in ((0.82, 0.93), (0.98, 1.1), (3.0, 4.5)):
        curve[(times > start) & (times < end)] = 1.0
    seen = types.SimpleNamespace(curve=curve, times=times)
    ((start, end),) = spotting.classical(seen, 0.4)
    half = spotting.HALF / 2
    assert start == pytest.approx(0.85 + half) and end == pytest.approx(1.05 + half)
    flat = types.SimpleNamespace(curve=np.ones(5), times=np.arange(5.0))
    assert spotting.classical(flat, 0.4) == []


def test_a_folder_without_a_model_is_said_before_anything_is_rendered(tmp_path, capsys):
    assert spotting.main(["--model", str(tmp_path / "none")]) == 2
    assert f"{tmp_path / 'none'}: " in capsys.readouterr().err


@pytest.mark.slow
def test_a_run(tmp_path, capsys):
    path = tmp_path / "x.json"
    model = stand_in.write(tmp_path / "model", size=64)
    assert spotting.main(["--quick", "--model", str(model), "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert set(found["rows"]) == {*spotting.RULES, "predict"} and found["quick"]
    for row in found["rows"].values():
        assert row["right"] + row["missed"] == 2  # what the video holds
    assert found["rows"]["ours"]["right"] == 2
    assert "micro-expression" in capsys.readouterr().out
