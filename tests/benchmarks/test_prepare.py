"""The benchmark of preparing: a small run."""

import json

import pytest

from benchmarks import prepare


@pytest.mark.slow
def test_a_small_run(tmp_path, capsys):
    flags = ["--clips", "3", "--num-frames", "5", "--repeats", "1", "--jobs", "1", "2"]
    assert prepare.main([*flags, "--json", str(tmp_path / "x.json")]) == 0
    assert "3 clips" in capsys.readouterr().out
    rows = json.loads((tmp_path / "x.json").read_text())["rows"]
    assert list(rows) == ["1", "2"]
    for row in rows.values():
        assert row["ratio"] == pytest.approx(row["prepare frames/s"] / row["FaceMesh faces/s"])
        assert row["442 clips s"] > row["start s"] and row["largest process MiB"] > 100


def test_too_few_clips(capsys):
    with pytest.raises(SystemExit):
        prepare.main(["--clips", "2"])
    assert "clips must be more than processes" in capsys.readouterr().err
