"""The way from a clone to the first picture, in its quick form; what is missing is said."""

import json
import shutil

import pytest

from benchmarks import first_picture


def test_without_a_browser_it_says_how_to_get_one(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert first_picture.main(["--quick"]) == 1
    assert "found no Chromium: install it" in capsys.readouterr().err


def test_without_playwright_it_says_so_before_anything_is_installed(monkeypatch, capsys):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(first_picture.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(first_picture, "done", lambda *_: pytest.fail("something was run"))
    assert first_picture.main([]) == 1
    assert "found no Playwright: python -m pip install" in capsys.readouterr().err


def test_a_film_that_is_not_there_is_said_first(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        first_picture.main(["--clip", str(tmp_path / "me.mp4")])
    assert f"--clip {tmp_path / 'me.mp4'}: no such file" in capsys.readouterr().err


def test_a_step_that_fails_is_said():
    with pytest.raises(ChildProcessError, match="git rev-parse failed: fatal: Needed a"):
        first_picture.done("git", "rev-parse", "--verify", "nowhere")


@pytest.mark.slow
def test_the_page_answers_the_first_film(tmp_path):
    pytest.importorskip("gradio", reason="gradio is not installed")
    if not any(map(shutil.which, first_picture.CHROMIUM)):
        pytest.skip("chromium is not installed")
    assert first_picture.main(["--quick", "--json", str(tmp_path / "x.json")]) == 0
    steps = json.loads((tmp_path / "x.json").read_text())["rows"]
    seconds = {name: row["seconds"] for name, row in steps.items()}
    together = seconds.pop("together")
    assert list(seconds) == ["page is there", "film is uploaded", "film is answered"]
    assert all(value > 0 for value in seconds.values())
    assert sum(seconds.values()) == pytest.approx(together)
