import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from prepared_fixture import BOXES, write_prepared

from me_keras import loso
from me_keras.config import LosoConfig
from me_keras.exporting import deployable
from me_keras.models import frl_dgt
from pipelines.prepared.arrays import open_prepared
from pipelines.schema import DataError

SMALL = {"image_size": 32, "width": 16, "heads": 2, "filters": (8, 12)}


def write_run(folder, results=None, **options):
    """The folder of a run, as far as an export looks at it."""
    folder.mkdir(exist_ok=True)
    record = dataclasses.asdict(LosoConfig(**options))
    record |= {"data_digest": "0" * 64, "versions": {}}
    (folder / "config.json").write_text(json.dumps(record))
    if results:
        (folder / "results.json").write_text(json.dumps(results))
    return folder


def test_a_run_is_read_back(tmp_path):
    folder = write_run(tmp_path / "run", {"uf1": 1}, motion="dgm", filters=(8, 8), epochs=3)
    config, record, results = deployable.read_run(folder)
    assert (config.filters, config.epochs, config.motion) == ((8, 8), 3, "dgm")
    assert record["data_digest"] == "0" * 64 and results == {"uf1": 1}
    assert deployable.read_run(write_run(tmp_path / "other", motion="dgm"))[2] is None


@pytest.mark.parametrize(
    "options, message",
    [
        ({"model": "ststnet", "motion": "tvl1"}, "its model is ststnet; only frl_dgt can be"),
        ({"motion": "tvl1"}, "its --motion tvl1 is not TensorFlow's, but a served model is given"),
        ({"motion": "precomputed"}, "its --motion precomputed holds motion images, but a served"),
    ],
)
def test_runs_that_cannot_be_exported(tmp_path, options, message):
    with pytest.raises(DataError, match=f"run: {message}"):
        deployable.read_run(write_run(tmp_path / "run", **options))


def test_folders_that_are_no_run(tmp_path):
    with pytest.raises(DataError, match="not a run, it holds no config.json; make one with"):
        deployable.read_run(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json cannot be read .*: run loso again"):
        deployable.read_run(tmp_path)
    (tmp_path / "config.json").write_text('{"epochs": 0}')
    with pytest.raises(DataError, match="config.json: epochs must be at least 1, got 0; run loso"):
        deployable.read_run(tmp_path)


def test_the_score_is_the_runs():
    score = {"mean": 0.5, "sd": 0.1, "per_seed": [0.4, 0.6], "ci95": [0.3, 0.7]}
    results = {"uf1": score, "uar": score, "accuracy": score}
    results["counts"] = {"clips": 9, "subjects": 3, "skipped": 1}
    kept = {"mean": 0.5, "sd": 0.1, "ci95": [0.3, 0.7]}
    expected = {"uf1": kept, "uar": kept, "accuracy": kept, "seeds": 2, "clips": 9, "subjects": 3}
    assert deployable.score_of(results) == {**expected, "note": None}
    tuned = {**results, "tuned_on": {"note": "tuned on the reported subjects"}}
    assert deployable.score_of(tuned)["note"] == "tuned on the reported subjects"
    assert deployable.score_of(None) is None


def test_the_average_face_is_seen_through_the_centre_crop(tmp_path):
    other = np.clip(BOXES + 0.1, 0, 1)
    clips = [{"subject": 1, "label": 0}, {"subject": 2, "label": 1, "regions": other}]
    prepared = open_prepared(write_prepared(tmp_path / "p", clips, image_size=32, margin=4))
    found = deployable.average_regions(prepared)
    pixels = (np.stack([BOXES, other]) * 40 - 4) / 32  # 40 px stored, 4 px of margin
    np.testing.assert_allclose(found, np.clip(pixels, 0, 1).mean(axis=0), atol=1e-6)


def test_a_fresh_model_is_plain_float32():
    """Whatever it was trained in: half precision, a form for XLA, replicas."""
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    try:
        model = frl_dgt(**SMALL)
        fresh = deployable.fresh(model)
        assert keras.mixed_precision.global_policy().name == "mixed_bfloat16"
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert any(layer.compute_dtype == "bfloat16" for layer in model._flatten_layers())
    assert all(layer.compute_dtype == "float32" for layer in fresh._flatten_layers())
    expected = frl_dgt(**SMALL)
    expected.set_weights(model.get_weights())
    rng = np.random.default_rng(0)
    inputs = {
        name: tf.constant(rng.random((2, 32, 32, 1)), tf.float32) for name in ("onset", "apex")
    }
    inputs["regions"] = tf.constant(np.stack([BOXES, BOXES]))
    for name, value in expected(inputs).items():
        np.testing.assert_array_equal(fresh(inputs)[name], value)


def test_forms_made_for_xla_are_taken_out():
    config = {"layers": [{"config": {"compiled": True, "size": 12}}, ({"a": 1},)]}
    expected = {"layers": [{"config": {"compiled": False, "size": 12}}, ({"a": 1},)]}
    assert deployable._for_serving(config) == expected


FLAGS = "--image-size 32 --epochs 1 --warmup-epochs 1 --batch-size 4 --filters 8 8 --width 16 "
FLAGS += "--heads 2 --subjects s01 --dataset smic"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of one fold on a small prepared database, and that database."""
    folder = tmp_path_factory.mktemp("run")

    def as_smic(manifest):
        parameters = {"margin": 8, "max_frames": 32, "apex": "annotated", "rigid": True}
        manifest["parameters"] = {"image_size": 32, **parameters}
        manifest["dataset"] = "smic"
        for clip in manifest["clips"]:
            clip["dataset"] = "smic"

    clips = [{"subject": s, "label": k} for s in (1, 2, 3) for k in (0, 1, 2)]
    prepared = folder / "prepared"
    write_prepared(prepared, clips, image_size=32, margin=8, edit=as_smic)
    flags = [*FLAGS.split(), "--prepared", str(prepared), "--out", str(folder / "run")]
    assert loso.main(flags) == 0
    return folder / "run"


@pytest.mark.slow
def test_it_is_trained_on_all_subjects_once_and_kept(run, monkeypatch):
    from me_keras.training import Trainer

    seen = []
    original = loso.Datasets.train
    monkeypatch.setattr(
        loso.Datasets,
        "train",
        lambda self, rows, seed: seen.append(rows) or original(self, rows, seed),
    )
    first = deployable.obtain(run)
    assert [list(rows) for rows in seen] == [list(range(9))]
    assert first.data["clips"] == 9 and first.data["subjects"] == 3
    assert first.training["class_counts"] == {"negative": 3, "positive": 3, "surprise": 3}
    assert first.score["seeds"] == 1 and first.score["subjects"] == 1
    assert first.alignment["margin"] == 8 and first.alignment["rigid"]
    kept = json.loads((run / "deployable.json").read_text())
    assert len(kept["history"]) == len(kept["warmup"]) == 1

    monkeypatch.setattr(Trainer, "fit", lambda *_: pytest.fail("trained again"))
    again = deployable.obtain(run)
    for one, other in zip(first.model.get_weights(), again.model.get_weights()):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_served_probabilities_are_those_that_leave_one_out_measures(run, tmp_path):
    from me_keras import export
    from me_keras.config import with_presets
    from pipelines import protocols

    found = deployable.obtain(run)
    version = export.write_version(found, tmp_path / "model")
    config, _, _ = deployable.read_run(run)
    prepared, manifest = loso.load_data(config)
    config = with_presets(config, prepared.kind)
    protocol = protocols.choose("smic", config.protocol)
    prepared, _, _ = loso.under_protocol(prepared, manifest, protocol, config)
    trainer = loso.make_trainer(config, prepared)
    trainer.model.set_weights(found.model.get_weights())
    test = loso.Datasets(prepared, config).test(np.arange(9))
    measured = trainer.predict(test)
    signatures = tf.saved_model.load(str(version)).signatures
    served = {"probabilities": [], "gain": []}
    for inputs, _ in test:
        outputs = signatures["displacement"](**inputs)
        for name, values in served.items():
            values.extend(outputs[name].numpy())
    probabilities = np.array(served["probabilities"])[:9]
    np.testing.assert_allclose(probabilities, measured["probabilities"], atol=1e-5)
    gain = 1 - measured["error"] / measured["error_unwarped"]
    np.testing.assert_allclose(served["gain"][:9], gain, atol=1e-4)


@pytest.mark.slow
def test_data_that_are_not_the_runs(run, tmp_path):
    config = json.loads((run / "config.json").read_text())
    (tmp_path / "run").mkdir()
    config["data_digest"] = "f" * 64
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=r"the clips found now are not those of the run .digest"):
        deployable.obtain(tmp_path / "run")


def test_kept_weights_are_whole_and_of_this_recipe(tmp_path):
    record, weights = tmp_path / "deployable.json", tmp_path / "deployable.weights.h5"
    weights.write_bytes(b"weights")
    assert not deployable._kept(record, weights, "recipe")
    kept = {"recipe": "recipe", "weights": deployable._sha256(weights)}
    record.write_text(json.dumps(kept))
    assert deployable._kept(record, weights, "recipe")
    assert not deployable._kept(record, weights, "another")
    weights.write_bytes(b"weight")
    assert not deployable._kept(record, weights, "recipe")
    weights.unlink()
    assert not deployable._kept(record, weights, "recipe")
    record.write_text("{")
    assert not deployable._kept(record, weights, "recipe")


def test_the_recipe_is_all_that_weights_depend_on(tmp_path):
    clips = [{"subject": 1, "label": 0}]
    prepared = open_prepared(write_prepared(tmp_path / "p", clips, image_size=32))
    config = LosoConfig(motion="dgm")
    recipe = deployable._recipe(config, prepared)
    same = {"data_root": ("elsewhere",), "out": "elsewhere", "num_seeds": 3}
    assert deployable._recipe(dataclasses.replace(config, **same), prepared) == recipe
    for change in ({"seed": 1}, {"epochs": 3}, {"width": 32}, {"noise": 0.01}):
        assert deployable._recipe(dataclasses.replace(config, **change), prepared) != recipe
    other = dataclasses.replace(prepared, digest="other")
    assert deployable._recipe(config, other) != recipe
