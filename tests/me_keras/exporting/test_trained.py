"""Trained on all subjects, as long as the run's folds were, once; whatever the model."""

import functools
import json

import numpy as np
import pytest
import tensorflow as tf
from prepared_fixture import BOXES, write_prepared

import me_keras
from me_keras.evaluation import data
from me_keras.exporting import contract, trained
from me_keras.exporting.export_model import write_version
from me_keras.models import dual_branch
from me_keras.options import Options, resolve
from me_keras.prediction import alignment, model
from pipelines import cli, protocols
from pipelines.prepared import open_prepared
from pipelines.schema import DataError

SMALL = {
    "dataset": "smic",
    "image_size": 32,
    "epochs": 1,
    "warmup_epochs": 1,
    "batch_size": 4,
    "filters": (8, 8),
    "hidden_dim": 16,
    "num_heads": 2,
    "subjects": ("s01",),
}


def test_the_score_is_the_runs():
    score = {"mean": 0.5, "sd": 0.1, "per_seed": [0.4, 0.6], "ci95": [0.3, 0.7]}
    results = {"uf1": score, "uar": score, "accuracy": score}
    results["counts"] = {"clips": 9, "subjects": 3, "skipped": 1}
    kept = {"mean": 0.5, "sd": 0.1, "ci95": [0.3, 0.7]}
    expected = {"uf1": kept, "uar": kept, "accuracy": kept, "seeds": 2, "clips": 9, "subjects": 3}
    assert trained.score_of(results) == {**expected, "note": None}
    tuned = {**results, "tuned_on": {"note": "tuned on the reported subjects"}}
    assert trained.score_of(tuned)["note"] == "tuned on the reported subjects"
    assert trained.score_of(None) is None


def test_the_average_face_is_seen_through_the_centre_crop(tmp_path):
    other = np.clip(BOXES + 0.1, 0, 1)
    clips = [{"subject": 1, "label": 0}, {"subject": 2, "label": 1, "regions": other}]
    prepared = open_prepared(write_prepared(tmp_path / "p", clips, image_size=32, margin=4))
    found = trained.average_regions(prepared)
    pixels = (np.stack([BOXES, other]) * 40 - 4) / 32  # 40 px stored, 4 px of margin
    np.testing.assert_allclose(found, np.clip(pixels, 0, 1).mean(axis=0), atol=1e-6)


def test_every_motion_is_described():
    from pipelines import flow

    for name, motion in flow.MOTIONS.items():
        assert len(trained.describe_motion(name)["channels"]) == motion.channels
    assert trained.describe_motion("dgm") == {"source": "dgm", "channels": []}


def prepare(folder):
    """A small prepared database of nine clips of SMIC's."""

    def as_smic(manifest):
        parameters = {"margin": 8, "max_frames": 32, "apex": "annotated", "rigid": True}
        manifest["parameters"] = {"image_size": 32, **parameters}
        manifest["dataset"] = "smic"
        for clip in manifest["clips"]:
            clip["dataset"] = "smic"

    clips = [{"subject": s, "label": k} for s in (1, 2, 3) for k in (0, 1, 2)]
    return str(write_prepared(folder, clips, image_size=32, margin=8, edit=as_smic))


def of(folder, **changes):
    """Small options of a run on a prepared database, in a folder."""
    places = {"prepared": prepare(folder / "prepared"), "out": str(folder / "run")}
    return cli.replace(Options(), **SMALL, **places, **changes)


def untrained(folder, **changes):
    """A run whose one fold is left to another shard: options and data, and no results."""
    assert me_keras.evaluate(of(folder, **changes, shard="2/2"))["missing"]
    return folder / "run"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a finished run of one fold, of a network that is quickly trained."""
    folder = tmp_path_factory.mktemp("run")
    me_keras.evaluate(of(folder, model="ststnet", motion="farneback"))
    return folder / "run"


@pytest.mark.slow
def test_another_model_on_motion_maps_is_exported_and_asked_about_frames(run, tmp_path):
    version = me_keras.export_model(run, tmp_path / "ststnet")
    promised = contract.read_contract(version)
    assert promised["motion"]["source"] == "farneback" and len(promised["motion"]["channels"]) == 3
    assert set(promised["signatures"]) == {"serving_default", "serving_regions"}
    assert promised["training"]["model"] == "ststnet"
    assert me_keras.Predictor(tmp_path / "ststnet")._model.alignment.motion == "farneback"


@pytest.mark.slow
def test_it_is_trained_on_all_subjects_once_and_kept(run, monkeypatch, capsys):
    from me_keras.training import Trainer

    for path in (run / trained.RECORD, run / trained.MODEL):
        path.unlink(missing_ok=True)
    seen = []
    original = data.Datasets.train
    monkeypatch.setattr(
        data.Datasets,
        "train",
        lambda self, rows, seed: seen.append(rows) or original(self, rows, seed),
    )
    first = trained.train_on_all(run)
    assert [list(rows) for rows in seen] == [list(range(9))]
    assert first.data["clips"] == 9 and first.data["subjects"] == 3
    assert first.training["class_counts"] == {"negative": 3, "positive": 3, "surprise": 3}
    assert first.score["seeds"] == 1 and first.score["subjects"] == 1
    assert first.alignment["margin"] == 8 and first.alignment["rigid"]
    kept = json.loads((run / trained.RECORD).read_text())
    assert len(kept["history"]) == 1 and kept["warmup"] == []
    assert "training on all 9 clips, 1 epochs" in capsys.readouterr().err

    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "fit", lambda *_: pytest.fail("trained again"))
        again = trained.train_on_all(run)
    for one, other in zip(first.model.get_weights(), again.model.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert "taking the model that is in" in capsys.readouterr().err

    (run / trained.MODEL).write_bytes(b"damaged")  # made again
    trained.train_on_all(run)
    assert len(seen) == 2
    trained.train_on_all(run, seed=7)
    assert len(seen) == 3 and json.loads((run / trained.RECORD).read_text())["seed"] == 7


@pytest.mark.slow
def test_served_probabilities_are_those_that_leave_one_out_measures(short_solves, tmp_path, capsys):
    """With the displacement generator, which is warmed up before."""
    run = untrained(tmp_path)
    found = trained.train_on_all(run)
    kept = json.loads((run / trained.RECORD).read_text())
    assert len(kept["history"]) == len(kept["warmup"]) == 1
    said = capsys.readouterr().err
    assert "training on all 9 clips, 2 epochs" in said and "holds no results.json" in said
    assert found.score is None
    version = write_version(found, tmp_path / "model")
    options = cli.from_json(Options, json.loads((run / "config.json").read_text()), ignored=IGNORED)
    prepared, manifest = data.load_data(options)
    options = resolve(options, prepared.kind)
    protocol = protocols.choose("smic", options.data.protocol)
    prepared, _, _ = data.under_protocol(prepared, manifest, protocol, options)
    trainer = data.make_trainer(options, prepared)
    trainer.model.set_weights(found.model.get_weights())
    test = data.Datasets(prepared, options.data).test(np.arange(9))
    measured = trainer.predict(test)
    signatures = tf.saved_model.load(str(version)).signatures
    served = {"probabilities": [], "reconstruction_gain": []}
    for inputs, _ in test:
        outputs = signatures["displacement"](**inputs)
        for name, values in served.items():
            values.extend(outputs[name].numpy())
    probabilities = np.array(served["probabilities"])[:9]
    np.testing.assert_allclose(probabilities, measured["probabilities"], atol=1e-5)
    gain = 1 - measured["error"] / measured["error_unwarped"]
    np.testing.assert_allclose(served["reconstruction_gain"][:9], gain, atol=1e-4)


IGNORED = ("data_digest", "versions")


@pytest.mark.slow
def test_a_model_of_frames_without_displacement_is_asked_about_frames(tmp_path, monkeypatch):
    narrow = functools.partial(dual_branch.dual_branch, filters=(8, 8, 8, 8))
    monkeypatch.setattr(dual_branch, "dual_branch", narrow)
    run = untrained(tmp_path, model="dual_branch")
    version = me_keras.export_model(run, tmp_path / "dual_branch")
    promised = contract.read_contract(version)
    assert promised["motion"] == {"source": "frames", "channels": []}
    assert "serving_bytes" in promised["signatures"]
    assert "displacement" not in promised["signatures"]
    frames = np.random.default_rng(0).integers(0, 256, (1, 2, 48, 48), np.uint8)
    displacement = np.zeros((48, 48, 2), np.float32)
    pair = alignment.Pair(frames[0], BOXES, 1, frames[0], (0, 1), displacement=displacement)
    answer = model.open_model(tmp_path / "dual_branch").ask(alignment.model_inputs([pair], 32))
    np.testing.assert_allclose(answer["probabilities"].sum(), 1, atol=1e-5)
    assert answer["displacement"].shape == (1, 32, 32, 2)


def test_a_model_of_scikit_learn_has_no_saved_model(tmp_path):
    untrained(tmp_path, model="ridge", motion="farneback")
    with pytest.raises(DataError, match="ridge is fitted by scikit-learn and has no SavedModel"):
        me_keras.export_model(tmp_path / "run", tmp_path / "ridge")


@pytest.mark.slow
def test_data_that_are_not_the_runs(run, tmp_path):
    config = json.loads((run / "config.json").read_text())
    (tmp_path / "run").mkdir()
    config["data_digest"] = "f" * 64
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match=r"the clips found now are not those of the run .digest"):
        trained.train_on_all(tmp_path / "run")


def test_folders_that_are_no_run(tmp_path):
    with pytest.raises(DataError, match="not a run, it holds no config.json; make one with"):
        trained.train_on_all(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="config.json cannot be read .*: run loso again"):
        trained.train_on_all(tmp_path)
    (tmp_path / "config.json").write_text('{"epochs": 0}')
    with pytest.raises(DataError, match="config.json: epochs must be at least 1, got 0: run loso"):
        trained.train_on_all(tmp_path)


def test_the_recipe_is_all_that_weights_depend_on(tmp_path):
    clips = [{"subject": 1, "label": 0}]
    prepared = open_prepared(write_prepared(tmp_path / "p", clips, image_size=32))
    options = cli.replace(Options(), motion="dgm")
    recipe = trained._recipe(options, prepared)
    same = {"data_root": ("elsewhere",), "out": "elsewhere", "num_seeds": 3, "jobs": 2}
    assert trained._recipe(cli.replace(options, **same), prepared) == recipe
    for change in ({"seed": 1}, {"epochs": 3}, {"hidden_dim": 32}, {"noise": 0.01}):
        assert trained._recipe(cli.replace(options, **change), prepared) != recipe
