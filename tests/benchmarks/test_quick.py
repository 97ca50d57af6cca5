"""Every benchmark runs, in its quick form, and leaves figures that fit together."""

import importlib
import json

import numpy as np
import pytest

from benchmarks import folds, inference, processes, warp
from benchmarks.measure import BenchOptions

FIGURES = {
    "training": {"joint step", "warm-up step"},
    "warp": {"warp", "warp with gradient"},
    "input": {"pipeline", "pipeline with noise", "training, fed by the pipeline"},
    "processes": {"import me_keras", "memory of training", "memory of prediction"},
    "inference": {"prediction, one pair", "prediction, one of a batch of 32"},
    "folds": {"change of fold", "a run of 16 folds"},
}
FAST = ("warp",)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n not in FAST)) for n in FIGURES]
)
@pytest.mark.usefixtures("short_solves")
def test_a_benchmark_runs(name, tmp_path):
    path = tmp_path / "x.json"
    module = importlib.import_module(f"benchmarks.{name}")
    assert module.main(["--quick", "--json", str(path)]) == 0
    found = json.loads(path.read_text())
    assert FIGURES[name] <= {row["name"] for row in found["figures"]}
    for row in found["figures"]:
        assert row["repeats"] <= 2 and 0 < row["ratio"] < np.inf
        assert row["spread"][0] <= row["ratio"] <= row["spread"][1]
    assert found["quick"] is True
    if name == "processes":
        training, prediction = (row["ratio"] for row in found["figures"][:-3:-1])
        assert training > 1 and prediction > 1


def test_the_warps_agree():
    rng = np.random.default_rng(0)
    image = rng.random((2, 12, 10, 1), np.float32)
    displacement = rng.normal(0, 2, (2, 12, 10, 2)).astype(np.float32)
    expected = warp.opencv(image, displacement)()
    found = warp.ours(image, displacement)["warp"]()
    np.testing.assert_allclose(found, expected, atol=0.05)  # it rounds to 1/32 px
    if not warp.missing_torch():
        theirs = warp.torch(image, displacement)["grid_sample"]()
        np.testing.assert_allclose(theirs[:, 0], found[..., 0], atol=1e-5)


def test_a_folder_without_a_model_is_said(tmp_path, capsys):
    assert inference.main(["--quick", "--saved-model", str(tmp_path)]) == 2
    assert f"--saved-model {tmp_path}" in capsys.readouterr().err


def test_a_process_that_fails_is_said():
    with pytest.raises(ChildProcessError, match="batch_size"):
        processes.peak(BenchOptions(quick=True, loso="--batch-size 0"), "prediction")


def test_what_is_no_epoch_is_the_change_of_fold():
    # 0.5 s to reset; the first warm-up epoch waits 1 s for its first batch
    epochs = [0.5 + 3.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0]
    ends = np.concatenate([[0.0], np.cumsum(epochs)])
    seconds = folds.split(ends, ends[-1] + 0.25, warmup_epochs=3)
    assert (seconds["warmup"], seconds["joint"]) == (2, 4)
    assert seconds["change"] == pytest.approx(0.5 + 1.0) and seconds["prediction"] == 0.25
