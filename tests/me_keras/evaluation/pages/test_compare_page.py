import json
import shutil

import pandas as pd
import pytest
from html_fixture import check_whole
from run_fixture import write_run

from me_keras.evaluation.pages import compare_page, leaderboard, run_page


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    top = tmp_path_factory.mktemp("some runs")
    good = write_run(top / "good", skill=4.0)
    poor = write_run(top / "<b>poor & $x$", skill=0.5, draw=1, epochs=7)
    one = write_run(top / "one", seeds=(0,), skill=2.0, draw=3, tuned_on=("synthetic/s01",))
    run_page.write(good)
    run_page.write(poor)
    return good, poor, one


@pytest.fixture(scope="module")
def rows(folders):
    return leaderboard.rank(leaderboard.read(folders))


@pytest.fixture(scope="module")
def written(rows, tmp_path_factory):
    return compare_page.write(rows, tmp_path_factory.mktemp("pages") / "compare.html")


def test_the_page_holds_the_scores_the_differences_and_the_p_values(written, rows, folders):
    page = check_whole(written[0].read_text(encoding="utf-8"))
    cells = [text for tag, text in page.parts if tag == "td"]
    for row in rows:
        score = row.score("uf1")
        assert f"{score['low']:.3f} to {score['high']:.3f}" in cells
        if score["sd"] is not None:
            assert f"{score['mean']:.3f} ± {score['sd']:.3f}" in cells
    poor = next(row for row in rows if "poor" in row.name)
    low, middle, high = (f"{v:+.3f}".replace("-", "−") for v in poor.difference)
    assert middle in cells and f"{low} to {high}" in cells and f"{poor.p:.3f}" in cells
    assert "epochs 7, not 30" in cells and "the reference" in cells
    assert "3 runs on synthetic" in page.text
    assert "The same 18 clips of the same 3 subjects in every run." in page.text


def test_what_weakens_a_run_is_said(written):
    text = check_whole(written[0].read_text(encoding="utf-8")).text
    assert "One seed, spread between trainings unknown: one." in text
    assert "one: options tuned on the reported subjects: 1 of 3; its score is too high" in text
    assert "one has no page of its own." in text


def test_links_lead_to_the_pages_of_the_runs(written, folders):
    page = check_whole(written[0].read_text(encoding="utf-8"))
    links = [one["href"] for tag, one in page.tags if tag == "a"]
    assert len(links) == 2 and all(link.endswith("/report.html") for link in links)
    assert any("%3Cb%3Epoor%20%26%20%24x%24/" in link for link in links)


def test_the_table_lies_beside_it(written, rows):
    page, table = written
    assert table == page.with_suffix(".csv")
    found = pd.read_csv(table)
    assert found["uf1"].tolist() == pytest.approx([r.score("uf1")["mean"] for r in rows], rel=1e-5)
    assert found["run"][0] == str(rows[0].run.path)


def test_one_run_is_a_page_of_one_row(folders, tmp_path):
    rows = leaderboard.rank(leaderboard.read(folders[:1]))
    path, _ = compare_page.write(rows, tmp_path / "one.html")
    page = check_whole(path.read_text(encoding="utf-8"))
    assert "1 run on synthetic" in page.text and "Paired differences" not in page.text


def test_an_older_run_has_dashes(folders, tmp_path):
    old = shutil.copytree(folders[0], tmp_path / "old")
    found = json.loads((old / "results.json").read_text())
    kept = {name: {"mean": found[name]["mean"]} for name in ("uf1", "uar", "accuracy")}
    (old / "results.json").write_text(json.dumps({**kept, "counts": found["counts"]}))
    rows = leaderboard.rank(leaderboard.read([folders[0], old]))
    page = check_whole(compare_page.render(rows, tmp_path / "compare.html"))
    cells = [text for tag, text in page.parts if tag == "td"]
    assert "– to –" in cells and cells.count("–") >= 4  # seconds and three classes
    assert compare_page.text(rows)


def test_the_terminal_shows_a_line_for_each_run(rows):
    head, *lines = compare_page.text(rows).splitlines()
    assert head.split() == ["run", "UF1", "sd", "95", "%", "interval", "UAR", "p", "(Holm)"]
    assert len(lines) == 3 and lines[0].startswith("good") and lines[0].endswith("reference")
    assert f"{rows[0].score('uf1')['mean']:.4f}" in lines[0]
    assert len({len(line.split("reference")[0]) for line in lines[:1]}) == 1
    one = next(line for line in lines if line.startswith("one "))
    assert " – " in one


def test_a_link_is_relative_to_the_page(tmp_path):
    target = tmp_path / "runs" / "a b" / "report.html"
    assert compare_page.link(target, tmp_path / "docs" / "x.html") is None
    target.parent.mkdir(parents=True)
    target.write_text("")
    assert compare_page.link(target, tmp_path / "docs" / "x.html") == "./../runs/a%20b/report.html"
    assert compare_page.link(target, tmp_path / "x.html") == "./runs/a%20b/report.html"
