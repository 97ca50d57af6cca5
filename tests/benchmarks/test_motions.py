import json

import pytest

from benchmarks import motions


@pytest.mark.slow
@pytest.mark.usefixtures("short_solves")
def test_the_command(tmp_path, capsys):
    path = tmp_path / "found.json"
    words = ["--quick", "--motions", "dgm", "dis", "--num-seeds", "1", "--json", str(path)]
    assert motions.main(words) == 0
    rows = json.loads(path.read_text())["rows"]
    assert list(rows) == ["dgm", "dis"]
    assert "[" in rows["dis"]["UF1"] and "+-" not in rows["dis"]["UF1"]  # one seed has no spread
    assert rows["dis"]["UF1 of dgm above"].count("[") == 1
    assert "amplitude" in capsys.readouterr().out
