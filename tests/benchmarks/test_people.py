"""Scores as the benchmarks write them, and the people as they are asked for."""

import numpy as np
import pytest

from benchmarks import people
from pipelines.schema import OptionError


def test_a_score_in_words():
    score = {"mean": 0.8126, "sd": 0.0049, "per_seed": [0.81, 0.82], "ci95": [0.7, 0.9]}
    assert people.shown(score) == "0.813 +- 0.005 [0.700, 0.900]"
    assert people.shown({"mean": 0.5, "sd": 0.0, "per_seed": [0.5]}) == "0.500"  # no spread of one


def test_who_is_always_right_is_above_who_never_is_by_one():
    """Two people, two clips of each of two classes: (seeds, people, classes, classes)."""
    right = np.tile(np.diag([2, 2]), (1, 2, 1, 1))
    assert people.above(right, right[..., ::-1]) == "+1.000 [+1.000, +1.000]"
    assert people.above(right, right) == "+0.000 [+0.000, +0.000]"


def test_the_people_that_are_asked_for():
    config = people.People(num_subjects=40, amplitude_px=0.5).config(frame_size=(320, 240))
    assert (config.num_subjects, config.amplitude_px, config.frame_size) == (40, 0.5, (320, 240))
    assert people.rendered(config).startswith("40 rendered people, 4 clips of each class, amp")
    assert people.People().config(quick=True).num_subjects == 2
    with pytest.raises(OptionError, match="num_subjects|--num-subjects"):
        people.People(num_subjects=1)
