import numpy as np
import pandas as pd
import pytest

from me_keras.evaluation.pages import clips

CLASSES = ["a", "b"]


def predictions(rows):
    """rows: (seed, key, label, probability of the class b)."""
    table = pd.DataFrame(rows, columns=["seed", "key", "label", "p_b"])
    table["p_a"] = 1 - table["p_b"]
    table["prediction"] = (table["p_b"] > 0.5).astype(int)
    table["subject_key"] = [key.rpartition("/")[0] for key in table["key"]]
    table["dataset"] = [key.split("/")[0] for key in table["key"]]
    table["group"] = table["subject_key"]
    table["row"] = [int(key[-1]) for key in table["key"]]
    return table


TABLE = predictions(
    [
        (0, "d/s1/0", 0, 0.2),
        (0, "d/s1/1", 1, 0.4),
        (0, "d/s2/2", 1, 0.9),
        (1, "d/s1/0", 0, 0.6),
        (1, "d/s1/1", 1, 0.1),
        (1, "d/s2/2", 1, 0.7),
    ]
)


def test_clips_of_each_subject_by_hand():
    best, worst = clips.per_subject(TABLE).to_dict("records")
    assert (best["subject"], best["clips"], best["correct"], best["share"]) == ("s2", 1, 1.0, 1.0)
    # of its two clips, one right with seed 0, none with seed 1
    assert (worst["subject"], worst["clips"], worst["correct"]) == ("s1", 2, 0.5)


def test_databases_are_apart_and_the_larger_of_equal_ones_first():
    rows = [(0, "e/s1/0", 0, 0.1), (0, "d/s3/1", 0, 0.1), (0, "d/s2/2", 0, 0.1)]
    rows += [(0, "d/s1/3", 0, 0.9), (0, "d/s2/4", 1, 0.9)]
    found = clips.per_subject(predictions(rows))
    pairs = list(zip(found["dataset"], found["subject"]))
    assert pairs == [("d", "s2"), ("d", "s3"), ("d", "s1"), ("e", "s1")]


def test_each_clip_counts_once_in_its_class():
    counts = clips.class_counts(TABLE, ["a", "b", "c"])
    assert counts.loc["d"].to_dict() == {"a": 1, "b": 2, "c": 0}


def test_the_hardest_clips_by_hand():
    first, second, third = clips.hardest(TABLE, CLASSES, 9).to_dict("records")
    assert [one["key"] for one in (first, second, third)] == ["d/s1/1", "d/s1/0", "d/s2/2"]
    assert first["loss"] == pytest.approx(-(np.log(0.4) + np.log(0.1)) / 2)
    assert (first["p_a"], first["p_b"]) == pytest.approx((0.75, 0.25))
    assert (first["label"], first["prediction"], first["wrong"]) == (1, 0, 1.0)
    assert second["loss"] == pytest.approx(-(np.log(0.8) + np.log(0.4)) / 2)
    assert (second["prediction"], second["wrong"]) == (0, 0.5)
    assert len(clips.hardest(TABLE, CLASSES, 2)) == 2


def test_confusion_of_each_database():
    found = clips.confusion_by_database(TABLE, 2)
    assert found["d"].tolist() == [[1, 1], [2, 2]]


def seen_of(groups):
    return {
        (seed, group): {
            "row": np.array(rows),
            "attention": np.array([[(row + 1) / 10 + seed / 2, 0.5] for row in rows]),
            "displacement": np.full((len(rows), 2, 2, 2), seed + 1, np.float16)
            * np.array(rows).reshape(-1, 1, 1, 1),
        }
        for seed, group, rows in groups
    }


def test_mean_attention_by_hand():
    # what was kept lies in another order than the predictions
    seen = seen_of([(0, "d/s1", [1, 0]), (1, "d/s1", [0, 1]), (0, "d/s2", [2]), (1, "d/s2", [2])])
    every, right = clips.mean_attention(TABLE, seen, 2)
    assert every[0] == pytest.approx([(0.1 + 0.6) / 2, (0.2 + 0.3 + 0.7 + 0.8) / 4])
    assert every[1] == pytest.approx([0.5, 0.5])
    assert right[0] == pytest.approx([0.1, (0.3 + 0.8) / 2])  # d/s1/1 is never recognised


def test_a_class_without_clips_has_no_attention_and_a_run_without_it_none():
    seen = seen_of([(0, "d/s2", [2])])
    every, right = clips.mean_attention(TABLE, seen, 2)
    assert np.isnan(every[:, 0]).all() and every[0, 1] == pytest.approx(0.3)
    assert clips.mean_attention(TABLE, {}, 2) is None


def test_the_displacement_is_the_clips_own_in_the_first_seed_that_kept_it():
    both = seen_of([(0, "d/s1", [1, 0]), (1, "d/s1", [0, 1])])
    assert clips.displacement_of("d/s1/1", TABLE, both).tolist() == np.ones((2, 2, 2)).tolist()
    second = {task: arrays for task, arrays in both.items() if task[0] == 1}
    found = clips.displacement_of("d/s1/1", TABLE, second)
    assert (found == 2).all() and found.dtype == np.float32
    assert clips.displacement_of("d/s2/2", TABLE, both) is None
