import pytest
from run_fixture import write_run

from me_keras import compare


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    top = tmp_path_factory.mktemp("runs")
    return write_run(top / "a", skill=3.0), write_run(top / "b", skill=0.5, draw=1)


def test_it_prints_a_table_and_writes_page_and_csv(runs, tmp_path, capsys):
    out = tmp_path / "pages" / "c.html"
    assert compare.main([*map(str, runs), "--out", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("a ") and lines[2].startswith("b ")
    assert lines[-1] == f"page in {out}, table in {out.with_suffix('.csv')}"
    assert out.exists() and out.with_suffix(".csv").exists()
    assert all((run / "report.html").exists() for run in runs)  # they had none
    assert 'href="./../../' in out.read_text()


def test_runs_may_come_after_the_options_and_one_page_is_kept(runs, tmp_path, capsys):
    own = runs[0] / "report.html"
    own.write_text("as it was")
    flags = ["--out", str(tmp_path / "c.html"), "--reference", str(runs[1]), "--", *map(str, runs)]
    assert compare.main(flags) == 0
    assert capsys.readouterr().out.splitlines()[2].endswith("reference")
    assert own.read_text() == "as it was"
    own.unlink()


@pytest.mark.parametrize(
    "argv, says",
    [
        ([], "error: name the folders of the runs: python -m me_keras.compare RUN [RUN …]"),
        (["{a}", "{a}"], "error: {a} is given twice: leave one out"),
        (["{a}", "nowhere"], "error: nowhere: not a run, it holds no config.json; make one with"),
        (["{a}", "--reference", "{b}"], "error: --reference {b} is none of the runs given: name"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(runs, tmp_path, monkeypatch, capsys, argv, says):
    monkeypatch.chdir(tmp_path)
    names = {"a": runs[0], "b": runs[1]}
    assert compare.main([word.format(**names) for word in argv]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(says.format(**names))
    assert list(tmp_path.iterdir()) == []


def test_a_page_must_be_html(runs, capsys):
    with pytest.raises(SystemExit) as caught:
        compare.main([str(runs[0]), "--out", "compare.pdf"])
    assert caught.value.code == 2
    assert "--out must end in .html, got 'compare.pdf'" in capsys.readouterr().err


def test_a_run_that_cannot_be_written_into_gets_no_page(runs, tmp_path, monkeypatch, capsys):
    from me_keras.evaluation.pages import run_page

    def read_only(path, content):
        raise OSError(f"{path} cannot be written (read-only)")

    monkeypatch.setattr(run_page, "write_whole", read_only)
    for run in runs:
        (run / "report.html").unlink(missing_ok=True)
    out = tmp_path / "c.html"
    assert compare.main([*map(str, runs), "--out", str(out)]) == 0
    assert f"{runs[0]} gets no page: " in capsys.readouterr().err
    assert "a has no page of its own." in out.read_text()
