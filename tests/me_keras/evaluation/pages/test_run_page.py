import json
import shutil

import numpy as np
import pytest
from html_fixture import check_whole
from run_fixture import write_run

from me_keras.evaluation.pages import run_folder, run_page
from pipelines.schema import DataError

HOSTILE = "<script>alert('s')</script>&\"$x_"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("runs") / "a", people=("s01", "s02", HOSTILE))
    return run_page.write(folder)


@pytest.fixture(scope="module")
def page(whole):
    return check_whole(whole.read_text(encoding="utf-8"))


def test_it_lies_in_the_folder_and_is_the_same_when_made_again(whole):
    before = whole.read_bytes()
    assert whole.name == "report.html" and run_page.write(whole.parent) == whole
    assert whole.read_bytes() == before


def test_scores_and_counts_are_those_of_the_results(whole, page):
    found = json.loads((whole.parent / "results.json").read_text())
    uf1 = found["uf1"]
    cells = [text for tag, text in page.parts if tag == "td"]
    for value in (uf1["mean"], uf1["sd"], *uf1["per_seed"], found["ensemble"]["uf1"]):
        assert f"{value:.4f}" in cells
    for value in found["per_class_f1"].values():
        assert f"{value:.4f}" in cells
    low, high = uf1["ci95"]
    assert f"{low:.3f} to {high:.3f}" in cells
    assert "tested on 18 clips of 3 subjects; 1 skipped" in page.text
    assert "synthetic/s09/x" in page.text and "no face <found>" in page.text
    assert "Reconstruction gain of the displacement: 0.500" in page.text


def test_the_confusion_matrix_is_the_sum_over_seeds(whole, page):
    run = run_folder.read(whole.parent)
    table = run.predictions
    hits = int(((table["label"] == 1) & (table["prediction"] == 1)).sum())
    counts = [text for tag, text in page.parts if tag == "small" and text.isdigit()]
    assert counts[4] == str(hits) and sum(map(int, counts[:9])) == len(table) == 36


def test_a_hostile_name_is_text(whole, page):
    assert "<script" not in whole.read_text(encoding="utf-8")
    assert HOSTILE in [text for _, text in page.parts]  # as it is called, in People


def test_pictures_have_a_legend_a_scale_and_words(page):
    pictures = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(pictures) == 13  # the wheel and twelve clips
    assert all(one["src"].startswith("data:image/png;base64,") for one in pictures)
    assert "px of the aligned face on average" in pictures[1]["alt"]
    assert "the rim is" in page.text and "px of the aligned face" in page.text
    assert "No image of a face is shown: the databases' licences forbid it." in page.text


def test_attention_is_a_share_of_each_region(page):
    assert "An equal share is 11.1 %" in page.text
    rows = [text for tag, text in page.parts if tag == "th"]
    assert rows.count("right brow") == rows.count("chin") == 2  # all clips, and those recognised
    place = page.parts.index(("th", "right brow"))
    cells = [text for tag, text in page.parts[place:] if tag == "td"][:27]
    cells = list(map(float, cells))
    for label in range(3):
        assert sum(cells[label::3]) == pytest.approx(100, abs=0.5)


def test_the_command_and_what_it_ran_on(whole, page):
    words = " ".join(text for tag, text in page.parts if tag == "span" or tag == "code")
    assert "python -m me_keras.loso" in words and "--num-seeds 2" in words
    assert str(whole.parent) in words
    for words in ("2.15.1", "0123456789", "threads of an operation", "90 s"):
        assert words in page.text
    assert "What this score is not" in page.text


def test_what_a_fitted_model_lacks_is_said(tmp_path):
    folder = write_run(tmp_path / "r", seeds=(0,), model="ridge", motion="tvl1")
    page = check_whole(run_page.write(folder).read_text(encoding="utf-8"))
    assert "it has no epochs, so there are no learning curves." in page.text
    assert "it has no attention." in page.text and "no displacement is kept." in page.text
    assert "unknown" in [text for tag, text in page.parts if tag == "td"]  # the sd
    assert "Reconstruction gain" not in page.text and "seeds voting" not in page.text


def test_an_older_run_is_shown_without_what_it_lacks(whole, tmp_path):
    folder = shutil.copytree(whole.parent, tmp_path / "old")
    shutil.rmtree(folder / "folds")
    found = json.loads((folder / "results.json").read_text())
    kept = {name: found[name] for name in ("counts", "uar", "accuracy")}
    kept["uf1"] = {"mean": found["uf1"]["mean"]}
    (folder / "results.json").write_text(json.dumps(kept))
    page = check_whole(run_page.write(folder).read_text(encoding="utf-8"))
    assert "Made by an older version, which recorded less" in page.text
    assert "– to –" in page.text and "no curves can be drawn" in page.text
    assert "The run kept no displacement" in page.text and "kept no attention" in page.text


def test_a_large_run_stays_small(tmp_path):
    """408 clips of 68 people, three seeds, and displacements of 64 px."""
    people = [f"s{i:02d}" for i in range(68)]
    folder = write_run(tmp_path / "r", seeds=(0, 1, 2), people=people, seen=("attention",))
    for path in folder.glob("folds/seed-0/*.npz"):
        with np.load(path) as stored:
            arrays = dict(stored)
        noise = np.random.default_rng(0).normal(0, 1, (len(arrays["row"]), 64, 64, 2))
        np.savez(path, displacement=noise.astype(np.float16), **arrays)
    path = run_page.write(folder)
    assert 100_000 < path.stat().st_size < 3_000_000
    assert check_whole(path.read_text(encoding="utf-8")).text.count(" of 6") >= 68


def test_what_is_no_finished_run_is_refused(tmp_path):
    with pytest.raises(DataError, match="not a run"):
        run_page.write(tmp_path)
    assert not (tmp_path / "report.html").exists()
