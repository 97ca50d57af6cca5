"""The time lines as SVG: what they say to who does not see them, names that are unique."""

import dataclasses
import xml.etree.ElementTree as ElementTree

import pytest

from me_keras.webpage import charts

DRAW = {"motion": charts.motion, "windows": charts.windows, "probabilities": charts.probabilities}


def described(svg):
    """Title and description of an `<svg>`."""
    root = ElementTree.fromstring(svg)
    return [element.text for element in list(root)[:2]]


@pytest.mark.parametrize("name", DRAW)
def test_a_chart_is_well_formed_and_in_the_colours_of_the_page(long_found, name):
    svg = DRAW[name](long_found, "one")
    title, said = described(svg)
    assert title and said and f'id="one-{name}-title"' in svg and "var(--line)" in svg


def test_the_motion_and_its_apex(found):
    title, said = described(charts.motion(found, "a"))
    apex = found.prediction.seconds["apex"]
    assert title == "Mean motion from the onset; dashed: apex"
    assert said == f"{found.lengths.max():.2f} px at most; apex at {apex:.3f} s."


def test_a_film_without_times(found):
    film = dataclasses.replace(found.film, seconds=None)
    picture = dataclasses.replace(found.picture, film=film)
    prediction = dataclasses.replace(found.prediction, picture=picture, seconds=None)
    svg = charts.motion(dataclasses.replace(found, prediction=prediction), "a")
    assert f"apex at frame {prediction.apex}." in svg


def test_the_windows_are_counted(long_found):
    windows = long_found.prediction.windows
    moved = sum(window.moved for window in windows)
    said = described(charts.windows(long_found, "a"))[1]
    assert said == f"{moved} of {len(windows)} windows have motion above noise."


def test_a_window_without_an_answer_leaves_a_gap(long_found):
    first, *others = long_found.prediction.windows
    empty = dataclasses.replace(
        first, apex=None, probabilities=(), problem="no face", max_displacement=float("nan")
    )
    prediction = dataclasses.replace(long_found.prediction, windows=(empty, *others))
    lacking = dataclasses.replace(long_found, prediction=prediction)
    assert charts.windows(lacking, "a") and charts.probabilities(lacking, "a")
