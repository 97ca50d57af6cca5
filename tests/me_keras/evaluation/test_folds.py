import time
import types

import numpy as np
import pytest

from me_keras.evaluation import folds
from pipelines.schema import DataError

KEYS = ["smic/s02", "smic/s01", "smic/s02", "casme2/s01", "smic/s01"]


def test_every_clip_is_held_out_once_with_its_whole_subject():
    splits = folds.leave_one_subject_out(KEYS)
    assert [s.group for s in splits] == ["casme2/s01", "smic/s01", "smic/s02"]
    assert sorted(np.concatenate([s.test for s in splits])) == list(range(5))
    for split in splits:
        assert {KEYS[i] for i in split.test} == {split.group}
        assert split.group not in {KEYS[i] for i in split.train}
        assert len(split.test) + len(split.train) == 5


def test_chosen_subjects_by_either_name():
    def chosen(*names):
        return [s.group for s in folds.leave_one_subject_out(KEYS, names)]

    assert chosen("s01") == ["casme2/s01", "smic/s01"]
    assert chosen("smic/s01", "s02") == ["smic/s01", "smic/s02"]
    with pytest.raises(DataError, match="no subject s09; there are casme2/s01"):
        chosen("s01", "s09")


def test_subjects_are_shared_out_over_folds_of_like_size():
    keys = ["a"] * 5 + ["b"] * 4 + ["c"] * 3 + ["d"] * 2 + ["e"]
    found = folds.share_out(keys, 2)
    assert dict(zip(keys, found)) == {
        **{"a": "fold1", "b": "fold2", "c": "fold2", "d": "fold1", "e": "fold1"}
    }
    splits = folds.leave_one_subject_out(found)
    assert [len(split.test) for split in splits] == [8, 7]
    for split in splits:
        assert not {keys[i] for i in split.test} & {keys[i] for i in split.train}
    with pytest.raises(DataError, match="--num-folds 9: there are 5 subjects"):
        folds.share_out(keys, 9)


def test_one_subject_is_not_enough():
    with pytest.raises(DataError, match="at least two subjects, found smic/s01"):
        folds.leave_one_subject_out(["smic/s01"] * 3)


def test_fixed_parts():
    splits = folds.fixed_splits(["train", "testA", "train", "testB", "testA"], "train")
    assert [s.group for s in splits] == ["testA", "testB"]
    assert [s.train.tolist() for s in splits] == [[0, 2], [0, 2]]
    assert splits[0].test.tolist() == [1, 4]
    with pytest.raises(DataError, match="needs clips of train and of another part"):
        folds.fixed_splits(["train", "train"], "train")


def test_tasks_are_listed_by_seed_then_fold():
    splits = [folds.Fold(name, np.arange(2), np.arange(2)) for name in ("s01", "s02")]
    tasks = folds.list_tasks(range(3, 5), splits)
    assert [(task.index, task.seed, task.fold.group) for task in tasks] == [
        (0, 3, "s01"),
        (1, 3, "s02"),
        (2, 4, "s01"),
        (3, 4, "s02"),
    ]
    assert str(tasks[3]) == "fold s02, seed 4"


def record(subject, rows, seed=0, probabilities=None):
    probabilities = probabilities or [[0.2, 0.7, 0.1]] * len(rows)
    return {
        "group": subject,
        "seed": seed,
        "predictions": {"row": rows, "probabilities": probabilities},
    }


TABLE = {
    "key": [f"{k}/{i}" for i, k in enumerate(KEYS)],
    "subject_key": KEYS,
    "group": KEYS,
    "dataset": [k.split("/")[0] for k in KEYS],
    "label": [0, 1, 2, 0, 1],
}
CLASSES = ("negative", "positive", "surprise")


def test_predictions_are_joined_by_row_in_any_order():
    rows = [[0.9, 0.1, 0.0], [0.0, 0.1, 0.9]]
    pooled = folds.pool(
        [record("smic/s01", [4, 1], probabilities=rows), record("smic/s02", [0, 2])], TABLE, CLASSES
    )
    by_key = pooled.set_index("key")
    assert by_key.loc["smic/s01/4", "prediction"] == 0
    assert by_key.loc["smic/s01/1", "prediction"] == 2
    assert by_key.loc["smic/s01/1", "p_surprise"] == 0.9
    assert by_key.loc["smic/s02/2", "label"] == 2


def test_pooling_refuses_other_subjects_and_doubles():
    with pytest.raises(ValueError, match="fold smic/s01 predicts clips of others"):
        folds.pool([record("smic/s01", [0])], TABLE, CLASSES)
    with pytest.raises(ValueError, match="predicted twice"):
        folds.pool([record("smic/s01", [1, 1])], TABLE, CLASSES)


class Recorder:
    """A trainer and its datasets that write down what they are asked for, and take their time."""

    def __init__(self, warmup_epochs=1):
        training = types.SimpleNamespace(warmup_epochs=warmup_epochs)
        self.options = types.SimpleNamespace(training=training)
        self.generator = True
        self.calls = []

    def reset(self, seed):
        time.sleep(0.05)
        self.calls.append(("reset", seed))

    def pairs(self, rows, seed):
        return ("pairs", tuple(rows), seed)

    def train(self, rows, seed):
        time.sleep(0.05)
        return ("train", tuple(rows), seed)

    def test(self, rows):
        return ("test", tuple(rows))

    def warm_up(self, dataset, callbacks):
        self.calls.append(dataset)
        return ["w"]

    def fit(self, dataset, callbacks):
        time.sleep(0.1)
        self.calls.append(dataset)
        return ["h"]

    def predict(self, dataset):
        self.calls.append(dataset)
        return {"row": np.array([2]), "attention": np.full((1, 9), 1 / 9)}


def test_a_fold_trains_on_its_training_rows_alone_and_says_what_setting_up_took():
    fold = folds.Fold("s01", np.array([0, 1]), np.array([2]))
    both = Recorder()
    made, seen = folds.run_fold(both, fold, 5, both)
    assert both.calls == [
        ("reset", 5),
        ("pairs", (0, 1), 5),
        ("train", (0, 1), 5),
        ("test", (2,)),
    ]
    assert (made["warmup"], made["history"]) == (["w"], ["h"])
    assert made["predictions"] == {"row": [2]} and set(seen) == {"row", "attention"}
    assert 0.1 <= made["seconds_setup"] <= made["seconds"] - 0.1
    without = Recorder(warmup_epochs=0)
    assert folds.run_fold(without, fold, 5, without)[0]["warmup"] == []
    assert ("pairs", (0, 1), 5) not in without.calls
