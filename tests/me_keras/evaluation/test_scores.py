import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from me_keras.evaluation import scores

CLASSES = ("negative", "positive", "surprise")


def predictions(rng, seeds=2, subjects=6, clips=10, skill=0.7):
    rows = []
    for seed in range(seeds):
        truth = np.random.default_rng(1)  # the same clips for every seed
        for subject in range(subjects):
            for clip in range(clips):
                label = int(truth.integers(0, 3))
                guess = label if rng.random() < skill else int(rng.integers(0, 3))
                key = f"db{subject % 2}/s{subject}/{clip}"
                p = np.full(3, 0.1) + 0.7 * np.eye(3)[guess]
                rows.append((seed, key, key[:6], key[:3], label, guess, *p))
    columns = ["seed", "key", "subject_key", "dataset", "label", "prediction"]
    return pd.DataFrame(rows, columns=[*columns, *(f"p_{name}" for name in CLASSES)])


def test_pooled_scores_equal_scikit_learn(rng):
    table = predictions(rng)
    record = scores.score(table, CLASSES)
    expected = [
        f1_score(t["label"], t["prediction"], average="macro") for _, t in table.groupby("seed")
    ]
    np.testing.assert_allclose(record["uf1"]["per_seed"], expected)
    assert record["uf1"]["mean"] == pytest.approx(np.mean(expected))
    assert record["uf1"]["sd"] == pytest.approx(np.std(expected, ddof=1))
    first = table[table["dataset"] == "db0"]
    expected = [
        f1_score(t["label"], t["prediction"], average="macro") for _, t in first.groupby("seed")
    ]
    np.testing.assert_allclose(record["per_database"]["db0"]["uf1"]["per_seed"], expected)
    assert record["per_database"]["db0"]["clips"] == 30


def test_interval_holds_the_score_and_narrows_with_subjects(rng):
    few = scores.score(predictions(rng, subjects=4), CLASSES)["uf1"]
    many = scores.score(predictions(rng, subjects=40), CLASSES)["uf1"]
    for record in (few, many):
        assert record["ci95"][0] <= record["mean"] <= record["ci95"][1]
    assert np.diff(many["ci95"]) < np.diff(few["ci95"])


def test_interval_equals_a_plain_bootstrap(rng):
    table = predictions(rng, seeds=1, subjects=8)
    found = scores.score(table, CLASSES)["accuracy"]["ci95"]
    right = (table["label"] == table["prediction"]).groupby(table["subject_key"]).mean().to_numpy()
    draws = np.random.default_rng(5).choice(right, (20000, len(right))).mean(axis=1)
    np.testing.assert_allclose(found, np.percentile(draws, [2.5, 97.5]), atol=0.015)


def test_ensemble_votes_with_probabilities():
    table = pd.DataFrame(
        {
            "seed": [0, 1, 2],
            "key": "a/s/1",
            "subject_key": "a/s",
            "dataset": "a",
            "label": 2,
            "prediction": [0, 0, 2],
            "p_negative": [0.5, 0.5, 0.0],
            "p_positive": [0.1, 0.1, 0.0],
            "p_surprise": [0.4, 0.4, 1.0],
        }
    )
    record = scores.score(table, CLASSES)
    assert record["ensemble"]["accuracy"] == 1.0
    assert record["accuracy"]["mean"] == pytest.approx(1 / 3)


def test_gain_pools_errors(rng):
    table = predictions(rng, seeds=1, subjects=2, clips=1)
    assert scores.score(table, CLASSES)["dgm_gain"] is None
    table["error"], table["error_unwarped"] = [1.0, 1.0], [2.0, 6.0]
    assert scores.score(table, CLASSES)["dgm_gain"] == pytest.approx(1 - 2 / 8)


def test_one_seed_has_no_spread():
    assert scores.summary([0.5]) == {"mean": 0.5, "sd": 0.0, "per_seed": [0.5]}


@pytest.mark.parametrize(
    "tuned_on, reported, note, overlap",
    [
        (["x/a", "x/b"], ["x/a", "x/b", "x/a"], "tuned on the reported subjects", ["x/a", "x/b"]),
        (["x/b"], ["x/a", "x/b"], "tuned on the reported subjects: 1 of 2", ["x/b"]),
        (["x/c"], ["x/a", "x/b"], "tuned on other subjects than those reported", []),
    ],
)
def test_overlap_of_tuned_and_reported_subjects_is_stamped(tuned_on, reported, note, overlap):
    made = scores.tuning_stamp(tuned_on, reported)
    assert made == {"subjects": sorted(tuned_on), "reported": overlap, "note": note}


def test_untuned_options_have_no_stamp():
    assert scores.tuning_stamp((), ["x/a"]) is None
