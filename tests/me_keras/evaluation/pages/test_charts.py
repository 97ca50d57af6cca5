import re
from xml.etree import ElementTree

import pytest

from me_keras.evaluation.pages import calibration, charts


def described(text):
    return ElementTree.fromstring(text)[1].text


def test_a_curve_is_the_mean_of_the_folds_that_reached_an_epoch():
    folds = [[{"loss": 1.0}, {"loss": 0.5}], [{"loss": 3.0}], [{"other": 1}], []]
    text = charts.curve(folds, "loss", "history", "Training loss", "loss")
    assert described(text) == (
        "Training loss: from 2.000 in epoch 1 to 0.500 in epoch 2, mean of 2 folds."
    )
    assert ">epoch<" in text and ">loss<" in text
    assert charts.curve(folds, "accuracy", "history", "t", "u") == ""


def test_a_single_epoch_is_a_point_at_a_whole_number():
    text = charts.curve([[{"loss": 1.0}]], "loss", "warmup", "t", "u")
    numbers = re.findall(r">([\d.]+)</text>", text)
    assert {"0", "1", "2"} <= set(numbers)


def test_the_reliability_diagram_says_its_numbers():
    bins = calibration.reliability([0.55, 0.95, 0.95], [False, True, True])
    said = described(charts.reliability(bins, 0.25))
    assert "error 0.250" in said and "0.55 gives 0.00 (1); 0.95 gives 1.00 (2)." in said


def test_intervals_are_in_the_order_given_with_long_names_shortened():
    names = ["b", "a-very-long-name-of-a-run-of-something"]
    text = charts.intervals(names, [0.7, 0.5], [0.6, None], [0.8, None], "UF1", 0)
    assert described(text) == "b 0.700; a-very-long-name-of-a-run-of-something 0.500."
    assert "a-very-long-nam…omething" in text


def test_differences_say_their_sign():
    text = charts.differences(["a", "b"], [(-0.1, 0.05, 0.2), (0.0, 0.0, 0.0)], "UF1")
    assert described(text) == "a +0.050; b +0.000."
    # symmetric about 0
    left = [float(n.replace("−", "-")) for n in re.findall(r">(−?[\d.]+)</text>", text)]
    assert min(left) == pytest.approx(-max(left))
