import dataclasses
import json
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest
from prepared_fixture import write_prepared

from me_keras.config import LosoConfig
from me_keras.evaluation import folds, work
from pipelines.prepared.arrays import open_prepared
from pipelines.schema import DataError


def test_work_is_listed_by_seed_then_fold():
    splits = [folds.Fold(name, np.arange(2), np.arange(2)) for name in ("s01", "s02")]
    jobs = work.listed(range(3, 5), splits)
    assert [(job.index, job.seed, job.fold.group) for job in jobs] == [
        (0, 3, "s01"),
        (1, 3, "s02"),
        (2, 4, "s01"),
        (3, 4, "s02"),
    ]
    assert str(jobs[3]) == "fold s02, seed 4"


@pytest.fixture
def prepared(tmp_path):
    clips = [{"subject": n // 2, "label": n % 3} for n in range(6)]
    return open_prepared(write_prepared(tmp_path / "prepared", clips))


CONFIG = LosoConfig(protocol="synthetic-3", motion="dgm", image_size=16)


def test_a_recipe_is_small_and_finds_its_trainer_again(prepared, monkeypatch):
    monkeypatch.chdir(prepared.path)
    recipe = work.recipe(CONFIG, dataclasses.replace(prepared, path="."))
    assert recipe.folder == prepared.path  # another process starts somewhere else
    again = pickle.loads(pickle.dumps(recipe))
    assert again == recipe and hash(again) == hash(recipe)  # what a Ray worker keeps it by
    assert len(pickle.dumps(recipe)) < 10_000


def test_a_folder_that_another_machine_does_not_reach_or_has_other_clips_in(prepared, monkeypatch):
    monkeypatch.setattr(work, "start_process", lambda *_: None)
    recipe = work.recipe(CONFIG, prepared)
    elsewhere = dataclasses.replace(recipe, folder="/nowhere/prepared")
    with pytest.raises(
        DataError, match="/nowhere/prepared is not there on .*: give with --prepared"
    ):
        elsewhere()
    with pytest.raises(DataError, match="holds other clips on"):
        dataclasses.replace(recipe, digest="other")()


class Diverging:
    """Trains two epochs, then says that the loss is no number."""

    generator = False
    config = types.SimpleNamespace(warmup_epochs=0)

    def reset(self, seed):
        pass

    def fit(self, dataset, on_epoch):
        on_epoch({"loss": 1.0})
        on_epoch({"loss": 2.0})
        raise FloatingPointError("the loss is no longer a number: lower --learning-rate")


def test_a_fold_that_diverges_is_named(prepared, monkeypatch):
    monkeypatch.setattr(work, "make_trainer", lambda *_: Diverging())
    splits = folds.leave_one_subject_out(prepared.subject_keys)
    told = []
    train = work.FoldTrainer(CONFIG, prepared)
    with pytest.raises(FloatingPointError, match="^fold made/s01, seed 7: the loss is no longer"):
        train(work.Job(0, 7, splits[1]), lambda job, number, values: told.append(number))
    assert told == [1, 2]


def in_a_process_of_its_own(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_threads_of_a_process():
    code = """
import json, os
os.environ["TF_CONFIG"] = "{}"
from me_keras.evaluation import work
work.start_process(3, 0)
import tensorflow as tf
said = [work.threads(), tf.config.threading.get_inter_op_parallelism_threads()]
tf.constant(1.0) + 1.0
work.limit_threads(None)
work.limit_threads(3)
try:
    work.limit_threads(2)
except ValueError as error:
    print(json.dumps([*said, str(error), "TF_CONFIG" in os.environ]))
"""
    intra, inter, message, member = in_a_process_of_its_own(code)
    assert (intra, inter, member) == (3, 1, False)
    assert message == "threads: TensorFlow already runs with another number than 2 in this process"
