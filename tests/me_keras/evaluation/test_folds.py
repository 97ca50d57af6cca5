import json

import numpy as np
import pytest

from me_keras.evaluation import folds

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
    with pytest.raises(ValueError, match="no subject s09; there are casme2/s01"):
        chosen("s01", "s09")


def test_one_subject_is_not_enough():
    with pytest.raises(ValueError, match="at least two subjects, found smic/s01"):
        folds.leave_one_subject_out(["smic/s01"] * 3)


def test_fixed_parts():
    splits = folds.fixed_splits(["train", "testA", "train", "testB", "testA"], "train")
    assert [s.group for s in splits] == ["testA", "testB"]
    assert [s.train.tolist() for s in splits] == [[0, 2], [0, 2]]
    assert splits[0].test.tolist() == [1, 4]
    with pytest.raises(ValueError, match="needs clips of train and of another part"):
        folds.fixed_splits(["train", "train"], "train")


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


def test_a_fold_on_disk_is_whole_or_absent(tmp_path):
    path = folds.fold_path(tmp_path, 3, "smic/s01")
    assert path.relative_to(tmp_path).as_posix() == "folds/seed-3/smic_s01.json"
    assert folds.read_fold(path) is None
    folds.write_whole(path, json.dumps({"seed": 3}))
    assert folds.read_fold(path) == {"seed": 3}
    path.write_text('{"seed": ')
    assert folds.read_fold(path) is None
    assert [p.name for p in path.parent.iterdir()] == ["smic_s01.json"]
