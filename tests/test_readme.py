"""The README's notebook cell runs. Links and commands of all pages: test_docs.py."""

import pathlib
import re

import numpy as np
import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"


@pytest.mark.slow
def test_the_notebook_cell_trains_with_fit(tmp_path, monkeypatch):
    from pipelines.synthetic import ROOT as ROOT_OF_DATA
    from pipelines.synthetic import ensure
    from pipelines.synthetic.options import SynthesisConfig

    monkeypatch.chdir(tmp_path)
    # a smaller one where the cell looks for it
    ensure(ROOT_OF_DATA, SynthesisConfig(num_subjects=2, clips_per_class=1, frame_size=(240, 180)))
    [cell] = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in cell.splitlines() if line and "import" not in line]) <= 10
    found = {}
    exec(cell.replace("epochs=20", "epochs=2"), found)  # as written, but shorter
    history = found["history"].history
    assert len(history["loss"]) == 2 and np.isfinite(history["loss"]).all()
    assert np.isfinite(found["outputs"]["logits"]).all()
