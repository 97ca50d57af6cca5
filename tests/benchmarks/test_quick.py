"""Every benchmark runs, in its quick form, and leaves figures that fit together."""

import importlib
import json

import cv2
import numpy as np
import pytest

from benchmarks import displacement, folds, inference, processes, warp
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


def test_the_true_displacement_has_no_error_and_explains_most_of_the_difference():
    onset, apex, truth = displacement.unseen_pairs(1)
    found = displacement.errors(lambda first, second: truth[0], onset, apex, truth)
    nothing = displacement.errors(lambda first, second: 0 * truth[0], onset, apex, truth)
    assert found["error px"] == 0 and found["gain"] > 0.5
    assert nothing["error px"] > 0.1 and nothing["gain"] == pytest.approx(0)


def test_errors_by_hand():
    """One pixel to the right, found 0.1 px short and turned by 30 degrees."""
    truth = np.zeros((1, 64, 64, 2), np.float32)
    truth[..., 0] = 0.1
    truth[0, :32] = 1.0, 0.0
    found = truth.copy()
    found[0, :32] = 0.9 * np.cos(np.pi / 6), 0.9 * np.sin(np.pi / 6)
    images = np.zeros((2, 1, 64, 64), np.uint8)
    images[1, 0, ::2] = 9  # so that there is a difference to explain
    row = displacement.errors(lambda first, second: found[0], *images, truth)
    apart = np.hypot(0.9 * np.cos(np.pi / 6) - 1, 0.9 * np.sin(np.pi / 6))
    assert row["1-2 px"] == pytest.approx(apart, rel=1e-5) and row["0-0.2 px"] == 0
    assert row["error px"] == pytest.approx(apart / 2, rel=1e-5)
    assert row["angle deg"] == pytest.approx(30, rel=1e-4)
    assert np.isnan(row["0.5-1 px"])


def test_dis_at_full_resolution_is_nearer_to_the_truth_than_opencvs_preset():
    iterations, tuned = displacement.tuned_dis()
    preset = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    pairs = displacement.unseen_pairs(6)
    found = displacement.errors(lambda *images: preset.calc(*images, None), *pairs)
    assert iterations in (3, 10, 20)
    assert displacement.errors(tuned, *pairs)["error px"] < 0.9 * found["error px"]
