import cv2
import numpy as np
import pandas as pd
import pytest

from me_keras.tuning import figures


def made(loaded, count, searches=("search",), failed=()):
    """A table of trials whose UF1 hangs on the learning rate alone."""
    rng = np.random.default_rng(0)
    rows = []
    for index in range(count):
        rate = 10 ** rng.uniform(-3.5, -2)
        rows.append(
            {
                "search": searches[index % len(searches)],
                "trial": str(index),
                "status": "failed" if index in failed else "completed",
                "start": index == 0,
                "uf1": np.nan if index in failed else 1 + np.log10(rate) / 4,
                "learning_rate": rate,
                "dropout": rng.uniform(0, 0.4),
                "hidden_dim": int(rng.choice([16, 32])),
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture
def loaded(plan, monkeypatch):
    monkeypatch.setattr(figures, "REPEATS", 5)
    found = plan(only=("learning_rate", "dropout", "hidden_dim"))
    found.out.mkdir()
    return found


def texts(monkeypatch):
    """Everything written on figures."""
    from matplotlib.text import Text

    seen = []
    original = Text.set_text
    monkeypatch.setattr(Text, "set_text", lambda self, s: seen.append(str(s)) or original(self, s))
    return seen


@pytest.mark.parametrize("count, searches", [(40, ("search",)), (30, ("smic/s01", "smic/s02"))])
def test_three_figures_are_drawn(loaded, count, searches, monkeypatch):
    seen = texts(monkeypatch)
    figures.draw(loaded, made(loaded, count, searches, failed=(3, 7)))
    for name in ("progress", "parallel", "importance"):
        image = cv2.imread(str(loaded.out / f"{name}.png"))
        assert image.shape[0] > 300 and image.std() > 5
    assert "options given" in seen and "failed" in seen
    assert any(text.startswith(f"{count - 2} trials, forest's") for text in seen)


def test_the_option_that_matters_is_found(loaded):
    means, spread, fit = figures.importances(loaded, made(loaded, 60))
    names = [parameter.name for parameter in loaded.parameters]
    assert names[int(np.argmax(means))] == "learning_rate" and fit > 0.5
    others = [mean for name, mean in zip(names, means) if name != "learning_rate"]
    assert max(others) < 0.1 * max(means) and spread.shape == means.shape


def test_a_difference_between_searches_is_no_importance(loaded):
    frame = made(loaded, 40, ("a", "b"))
    frame["uf1"] = frame["search"].map({"a": 0.2, "b": 0.9})
    frame["hidden_dim"] = frame["search"].map({"a": 16, "b": 32})
    means, _, _ = figures.importances(loaded, frame)
    assert np.allclose(means, 0)


def test_few_trials_are_said_on_the_figure(loaded, monkeypatch):
    seen = texts(monkeypatch)
    figures.draw(loaded, made(loaded, 4))
    assert "4 completed trials: too few for an importance (10 needed)" in seen
    figures.draw(loaded, made(loaded, 12))
    (title,) = {text for text in seen if text.startswith("12 trials")}
    assert title.endswith("a hint at most")
    chance = made(loaded, 40).assign(uf1=np.random.default_rng(1).uniform(size=40))
    figures.draw(loaded, chance)
    assert any(text.endswith("read no importance") for text in seen)


def test_nothing_to_draw_is_no_error(loaded):
    figures.draw(loaded, made(loaded, 2, failed=(0, 1)))
    assert (loaded.out / "parallel.png").exists()
