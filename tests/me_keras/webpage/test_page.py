"""What the page says, and the page itself in Chromium: by day and by night, narrow and wide."""

import os
import time

import pytest

gr = pytest.importorskip("gradio", reason="gradio is not installed")

from me_keras.prediction.displacement_only import DisplacementOnly  # noqa: E402
from me_keras.webpage import measurement, page, server  # noqa: E402
from me_keras.webpage.uploads import Uploads  # noqa: E402

WAIT = 60_000  # ms


def answer(model, path, going=lambda _: None):
    return page.answer_html([model], path, 10.0, None, "only", going)


def test_it_says_what_it_is_not(model):
    said = page.introduction([model], 10.0, 100)
    assert "what a film was meant to induce" in said and "Do not use it to judge a person" in said
    assert "up to 10 s and 100 MB; longer ones are refused" in said
    alone = page.introduction([DisplacementOnly()], 2.5, 1)
    assert "No trained classifier is loaded" in alone and "up to 2.5 s" in alone


def test_a_film_is_answered_and_a_mistake_is_a_sentence(model, film, tmp_path):
    steps = []
    assert 'class="report"' in answer(model, film, steps.append)
    assert steps[-1] == measurement.DRAWING
    assert "There is no film yet" in answer(model, None)
    assert "send it again" in answer(model, tmp_path / "gone.avi")
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    assert "text.mp4: holds no frame" in answer(model, text)


def test_a_browser_that_left_gets_no_answer(model, film):
    def going(step):
        raise page.Gone

    assert answer(model, film, going) == ""


@pytest.mark.parametrize(
    "error, said", [(MemoryError(), "more memory"), (KeyError("x"), "by a bug")]
)
def test_what_fails_is_said_without_a_traceback(model, film, monkeypatch, capsys, error, said):
    def fails(*_):
        raise error

    monkeypatch.setattr(measurement, "measure", fails)
    assert said in answer(model, film)
    assert ("KeyError" in capsys.readouterr().err) == isinstance(error, KeyError)


# In a browser.


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    """The page with a stand-in model, and the folder of its uploads."""
    folder, port = tmp_path_factory.mktemp("uploads"), server.port_to_use("127.0.0.1", 0)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "")
        patch.setattr(page.report, "_figure", lambda _: b"")  # takes seconds to draw
        built = server._launch([model], Uploads(folder), "127.0.0.1", port, 2, 10.0)
        yield built.local_url, folder
        built.close(verbose=False)


@pytest.fixture
def opened(browser, served):
    """opened(width, scheme): a tab with the page; at the end none has complained."""
    contexts, problems = [], []

    def open_tab(width=1400, scheme="light"):
        view = {"width": width, "height": 900}
        context = browser.new_context(viewport=view, color_scheme=scheme)
        contexts.append(context)
        tab = context.new_page()
        tab.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.on("request", lambda r: None if _is_ours(r.url) else problems.append(r.url))
        tab.goto(served[0])
        tab.wait_for_selector("#film button", timeout=WAIT)
        return tab

    yield open_tab
    for context in contexts:
        context.close()
    assert problems == []


def _is_ours(url):
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


@pytest.fixture(scope="module")
def webm(frames, tmp_path_factory, write_film):
    """A film that Chromium plays."""
    return write_film(tmp_path_factory.mktemp("webm") / "clip.webm", frames, codec="VP80")


def send(tab, path, shown="#film video"):
    tab.set_input_files("#film input[type=file]", str(path))
    if shown:
        tab.wait_for_selector(shown, timeout=WAIT)


def files_in(folder):
    return [name for _, _, names in os.walk(folder) for name in names]  # bears what is deleted


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.1)
    return condition()


@pytest.mark.slow
@pytest.mark.parametrize("width, scheme", [(1400, "light"), (380, "dark")])
def test_a_film_is_uploaded_measured_shown_and_deleted(opened, served, webm, width, scheme):
    tab = opened(width, scheme)
    send(tab, webm)
    assert until(lambda: files_in(served[1]) == ["clip.webm"])
    tab.click("button:has-text('Measure')")
    tab.wait_for_selector(".report", timeout=WAIT)
    assert "Onset: frame 0 (0.000 s)" in tab.inner_text(".report")
    assert until(lambda: tab.evaluate("[...document.images].every(i => i.naturalWidth > 100)"))
    assert files_in(served[1]) == []
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    with tab.expect_download() as download:
        tab.click("text=windows, CSV")
    assert download.value.suggested_filename == "windows.csv"
    ink, paper = (
        tab.evaluate(f"getComputedStyle({where}).{what}")
        for where, what in (
            ("document.querySelector('.report h2')", "color"),
            ("document.body", "backgroundColor"),
        )
    )
    assert (brightness(ink) > 0.8) == (scheme == "dark") == (brightness(paper) < 0.2)


def brightness(colour):
    """Of "rgb(r, g, b)", in [0, 1]."""
    parts = colour[colour.index("(") + 1 : -1].split(",")[:3]
    return sum(map(float, parts)) / 3 / 255


@pytest.mark.slow
def test_what_cannot_be_measured_is_a_sentence_and_leaves_nothing(
    opened, served, write_film, frames, tmp_path
):
    wall = write_film(tmp_path / "wall.webm", [frames[0] * 0 + 128] * 8, codec="VP80")
    tab = opened()
    tab.click("button:has-text('Measure')")
    tab.wait_for_selector("text=There is no film yet", timeout=WAIT)
    send(tab, wall)
    tab.click("button:has-text('Measure')")
    tab.wait_for_selector("text=no face found in wall.webm", timeout=WAIT)
    large = tmp_path / "large.webm"
    large.write_bytes(wall.read_bytes() + bytes(2_000_001))
    tab.wait_for_selector("#film input[type=file]", state="attached")
    send(tab, large, "text=exceed the maximum allowed size")
    assert until(lambda: files_in(served[1]) == [])


@pytest.mark.slow
def test_two_browsers_with_one_film_and_one_that_goes_away(opened, served, webm):
    first, second, third = opened(), opened(), opened()
    for tab in (first, second, third):
        send(tab, webm)
    for tab in (first, second, third):
        tab.click("button:has-text('Measure')")
    third.context.close()  # in the middle, or while it waits for its turn
    for tab in (first, second):
        tab.wait_for_selector(".report", timeout=WAIT)
    assert until(lambda: files_in(served[1]) == [])
    fourth = opened()
    send(fourth, webm)
    assert until(lambda: files_in(served[1]) == ["clip.webm"])
    fourth.context.close()
    assert until(lambda: files_in(served[1]) == [])
