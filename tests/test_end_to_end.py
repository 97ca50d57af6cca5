"""The whole way: faces on disk, prepared, trained, scored. Slow, and the truest tests there are."""

import dataclasses
import json
import os
import pathlib

import numpy as np
import pandas as pd
import pytest
from rendered import layouts, smic

from me_keras import loso
from me_keras.evaluation import data, folds
from me_keras.options import Options, resolve
from pipelines import cli
from pipelines.synthetic import options as synthesis
from pipelines.synthetic import plan, write

pytestmark = pytest.mark.slow

SHARED = pathlib.Path(__file__).parents[1] / ".." / "shared" / "data"
FEW = {"num_subjects": 4, "clips_per_class": 4, "frame_size": (320, 240), "num_frames": 8}
TINY = ["--image-size", "64", "--batch-size", "16"]
SHORT = ["--epochs", "12", "--warmup-epochs", "1"]


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder with a rendered copy, which all tests prepare in one place: that is done once."""
    folder = tmp_path_factory.mktemp("faces")
    write.generate(folder / "copy", synthesis.SynthesisConfig(**FEW))
    return folder


@pytest.fixture
def evaluate(tmp_path, faces, monkeypatch):
    """Runs the command on a copy; gives its results."""
    monkeypatch.chdir(tmp_path)

    def run(*flags, copy=faces / "copy"):
        folders = ["--data-root", str(copy), "--prepared", str(copy.with_name("prepared"))]
        folders += ["--out", "out"]
        assert loso.main(["--dataset", "synthetic", *folders, *TINY, *flags]) == 0
        return json.loads(pathlib.Path("out", "results.json").read_text())

    return run


@pytest.fixture(scope="module")
def one_trainer():
    """Runs alike but for their data share a trainer, as the folds of each do: it is traced once."""
    make, made = data.make_trainer, {}

    def make_once(options, prepared):
        options = cli.replace(options, data_root=(), prepared=None)
        same = (options, len(prepared))  # the number decides the steps of an epoch
        if same not in made:
            made[same] = make(options, prepared)
        return made[same]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "make_trainer", make_once)
        yield made


def test_expressions_are_recognised_on_people_not_trained_on(evaluate, one_trainer):
    results = evaluate(*SHORT)
    assert results["counts"] == {"clips": 48, "subjects": 4, "skipped": 0}
    assert results["uf1"]["mean"] >= 0.85
    assert results["dgm_gain"] > 0.3


def test_without_expression_the_score_is_chance(evaluate, one_trainer, tmp_path):
    """Noise, light, drift and identity alone tell nothing: no leak from the held-out subject."""
    write.generate(tmp_path / "copy", synthesis.SynthesisConfig(**FEW, amplitude_px=0.0))
    results = evaluate(*SHORT, copy=tmp_path / "copy")
    assert len(one_trainer) == 1  # the one that learns what there is to learn
    chance = np.random.default_rng(0).integers(0, 3, (2000, 48))
    labels = np.repeat([0, 1, 2], 16)
    low, high = np.percentile((chance == labels).mean(axis=1), [0.5, 99.5])
    assert low <= results["accuracy"]["mean"] <= high
    assert results["uf1"]["mean"] <= high


def render_smic(root, table, release):
    """Renders clips of SMIC under their real names and frame numbers, six frames of each."""
    config = synthesis.SynthesisConfig(frame_size=(320, 240))
    jobs, held = [], []
    for number, row in enumerate(table.itertuples(index=False)):
        numbers = smic.numbers(release, row.clip, row.onset, row.offset)
        if not numbers:
            continue
        held.append((row.clip, row.onset, row.offset))
        spec = plan.draw_spec(config, int(row.subject[1:]), number, smic.FOLDERS[row.label])
        spec = dataclasses.replace(spec, num_frames=len(numbers), apex=(len(numbers) - 1) // 2)
        if release == "cropped":  # what the release keeps around the face
            width, height = 2.6 * spec.eye_distance, 2.95 * spec.eye_distance
            spec = dataclasses.replace(spec, frame_size=(round(width), round(height)))
        kept = np.linspace(0, len(numbers) - 1, 6).round().astype(int).tolist()
        paths = {t: str(smic.frame(release, row.clip, numbers[t])) for t in kept}
        jobs.append(plan.Job(row, spec, paths))
    write.write_frames(root, jobs)
    if release == "long":
        sheet = layouts.Table(f"HS_long/{smic.SHEET}", "HS", smic.annotation(held))
        layouts.write_table(sheet, root)


@pytest.mark.parametrize("release", smic.RELEASES)
def test_smic_in_its_three_releases(tmp_path, monkeypatch, release):
    monkeypatch.chdir(tmp_path)
    path = SHARED / "smic_clips.csv"
    if not path.exists():
        pytest.skip("the table of real clip names is not here")
    table = pd.read_csv(path)
    table = table[table["subject"].isin(["s05", "s19", "s02"])]  # the smallest subjects
    render_smic(tmp_path / "SMIC", table, release)
    flags = ["--epochs", "1", "--batch-size", "4", "--out", "out"]
    flags += ["--model", "ststnet", "--motion", "difference"]  # what is tested is the data
    assert loso.main(["--dataset", "smic", "--data-root", str(tmp_path / "SMIC"), *flags]) == 0
    predictions = pd.read_csv(tmp_path / "out" / "predictions.csv")
    truth = {f"smic/{row.subject}/{row.clip}": row.label for row in table.itertuples()}
    found = dict(zip(predictions["key"], predictions["label"]))
    assert found == {key: label for key, label in truth.items() if key in found}
    # SMIC-E's long clips lack a few micro-expressions, s02_sur_05 among them
    assert len(truth) - len(found) <= (1 if release == "long" else 0)


@pytest.mark.parametrize("motion", ["farneback", "dynamic_image"])
def test_classical_motion_and_the_baseline(evaluate, motion):
    flags = ["--epochs", "2", "--subjects", "s01", "--motion", motion]
    results = evaluate(*flags, "--model", "ststnet")
    assert results["motion"] == motion and results["dgm_gain"] is None


SYSTEMS = {
    "ridge": ("farneback", []),
    "lbp_top": ("frames", []),
    "afn": ("dynamic_images", ["--epochs", "2"]),
    "tsfmicro": ("frames", ["--epochs", "1", "--no-mirror-test", "--mixed-precision", "off"]),
}


@pytest.mark.parametrize("model", SYSTEMS)
def test_other_systems(evaluate, model):
    motion, how_long = SYSTEMS[model]
    results = evaluate("--model", model, "--num-folds", "2", *how_long)
    assert results["motion"] == motion and results["counts"]["clips"] == 48
    predictions = pd.read_csv("out/predictions.csv")
    probabilities = predictions[[c for c in predictions if c.startswith("p_")]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    if model == "ridge":  # it has no epochs to be short of
        assert results["uf1"]["mean"] > 0.5


def resident_mib():
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads Linux's /proc")
def test_memory_does_not_grow_from_fold_to_fold(faces, short_solves):
    small = {"epochs": 1, "warmup_epochs": 1, "batch_size": 16, "image_size": 64}
    small |= {"filters": (8, 12), "dgm_pretext": False, "face_fusion": False}
    small |= {"mixed_precision": "off", "mirror_test": False}
    small |= {"data_root": (str(faces / "copy"),), "prepared": str(faces / "prepared")}
    options = cli.replace(Options(), **small)
    prepared, _ = data.load_data(options)
    options = resolve(options, prepared.kind)
    trainer = data.make_trainer(options, prepared)
    datasets = data.Datasets(prepared, options.data)
    splits = folds.leave_one_subject_out(prepared.subject_keys)
    sizes = []
    for number in range(10):
        folds.run_fold(trainer, splits[number % len(splits)], 0, datasets)
        sizes.append(resident_mib())
    assert sizes[9] < 1.05 * sizes[1], sizes  # 1.00; were each fold traced anew: 1.09 to 1.14
