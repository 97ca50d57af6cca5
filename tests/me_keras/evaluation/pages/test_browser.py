"""The pages as people see them: in Chromium, on a telephone and a screen, by day and by night."""

import os

import pytest
from run_fixture import write_run

from me_keras.evaluation.pages import compare_page, leaderboard, run_page

LONG = "a-run-with-a-very-long-name-as-they-come-out-of-a-sweep-of-options"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Path of each page by name."""
    top = tmp_path_factory.mktemp("runs")
    people = ["s01", "s02", "x" * 60]
    folders = [
        write_run(top / LONG, people=people, skill=3.0),
        write_run(top / "b", people=people, seeds=(0,), model="ridge", motion="tvl1", draw=1),
    ]
    found = {name: run_page.write(f) for name, f in zip(("frl_dgt", "ridge"), folders)}
    rows = leaderboard.rank(leaderboard.read(folders))
    found["compare"], _ = compare_page.write(rows, top / "compare.html")
    return found


@pytest.fixture
def shown(browser, pages):
    """shown(name, width, scheme, media): a page that is open, without requests or complaints."""
    contexts, problems = [], []

    def show(name, width=1400, scheme="light", media="screen"):
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: (
                problems.append(request.url)
                if not request.url.startswith(("file:", "data:"))
                else None
            ),
        )
        page.emulate_media(media=media, color_scheme=scheme)
        page.goto(pages[name].as_uri())
        return page

    yield show
    for context in contexts:
        context.close()
    assert problems == []


@pytest.mark.parametrize("width", [380, 1400])
@pytest.mark.parametrize("name", ["frl_dgt", "ridge", "compare"])
def test_the_page_never_scrolls_sideways(shown, name, width):
    page = shown(name, width)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= page.evaluate("window.innerWidth") == width
    boxes = page.evaluate(
        "[...document.querySelectorAll('.scroll')].map(e => e.getBoundingClientRect().right)"
    )
    assert boxes and max(boxes) <= width
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('svg text')]"
        ".map(e => e.getBoundingClientRect().height))"
    )
    assert smallest >= 8 or name == "ridge" and smallest == float("inf")


def luminance(colour):
    """Relative luminance of "rgb(r, g, b)", as WCAG 2 has it."""
    parts = [float(v) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["frl_dgt", "compare"])
def test_text_and_charts_are_plain_to_see_in_both_themes(shown, name, scheme):
    page = shown(name, scheme=scheme)
    style = "getComputedStyle({})"
    paper = page.evaluate(style.format("document.body") + ".backgroundColor")
    assert (luminance(paper) > 0.9) == (scheme == "light")
    ink = page.evaluate(style.format("document.body") + ".color")
    faint = page.evaluate(style.format("document.querySelector('.faint')") + ".color")
    link = page.evaluate(style.format("document.querySelector('a')") + ".color")
    assert contrast(ink, paper) > 12 and contrast(faint, paper) > 4.5 < contrast(link, paper)
    fills = page.evaluate(
        "[...document.querySelectorAll('svg text')].map(e => getComputedStyle(e).fill)"
    )
    assert fills and min(contrast(fill, paper) for fill in set(fills)) > 4.5
    lines = page.evaluate(
        "[...document.querySelectorAll('svg path')].map(e => getComputedStyle(e).stroke)"
        ".filter(s => s.startsWith('rgb('))"
    )
    ours = [line for line in set(lines) if contrast(line, paper) > 3]
    assert len(ours) >= 2  # axes and a series; only the grid is fainter


def test_print_is_on_white_also_at_night(shown, tmp_path):
    page = shown("frl_dgt", scheme="dark", media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert (
        page.evaluate("getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    )
    path = tmp_path / "page.pdf"
    page.pdf(path=path, format="A4")
    assert path.read_bytes().startswith(b"%PDF") and os.path.getsize(path) > 10_000


def test_links_within_and_between_the_pages_work(shown):
    page = shown("compare")
    page.click(f"text={LONG}")
    page.wait_for_load_state()
    assert page.title() == "frl_dgt on synthetic"
    page.click("nav a:has-text('Calibration')")
    assert (
        page.evaluate("document.querySelector(location.hash + ' h2').textContent") == "Calibration"
    )


def test_all_pictures_are_drawn(shown):
    page = shown("frl_dgt")
    sizes = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth)")
    assert sizes == [96] + [8] * 12
