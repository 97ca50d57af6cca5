"""The answer as HTML: headline, tables, files; nothing of a film's name is taken as HTML."""

import base64
import dataclasses
import io
import re

import pandas as pd
import pytest

from me_keras.prediction.displacement_only import NO_CLASS
from me_keras.webpage import film, report


@pytest.fixture
def no_figure(monkeypatch):
    """The figure to keep takes seconds to draw."""
    monkeypatch.setattr(report, "_figure", lambda _: b"")


def changed(found, **facts):
    return dataclasses.replace(found, prediction=dataclasses.replace(found.prediction, **facts))


def without_classes(found):
    """As a model answers that knows no class."""
    one = {"classes": (NO_CLASS,), "probabilities": (1.0,)}
    windows = tuple(dataclasses.replace(w, **one) for w in found.prediction.windows)
    events = tuple(
        dataclasses.replace(e, predicted=NO_CLASS, probability=1.0) for e in found.prediction.events
    )
    named = changed(found, **one, windows=windows, events=events)
    return dataclasses.replace(named, names_classes=False)


def text(html):
    """What is read: no tags, one space between words."""
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_a_short_film(found, no_figure):
    said = text(report.html([found]))
    answer = found.prediction
    assert f"Apex: frame {answer.apex} ({answer.seconds['apex']:.3f} s)" in said
    assert f"{answer.mean_displacement:.2f} px on average" in said and "64 px wide" in said
    assert f"Slowed {film.SLOWEST} times." in said
    for name, share in zip(answer.classes, answer.probabilities):
        assert f"{name} {100 * share:.0f} %" in said
    for region in answer.reading.regions:
        assert f"{region.length:.2f} {region.direction}" in said
    assert "Movements found" not in said


@pytest.mark.parametrize("moved", [True, False])
def test_the_headline(found, moved, no_figure):
    explained = 0.9 if moved else 0.0
    shown = changed(found, explained=explained, max_displacement=2.04)
    headline = re.search(r"<h2>\s*(.*?)\s*</h2>", report.html([shown]), re.S)[1]
    share = 100 * max(found.prediction.probabilities)
    expected = f"{found.prediction.predicted}, {share:.0f} %" if moved else "No motion above noise"
    assert headline == expected
    bare = re.search(r"<h2>\s*(.*?)\s*</h2>", report.html([without_classes(shown)]), re.S)[1]
    assert bare == ("The face moved by up to 2.0 px" if moved else "No motion above noise")
    assert ("magnified here is noise" in report.html([shown])) is not moved


def test_a_long_film_has_its_windows_and_movements(long_found, no_figure):
    html = report.html([long_found])
    assert html.count("<svg") == 3
    assert f"Movements found: {len(long_found.prediction.events)}" in text(html)
    assert report.html([without_classes(long_found)]).count("<svg") == 2  # no probabilities


def test_two_models_side_by_side_have_figures_of_their_own(found, no_figure):
    html = report.html([found, found])
    assert 'class="reports several"' in html and html.count("<section") == 2
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids)) and found.prediction.model in html


def test_what_can_be_kept(long_found):
    files = {name: address for _, name, address in report.files(long_found, b"film")}
    assert set(files) == {"windows.csv", "movements.csv", "regions.csv", "figure.png", "film.webp"}
    content = {n: base64.b64decode(a.partition(",")[2]) for n, a in files.items()}
    windows = pd.read_csv(io.BytesIO(content["windows.csv"]))
    assert len(windows) == len(long_found.prediction.windows) and "p_surprise" in windows
    frames = pd.read_csv(io.BytesIO(content["regions.csv"]))
    assert frames["frame"].tolist() == list(long_found.film.numbers)
    (apex,) = frames[frames["place"] == "apex"].to_dict("records")
    region = long_found.prediction.picture.reading.regions[0]
    assert apex[f"{region.name}_length_px"] == pytest.approx(region.length, abs=1e-3)
    assert len(pd.read_csv(io.BytesIO(content["movements.csv"]))) == len(
        long_found.prediction.events
    )
    assert content["figure.png"].startswith(b"\x89PNG") and content["film.webp"] == b"film"


def test_without_classes_no_table_names_one(long_found, no_figure):
    bare = without_classes(long_found)
    for table in (report.windows_csv(bare), report.events_csv(bare), report.frames_csv(bare)):
        assert NO_CLASS not in table and "predicted" not in table and "probability" not in table
    assert NO_CLASS not in report.html([bare]) and "Probability" not in report.html([bare])


def test_nothing_of_a_film_is_taken_as_html(found, no_figure):
    evil = changed(found, source="<script>.avi", notes=("<script>alert(1)</script>",))
    assert "<script>" not in report.html([evil])
    assert report.problem("<b>").strip() == '<p class="problem" role="alert">&lt;b&gt;</p>'
