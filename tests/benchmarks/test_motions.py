import json

import numpy as np
import pytest

from benchmarks import motions


def confusions(right):
    """`(1, subjects, 2, 2)`: of two clips a class of each subject, so many are right."""
    return np.array([[[[n, 2 - n], [2 - n, n]] for n in right]])


def test_the_interval_is_of_differences_on_the_same_people():
    ours, theirs = confusions([2, 2, 1, 2, 0, 2]), confusions([1, 2, 1, 1, 0, 2])
    low, middle, high = motions.paired_interval(ours, theirs)
    assert middle == pytest.approx(9 / 12 - 7 / 12)  # with as many of both classes, UF1 is accuracy
    assert 0 <= low < middle < high < 0.5  # no person is better with theirs
    assert motions.paired_interval(ours, ours) == (0.0, 0.0, 0.0)


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    path = tmp_path / "found.json"
    words = ["--quick", "--motions", "dgm", "dis", "--num-seeds", "1", "--json", str(path)]
    assert motions.main(words) == 0
    rows = json.loads(path.read_text())["rows"]
    assert list(rows) == ["dgm", "dis"] and "+-" in rows["dis"]["UF1"]
    assert rows["dis"]["UF1 of dgm above"].count("[") == 1
    assert "amplitude" in capsys.readouterr().out
