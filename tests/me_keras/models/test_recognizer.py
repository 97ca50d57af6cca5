import gc
import subprocess
import sys
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras import losses, metrics
from me_keras.average_face import AVERAGE_REGIONS
from me_keras.layers.regions import mirror_boxes
from me_keras.models import build
from me_keras.models.frl_dgt import displacement_model
from me_keras.models.recognizer import Recognizer
from me_keras.optimizer import FlatAdamW
from pipelines.schema import MIRRORED_REGIONS

LABELS = np.int32([0, 1, 2, 0])
pytestmark = pytest.mark.usefixtures("short_solves")


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return build("frl_dgt", 32, hidden_dim=16, num_heads=2, filters=(8, 12), dropout=0.0)


@pytest.fixture
def inputs(rng):
    return {
        "onset": rng.random((4, 32, 32, 1), np.float32),
        "apex": rng.random((4, 32, 32, 1), np.float32),
        "regions": np.tile(np.float32(AVERAGE_REGIONS), (4, 1, 1)),
    }


def test_it_trains_like_any_keras_model(model, inputs):
    model.compile()
    assert isinstance(model.optimizer, FlatAdamW)
    history = model.fit(inputs, LABELS, epochs=20, verbose=0).history
    assert set(history) == {"loss", "accuracy", "reconstruction", "smoothness", "UF1", "UAR"}
    assert history["loss"][-1] < 0.8 * history["loss"][0]
    scores = model.evaluate(inputs, LABELS, verbose=0, return_dict=True)
    assert scores["accuracy"] == scores["UF1"] == 1.0
    answered = model.predict(inputs, verbose=0)["logits"].argmax(axis=1)
    np.testing.assert_array_equal(answered, LABELS)


def test_many_steps_in_one_call_are_those_one_by_one_and_traced_once(inputs, monkeypatch):
    """Four batches an epoch, three in a call: the fourth is a call of its own."""
    traced, step = [], Recognizer.train_step
    monkeypatch.setattr(Recognizer, "train_step", lambda *a: traced.append(1) or step(*a))
    histories = []
    for steps in (1, 3):
        keras.utils.set_random_seed(0)
        model = build("ststnet", 32, motion_channels=2, head_dropout=0.0)
        model.compile(FlatAdamW(average=0.0), metrics=[], steps_per_execution=steps)
        motion = np.concatenate([inputs["onset"], inputs["apex"]], axis=-1)
        data = {"motion": motion, "regions": inputs["regions"]}
        fitted = model.fit(data, LABELS, batch_size=1, epochs=2, shuffle=False, verbose=0)
        histories.append(fitted.history)
        assert int(model.optimizer.iterations) == 8 and len(traced) == len(histories)
    assert histories[1].keys() == histories[0].keys() == {"loss", "accuracy"}
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-4)


def test_a_model_that_is_let_go_leaves_no_graph_behind(inputs):
    """A search makes many models; what TensorFlow gives a custom gradient it would keep."""
    graphs = []

    keras.utils.set_random_seed(0)

    def trains():
        model = build("frl_dgt", 32, hidden_dim=16, num_heads=2, filters=(4,), face_fusion=False)
        model.compile()
        loss = model._loss

        def traced(*args, **kwargs):
            graphs.append(weakref.ref(tf.compat.v1.get_default_graph()))
            return loss(*args, **kwargs)

        model._loss = traced
        model.fit(inputs, LABELS, verbose=0)

    trains()
    gc.collect()
    assert graphs and not any(graph() for graph in graphs)


def test_its_loss_is_the_sum_of_what_it_reports(model, inputs):
    keywords = {"smoothness": 0.5, "edge": 10.0, "reconstruction": "census", "dgm_weight": 2.0}
    model.compile(metrics=[], **keywords)
    found = model.evaluate(inputs, LABELS, verbose=0, return_dict=True)
    outputs = model(inputs)
    parts = losses.self_supervision(
        inputs["onset"], inputs["apex"], outputs["half"], "census", edge=10.0
    )
    reconstruction, smooth = (float(tf.reduce_mean(part)) for part in parts)
    target = 0.9 * np.eye(3)[LABELS] + 0.1 / 3
    entropy = -np.mean(np.sum(target * np.log(tf.nn.softmax(outputs["logits"])), axis=1))
    assert found["reconstruction"] == pytest.approx(reconstruction, rel=1e-5)
    assert found["smoothness"] == pytest.approx(smooth, rel=1e-5)
    total = entropy + 2.0 * (reconstruction + 0.5 * smooth)
    assert found["loss"] == pytest.approx(total, rel=1e-5)


def test_labels_come_plain_or_by_name_and_batches_may_differ(model, inputs):
    model.compile(FlatAdamW(average=0.0), run_eagerly=True)
    plain = model.evaluate(inputs, LABELS, batch_size=3, verbose=0)
    dataset = tf.data.Dataset.from_tensors((inputs, {"label": LABELS}))
    np.testing.assert_allclose(model.evaluate(dataset, verbose=0), plain, rtol=1e-5)
    with pytest.raises(ValueError, match="labels are missing"):
        model.evaluate(inputs, verbose=0)


def test_another_loss_metric_and_optimizer(model, inputs):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    top = keras.metrics.SparseTopKCategoricalAccuracy(2, name="top2")
    model.compile("adam", loss, [top], dgm_weight=0.0, run_eagerly=True)
    found = model.evaluate(inputs, LABELS, verbose=0, return_dict=True)
    expected = float(loss(LABELS, model(inputs)["logits"]))
    assert found["loss"] == pytest.approx(expected, rel=1e-5) and "top2" in found
    model.fit(inputs, LABELS, verbose=0)
    for wrong in ({"loss": "sparse_categorical_crossentropy"}, {"metrics": ["accuracy"]}):
        with pytest.raises(ValueError, match="from_logits=True.*Received: '"):
            model.compile(**wrong)


def test_sample_weights_count_in_the_recognition(model, inputs):
    model.compile(metrics=[], dgm_weight=0.0, run_eagerly=True)
    weights = np.float32([1, 0, 0, 0])
    found = model.evaluate(inputs, LABELS, sample_weight=weights, verbose=0, return_dict=True)
    first = {name: value[:1] for name, value in inputs.items()}
    alone = model.evaluate(first, LABELS[:1], verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(alone["loss"] / 4, rel=1e-4)


def test_the_line_and_the_proposals_are_taught_beside_the_logits(rng):
    motion = rng.normal(size=(4, 28, 28, 3)).astype(np.float32)
    expected = losses.CrossEntropy(0.0)
    model = build("frl_dgt", 28, motion_channels=3, linear_readout=True)
    model.compile(loss=expected)
    outputs = model({"motion": motion})
    by_hand = np.mean([expected.call(LABELS, outputs[name]) for name in ("logits", "line")])
    found = model.evaluate({"motion": motion}, LABELS, verbose=0, return_dict=True)["loss"]
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)

    model = build("featref", 28, motion_channels=3)
    model.compile(loss=expected)
    outputs = model({"motion": motion})
    chance = tf.sigmoid(outputs["proposals"]).numpy()
    truth = np.eye(3)[LABELS]
    proposal = -np.log(np.where(truth == 1, chance, 1 - chance)).sum(axis=1)
    found = model.evaluate({"motion": motion}, LABELS, verbose=0, return_dict=True)["loss"]
    by_hand = np.mean(expected.call(LABELS, outputs["logits"]) + proposal)
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


def test_regions_may_be_left_out(model, inputs):
    expected = model(inputs)["logits"]
    frames = {name: inputs[name] for name in ("onset", "apex")}
    np.testing.assert_allclose(model(frames)["logits"], expected, atol=1e-6)
    np.testing.assert_allclose(model.predict(frames, verbose=0)["logits"], expected, atol=1e-5)
    model.compile(run_eagerly=True)
    model.fit(frames, LABELS, verbose=0)


def test_average_regions_are_those_of_a_face():
    boxes = np.float32(AVERAGE_REGIONS)
    np.testing.assert_allclose(mirror_boxes(boxes, MIRRORED_REGIONS), boxes, atol=1e-6)
    assert np.all(boxes[:, :2] < boxes[:, 2:]) and boxes.min() >= 0 and boxes.max() <= 1


def test_a_still_displacement_generator(model, inputs):
    model.compile(FlatAdamW(weight_decay=0.5), train_displacement=False, run_eagerly=True)
    before = model.displacement_model().get_weights()
    head = model.get_layer("logits").get_weights()[0]
    model.fit(inputs, LABELS, verbose=0)
    for old, new in zip(before, model.displacement_model().get_weights()):
        np.testing.assert_array_equal(old, new)
    assert np.abs(model.get_layer("logits").get_weights()[0] - head).max() > 0


def test_the_generator_learns_alone_on_the_same_layers(model, inputs):
    generator = model.displacement_model()
    generator.compile(forward_backward=0.1, pretext=0.0)  # no skin, nothing to know
    history = generator.fit(inputs, LABELS, epochs=8, verbose=0).history
    assert set(history) == {"loss", "reconstruction", "smoothness"}
    assert history["loss"][-1] < history["loss"][0]
    frames = {name: inputs[name] for name in ("onset", "apex")}
    np.testing.assert_array_equal(generator(frames)["half"], model(inputs)["half"])
    with pytest.raises(ValueError, match="ststnet has no displacement generator"):
        build("ststnet", 28, motion_channels=3).displacement_model()


def test_known_warps_are_others_in_every_step_and_the_same_again(inputs):
    histories = []
    for frames in (inputs, inputs):
        keras.utils.set_random_seed(0)
        generator = displacement_model(32, (8, 12))
        generator.compile(FlatAdamW(0.0), pretext=1.0, run_eagerly=True)  # it stays as it is
        histories.append(generator.fit(frames, epochs=3, verbose=0).history["error"])
    assert histories[0] == histories[1]
    assert len(set(histories[0])) == 3


def test_the_loss_counts_the_error_on_known_warps(inputs):
    keras.utils.set_random_seed(0)
    generator = displacement_model(32, (8, 12))
    found = {}
    for pretext in (0.0, 10.0):
        generator.compile(pretext=pretext, run_eagerly=True)
        found[pretext] = generator.evaluate(inputs, verbose=0, return_dict=True)
    assert "error" not in found[0.0]
    more = found[10.0]["loss"] - found[0.0]["loss"]
    assert more == pytest.approx(10.0 * found[10.0]["error"], rel=1e-4)


def test_a_generator_without_a_recognizer(inputs, tmp_path):
    generator = displacement_model(32, (8, 12))
    generator.compile(run_eagerly=True)
    generator.fit(inputs, verbose=0)
    generator.save(tmp_path / "generator.keras")
    loaded = keras.models.load_model(tmp_path / "generator.keras")
    frames = {name: inputs[name] for name in ("onset", "apex")}
    np.testing.assert_allclose(loaded(frames)["warped"], generator(frames)["warped"], atol=1e-5)
    loaded.run_eagerly = True
    loaded.fit(inputs, verbose=0)


def test_motion_maps(rng):
    model = build("ststnet", 28, motion_channels=3)
    model.compile()
    motion = {"motion": rng.normal(size=(4, 28, 28, 3)).astype(np.float32)}
    history = model.fit(motion, LABELS, verbose=0).history
    assert set(history) == {"loss", "accuracy", "UF1", "UAR"}


def test_a_saved_model_goes_on_training_as_if_never_saved(model, inputs, tmp_path):
    loss, scores = losses.CrossEntropy(0.2), [metrics.UF1(3)]
    model.compile(FlatAdamW(1e-3), loss, scores, smoothness=0.1, run_eagerly=True)
    model.fit(inputs, LABELS, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    loaded.run_eagerly = True
    histories = [m.fit(inputs, LABELS, verbose=0).history for m in (model, loaded)]
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(histories[1][name], values, rtol=1e-5)


LOAD = """
import sys
import me_keras
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
model = me_keras.load_model(sys.argv[1])
print(type(model).__name__, model.optimizer.name, model.count_params())
"""


@pytest.mark.slow
def test_a_saved_model_loads_after_importing_the_package_alone(model, inputs, tmp_path):
    model.compile()
    model.save(tmp_path / "model.keras")
    command = [sys.executable, "-c", LOAD, str(tmp_path / "model.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["Recognizer", "FlatAdamW", str(model.count_params())]


def test_metrics_are_no_weights_of_the_model(model):
    count = len(model.weights)
    model.compile()
    assert len(model.weights) == count and len(model.get_weights()) == count
