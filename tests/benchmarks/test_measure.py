"""Measuring in turns: order, number of calls, and the speed of matrix products."""

import time

import pytest

from benchmarks import measure


def test_sides_take_turns():
    calls = []
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = measure.in_turns(functions, repeats=3, least=0.0)
    assert "".join(calls) == "aabb" + "ababab"  # two each to trace and to count
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}


def test_seconds_are_of_one_call():
    seconds = measure.in_turns({"sleep": lambda: time.sleep(0.002)}, repeats=3, least=0.02)
    assert (seconds["sleep"] >= 0.002).all() and seconds["sleep"].min() < 0.02


def test_quick_means_two_repetitions():
    assert measure.BenchOptions(quick=True).rounds == 2
    assert measure.BenchOptions().rounds >= 5
    with pytest.raises(ValueError, match="repeats"):
        measure.BenchOptions(repeats=0)


def test_sgemm_multiplies():
    product, giga = measure.sgemm(8)
    assert product().shape == (8, 8) and giga == pytest.approx(1024e-9)
