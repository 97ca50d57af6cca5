import dataclasses
import types

import cv2
import numpy as np
import pytest
from prepared_fixture import BOXES, write_prepared
from sklearn.linear_model import RidgeClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC

from me_keras import features
from me_keras.classical import REFERENCES, ClassicalTrainer, Rows
from me_keras.evaluation import folds
from pipelines.prepared import open_prepared
from pipelines.schema import MIRRORED_REGIONS, DataError

ON_FLOW = sorted(set(REFERENCES) - {"lbp_top"})
PEOPLE, COUNT = 4, 24  # clips, a third of each class; their mirror images follow


def mirrored_boxes(boxes):
    y1, x1, y2, x2 = boxes[list(MIRRORED_REGIONS)].T
    return np.stack([y1, 1 - x2, y2, 1 - x1], 1)


@pytest.fixture(scope="module")
def on_flow(tmp_path_factory):
    """Clips whose class shows in their motion, then the mirror images of all of them."""
    rng = np.random.default_rng(0)
    clips = []
    for i in range(COUNT):
        motion = cv2.GaussianBlur(rng.normal(size=(28, 28, 3)), (0, 0), 2)
        motion[9 * (i % 3) : 9 * (i % 3) + 9, 4:20, :2] += 0.3
        clips.append({"subject": i % PEOPLE, "label": i % 3, "motion": motion, "regions": BOXES})
    for clip in clips[:COUNT]:
        motion = clip["motion"][:, ::-1] * [-1, 1, 1]
        clips.append({**clip, "motion": motion, "regions": mirrored_boxes(BOXES)})
    path = write_prepared(tmp_path_factory.mktemp("flow") / "p", clips, 28, 0, "precomputed")
    return open_prepared(path)


@pytest.fixture(scope="module")
def on_frames(tmp_path_factory):
    rng = np.random.default_rng(0)
    clips = []
    for i in range(COUNT):
        frames = rng.integers(0, 256, (6, 20, 20)).astype(np.uint8)
        frames[:, :, : 7 * (i % 3)] = frames[:1, :, : 7 * (i % 3)]  # part of the face is still
        clips.append({"subject": i % PEOPLE, "label": i % 3, "frames": frames})
    clips += [{**clip, "frames": clip["frames"][..., ::-1]} for clip in clips]
    return open_prepared(write_prepared(tmp_path_factory.mktemp("frames") / "p", clips, 20, 0))


def trainer_for(prepared, name):
    model = types.SimpleNamespace(name=name)
    training = types.SimpleNamespace(warmup_epochs=3)
    return ClassicalTrainer(types.SimpleNamespace(model=model, training=training), prepared)


def database(name, on_flow, on_frames):
    return on_frames if name == "lbp_top" else on_flow


def softmax(scores):
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


FOLD = folds.Fold(
    "made/s00", np.arange(COUNT)[np.arange(COUNT) % PEOPLE > 0], np.arange(0, COUNT, 4)
)


@pytest.mark.parametrize(
    "name, describe, change, make",
    [
        (
            "linear_svm",
            features.motion_maps,
            None,
            lambda: LinearSVC(C=0.001, class_weight="balanced", dual=False),
        ),
        ("rbf_svm", features.motion_maps, None, lambda: SVC(class_weight="balanced")),
        (
            "ridge",
            features.motion_maps,
            None,
            lambda: RidgeClassifier(alpha=1000, class_weight="balanced"),
        ),
        (
            "lbp_top",
            features.lbp_top,
            np.sqrt,
            lambda: LinearSVC(C=1, class_weight="balanced", dual=False),
        ),
        (
            "mdmo",
            features.region_flow_histograms,
            "standard",
            lambda: SVC(class_weight="balanced"),
        ),
    ],
)
def test_a_fold_is_that_of_plain_scikit_learn(name, describe, change, make, on_flow, on_frames):
    prepared = database(name, on_flow, on_frames)
    found, _ = folds.run_fold(trainer_for(prepared, name), FOLD, 0, Rows(prepared))
    plain, mirrored = describe(prepared), describe(prepared, mirrored=True)
    train = np.concatenate([plain[FOLD.train], mirrored[FOLD.train]])
    if change == "standard":
        change = StandardScaler().fit(train).transform
    change = change or (lambda values: values)
    labels = prepared.labels[FOLD.train]
    classifier = make().fit(change(train), np.concatenate([labels, labels]))
    scores = [classifier.decision_function(change(v[FOLD.test])) for v in (plain, mirrored)]
    expected = softmax((scores[0] + scores[1]) / 2)
    np.testing.assert_allclose(found["predictions"]["probabilities"], expected, atol=1e-6)
    assert found["predictions"]["row"] == FOLD.test.tolist()
    assert found["history"] == [] and found["warmup"] == []
    assert (expected.argmax(1) == prepared.labels[FOLD.test]).mean() > 0.6  # chance: 1/3


@pytest.mark.parametrize("name", REFERENCES)
def test_a_mirrored_clip_is_predicted_alike(name, on_flow, on_frames):
    prepared = database(name, on_flow, on_frames)
    trainer = trainer_for(prepared, name)
    trainer.fit(Rows(prepared).train(FOLD.train, 0))
    plain, mirrored = (trainer.predict(FOLD.test + shift) for shift in (0, COUNT))
    np.testing.assert_allclose(plain["probabilities"], mirrored["probabilities"], atol=1e-5)
    np.testing.assert_allclose(plain["probabilities"].sum(1), 1)


@pytest.mark.parametrize("name", ON_FLOW)
def test_neither_held_out_labels_nor_other_folds_nor_the_seed_matter(name, on_flow):
    first, _ = folds.run_fold(trainer_for(on_flow, name), FOLD, 0, Rows(on_flow))
    labels = np.full_like(on_flow.labels, -1)
    labels[FOLD.train] = on_flow.labels[FOLD.train]
    blind = dataclasses.replace(on_flow, labels=labels)
    trainer, rows = trainer_for(blind, name), Rows(blind)
    other = folds.Fold("made/s01", FOLD.train[::2], FOLD.train[1::2])
    folds.run_fold(trainer, other, 0, rows)
    for seed in (0, 5):
        again, _ = folds.run_fold(trainer, FOLD, seed, rows)
        assert again["predictions"] == first["predictions"]


def test_rows_to_predict_come_without_labels(on_flow):
    rows, labels = Rows(on_flow).train(np.array([3, 1]), 0)
    assert rows.tolist() == [3, 1] and labels.tolist() == [0, 1]
    assert Rows(on_flow).test(np.array([2])).tolist() == [2]


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("present", [(0, 2), (1,)])
def test_a_class_without_clips_to_train_on_is_never_predicted(name, present, on_flow, on_frames):
    prepared = database(name, on_flow, on_frames)
    trainer, rows = trainer_for(prepared, name), Rows(prepared)
    train = FOLD.train[np.isin(prepared.labels[FOLD.train], present)]
    trainer.fit(rows.train(train, 0))
    probabilities = trainer.predict(train)["probabilities"]
    np.testing.assert_allclose(probabilities[:, present].sum(1), 1)
    right = probabilities.argmax(1) == prepared.labels[train]
    assert right.mean() > 0.8


def test_the_database_must_hold_what_the_features_are_made_of(on_flow, on_frames):
    with pytest.raises(DataError, match="lbp_top needs frames"):
        trainer_for(on_flow, "lbp_top")
    with pytest.raises(DataError, match="needs motion"):
        trainer_for(on_frames, "ridge")
