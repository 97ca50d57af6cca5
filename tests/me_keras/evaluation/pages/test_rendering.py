import jinja2
import pytest

from me_keras.evaluation.pages import rendering


def test_numbers_for_people():
    assert rendering.number(0.12345) == "0.123" and rendering.number(0.5, 1) == "0.5"
    assert rendering.signed(0.1) == "+0.100" and rendering.signed(-0.1) == "−0.100"
    assert rendering.percent(0.256) == "26 %"
    assert [rendering.p_value(p) for p in (0.0004, 0.0312, 1.0)] == ["< 0.001", "0.031", "1.000"]
    for function in (rendering.number, rendering.signed, rendering.percent, rendering.p_value):
        assert function(None) == function(float("nan")) == "–"


@pytest.mark.parametrize(
    "seconds, words",
    [(3.41, "3.4 s"), (95, "95 s"), (600, "10 min"), (9000, "2.5 h"), (None, "–")],
)
def test_durations(seconds, words):
    assert rendering.duration(seconds) == words


def test_a_tint_grows_with_the_value_and_leaves_text_readable():
    assert rendering.tint(0.5) == "background: rgb(var(--blue) / 0.28)"
    assert rendering.tint(2.0, "orange") == "background: rgb(var(--orange) / 0.55)"
    assert rendering.tint(0.0) == rendering.tint(float("nan")) == ""


def test_a_forgotten_fact_is_an_error_and_not_a_gap():
    with pytest.raises(jinja2.UndefinedError):
        rendering.page("compare.html.j2", title="x")
