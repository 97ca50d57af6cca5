"""The notebook: no outputs are committed, and it runs from the first cell to the last."""

import pathlib
import re

import pytest

EXAMPLES = sorted((pathlib.Path(__file__).parents[1] / "examples").glob("*.ipynb"))
nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
each_notebook = pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])


def test_there_is_a_notebook():
    assert [path.name for path in EXAMPLES] == ["quickstart.ipynb"]


@each_notebook
def test_a_notebook_is_valid_stripped_and_honest(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert not cell.outputs and cell.execution_count is None, "clear the outputs"
            compile(cell.source, f"{path.name} {cell.id}", "exec")
    words = " ".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    assert "mean nothing" in words and words.index("mean nothing") < 400, "say so at the top"


@pytest.mark.slow
@each_notebook
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("PYTHONPATH", str(path.parents[1]))
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(path, as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=500, kernel_name="python3", resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    printed = "".join(output.get("text", "") for output in outputs)
    assert "9 clips" in printed and "saved_model.pb" in printed
    scores = [float(text) for text in re.findall(r"U(?:F1|AR) (\d\.\d+)", printed)]
    assert len(scores) == 4 and all(0 <= score <= 1 for score in scores)
    pictures = [output for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == 2, "the displacement, and the prediction"
