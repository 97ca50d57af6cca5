"""What the benchmark counts, by hand, and that it runs."""

import json

import numpy as np
import pytest

from benchmarks import interpretation


def clip(own, subject="a"):
    return {"own": set(own), "subject": subject}


def test_chance_of_naming_a_unit_by_enumeration():
    import itertools

    from me_keras.interpretation.motion_units import UNITS

    for own in ({1}, {1, 2}, {4, 7, 10}):
        pairs = list(itertools.combinations(UNITS, 2))
        expected = np.mean([bool(own & set(pair)) for pair in pairs])
        assert interpretation._chance_of_a_unit(clip(own), 2) == pytest.approx(expected)


def test_intervals_are_drawn_by_people():
    """One of two people is always right: a drawn pair is right 0, 1/2 or 1 of the time."""
    hits, people = [True] * 8 + [False] * 8, ["a"] * 8 + ["b"] * 8
    assert interpretation.over_people(hits, people) == (0.0, 1.0)
    assert interpretation.over_people([True] * 4, list("aabb")) == (1.0, 1.0)
    found = interpretation.row(hits, [0.25] * 16, [clip((), who) for who in people])
    assert found == {"share": 0.5, "95 %": "[0.000, 1.000]", "clips": "8 of 16", "chance": 0.25}
    assert interpretation.row([], [], [])["clips"] == "0"


def test_probabilities_are_averaged_with_the_mirrored_faces():
    """A model that looks at the left half alone; and at the first region's x1."""

    def ask(inputs):
        left = inputs["onset"][:, :, :4].mean((1, 2))  # (b, 1)
        return np.concatenate([left, inputs["regions"][:, 0, 1:2]], 1)

    onset = np.zeros((1, 8, 8, 1), np.float32)
    onset[:, :, :4] = 1.0
    regions = np.tile(np.float32([0.1, 0.2, 0.3, 0.4]), (1, 9, 1))
    regions[0, 1] = 0.1, 0.5, 0.3, 0.9  # mirrored: x1 0.1, as region 0
    found = interpretation.mirrored(ask)({"onset": onset, "regions": regions})
    np.testing.assert_allclose(found, [[0.5, (0.2 + 0.1) / 2]], atol=1e-6)


@pytest.mark.slow
@pytest.mark.usefixtures("short_solves")
def test_it_runs(tmp_path, capsys):
    path = tmp_path / "x.json"
    assert interpretation.main(["--quick", "--json", str(path)]) == 0
    rows = json.loads(path.read_text())["rows"]
    assert len(rows) == 7 and "chance" in capsys.readouterr().out
    named = rows["own action unit among the first 2; true displacement"]
    assert named["clips"].endswith(" of 12") and 0 < named["chance"] < named["share"]
