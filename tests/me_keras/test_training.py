import collections
import resource

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.eager import context

from me_keras import optimizer, pretrained
from me_keras.models.frl_dgt import displacement_model
from me_keras.models.recognizer import DisplacementModel, Recognizer
from me_keras.options import Options, resolve
from me_keras.training import METRICS, Trainer, make_deterministic
from pipelines import cli
from pipelines.schema import MIRRORED_REGIONS, DataError, OptionError

OPTIONS = cli.replace(
    resolve(Options(), "frames"),
    epochs=3,
    warmup_epochs=2,
    batch_size=4,
    filters=(8, 12),
    hidden_dim=16,
    num_heads=2,
    dropout=0.2,
    learning_rate=3e-3,
    mixed_precision="off",
)
# Where the fusions are not what is tested: half of the model's layers.
NO_FUSIONS = {"local_fusion": False, "global_fusion": False, "face_fusion": False}
SIZE = 32
make_deterministic()
pytestmark = pytest.mark.usefixtures("short_solves")


def inputs(rng, count=4):
    return {
        "onset": rng.random((count, SIZE, SIZE, 1), np.float32),
        "apex": rng.random((count, SIZE, SIZE, 1), np.float32),
        "regions": np.tile(np.float32([0.1, 0.1, 0.6, 0.6]), (count, 9, 1)),
    }


def maps(rng):
    """Inputs whose motion is given."""
    motion = rng.normal(size=(4, SIZE, SIZE, 3)).astype(np.float32)
    return {"motion": motion, "regions": inputs(rng)["regions"]}


def endless(rng, labels=(0, 1, 2, 0)):
    element = (inputs(rng), {"label": np.int32(labels)})
    return tf.data.Dataset.from_tensors(element).repeat()


def finite(rng, rows=(0, 1, 2, -1)):
    return tf.data.Dataset.from_tensors((inputs(rng), {"row": np.int32(rows)}))


def make(**changes):
    return Trainer(cli.replace(OPTIONS, **changes), SIZE, 3, 0, 5, MIRRORED_REGIONS)


def make_eager(**changes):
    """Where a few steps tell: tracing the graph takes longer than they do."""
    options = cli.replace(OPTIONS, **NO_FUSIONS, **changes)
    trainer = Trainer(options, SIZE, 3, 0, 1, MIRRORED_REGIONS)
    trainer.model.run_eagerly = trainer.generator.run_eagerly = True
    return trainer


@pytest.fixture(scope="module")
def trained(short_solves):
    """A trainer, and its graphs as TensorFlow optimised them, which it tells at the first run."""
    trainer = make()
    with context.collect_graphs(optimized=True) as graphs:
        one_fold(trainer)
    return trainer, graphs


@pytest.fixture
def trainer(trained):
    """One for most tests: `reset` undoes what they did."""
    return trained[0]


def path(variable):
    """Its name with the layers it lies in, under Keras 2 and 3."""
    return getattr(variable, "path", variable.name)


def weights_of(trainer, part=""):
    return [w.numpy() for w in trainer.model.trainable_variables if part in path(w)]


def moved(before, after):
    return max(np.abs(a - b).max() for a, b in zip(before, after))


def train(trainer, seed=0):
    trainer.reset(seed)
    trainer.warm_up(endless(np.random.default_rng(1)))
    return trainer.fit(endless(np.random.default_rng(1)))


def one_fold(trainer, seed=0):
    history = train(trainer, seed)
    return history, trainer.predict(finite(np.random.default_rng(2)))


def test_a_fold_does_not_depend_on_the_folds_before_it(trainer):
    first_history, first = one_fold(trainer)
    _, other = one_fold(trainer, seed=1)
    again_history, again = one_fold(trainer)
    assert first_history == again_history
    np.testing.assert_array_equal(first["probabilities"], again["probabilities"])
    assert np.abs(other["probabilities"] - first["probabilities"]).max() > 1e-4


def test_sums_do_not_depend_on_what_is_ready_first(trained):
    """AddN adds up in the memory of its first input that nothing else reads any more.

    With one of the first two the result is the same, with the third its last bit is not.
    """
    parts = [graph.node for graph in trained[1]]
    parts += [function.node_def for graph in trained[1] for function in graph.library.function]
    sums = 0
    for nodes in parts:
        # Of a node, "name:0" and "name" are the same output; in a function "name:z:0".
        inputs = {node.name: [i.removesuffix(":0") for i in node.input] for node in nodes}
        read = collections.Counter(each for some in inputs.values() for each in some)
        for node in nodes:
            added = [each for each in inputs[node.name] if not each.startswith("^")]
            if node.op == "AddN" and len(added) > 2:
                sums += 1
                assert min(read[each] for each in added[:2]) == 1, (node.name, added)
    assert sums > 20  # else this is not the graph that trains


def test_one_graph_serves_all_folds_in_flat_memory(trainer, monkeypatch):
    memory, traced = [], []
    for model in (type(trainer.generator), type(trainer.model)):
        step = model.train_step
        monkeypatch.setattr(model, "train_step", lambda *a, s=step: traced.append(a[0]) or s(*a))
    for seed in (0, 1, 1, 1, 1, 1):
        one_fold(trainer, seed)
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert len(traced) == len({id(model) for model in traced})  # none, if another test trained it
    assert trainer._predict_step.experimental_get_tracing_count() == 1
    assert memory[-1] < 1.03 * memory[2], memory


def test_no_seed_is_set_once_the_run_has_begun(monkeypatch):
    """TensorFlow would drop its functions, and the next fold would build them anew."""
    seeds, set_random_seed = [], keras.utils.set_random_seed
    monkeypatch.setattr(
        keras.utils, "set_random_seed", lambda seed: (seeds.append(seed), set_random_seed(seed))
    )
    trainer = make(num_seeds=2, **NO_FUSIONS)
    trainer.reset(0)
    first = weights_of(trainer)
    assert sorted(seeds) == [0, 1]
    trainer.reset(1)
    assert moved(first, weights_of(trainer)) > 0.01
    trainer.reset(0)
    assert moved(first, weights_of(trainer)) == 0.0 and len(seeds) == 2


def test_its_models_are_keras_models_that_callbacks_follow(trainer, tmp_path):
    assert isinstance(trainer.model, Recognizer) and isinstance(
        trainer.generator, DisplacementModel
    )
    trainer.reset(0)
    callbacks = [
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.TensorBoard(str(tmp_path / "board"), write_graph=False),
    ]
    history = trainer.fit(endless(np.random.default_rng(1)), callbacks)
    assert [set(epoch) for epoch in history] == [set(METRICS)] * 3
    head, *lines = (tmp_path / "log.csv").read_text().splitlines()
    assert set(head.split(",")) >= {"epoch", *METRICS} - {"error"} and len(lines) == 3
    assert list((tmp_path / "board").rglob("events*"))


def check_saved(trainer, path):
    """The file of a fold answers as the model that predicts, in float32."""
    trainer.save(path)
    model = keras.models.load_model(path)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    batch = inputs(np.random.default_rng(2))
    trainer._exact.set_weights(trainer.model.get_weights())
    expected = trainer._exact(batch)["logits"]
    np.testing.assert_allclose(model(batch)["logits"], expected, atol=1e-5)


def test_what_is_saved_answers_as_what_predicts(trainer, tmp_path):
    trainer.reset(1)
    check_saved(trainer, tmp_path / "fold.keras")


def test_it_learns_its_training_batch(trainer):
    trainer.reset(0)
    losses = []
    for _ in range(16):
        losses += [epoch["loss"] for epoch in trainer.fit(endless(np.random.default_rng(1)))]
    assert losses[-1] < losses[0]
    found = trainer.predict(finite(np.random.default_rng(1), rows=(0, 1, 2, 3)))
    np.testing.assert_array_equal(found["probabilities"].argmax(axis=1), [0, 1, 2, 0])


def test_predictions_come_by_row_without_padding(trainer, rng):
    trainer.reset(0)
    found = trainer.predict(finite(rng, rows=(7, 3, -1, -1)))
    np.testing.assert_array_equal(found["row"], [7, 3])
    assert found["probabilities"].shape == (2, 3)
    np.testing.assert_allclose(found["probabilities"].sum(axis=1), 1, atol=1e-5)
    looked_at = {"displacement", "attention"}
    assert set(found) == {"row", "probabilities", "error", "error_unwarped", *looked_at}


def test_what_the_model_looked_at_is_told(trainer, rng):
    trainer.reset(0)
    data = finite(rng, rows=(7, 3, -1, -1))
    found, batch = trainer.predict(data), next(iter(data))[0]
    half = trainer.model(batch, training=False)["half"][:2].numpy()
    np.testing.assert_allclose(found["displacement"], half, rtol=1e-3, atol=1e-4)  # of float16
    assert found["displacement"].dtype == np.float16
    np.testing.assert_allclose(found["attention"].sum(axis=1), 1, atol=1e-5)
    assert found["attention"].shape == (2, 9) and np.ptp(found["attention"]) > 0


def test_unwarped_error_by_hand(trainer, rng):
    trainer.reset(0)
    data = finite(rng)
    found = trainer.predict(data)
    batch = next(iter(data))[0]
    inside = np.s_[:, 4:-4, 4:-4]
    expected = np.abs(batch["apex"].numpy() - batch["onset"].numpy())[inside].mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found["error_unwarped"], expected[:3], rtol=1e-5)


def test_a_mirrored_face_gets_the_same_prediction(trainer, rng):
    trainer.reset(0)
    batch = {name: tf.constant(value) for name, value in inputs(rng).items()}
    straight = trainer._predict_step(batch)["probabilities"]
    mirrored = trainer._predict_step(trainer._mirror(batch))["probabilities"]
    np.testing.assert_allclose(straight, mirrored, atol=1e-5)


@pytest.mark.parametrize(
    "mode, dgm_weight, moves",
    [
        ("joint", 0.0, True),
        ("two-stage", 1.0, True),
        ("two-stage", 0.0, False),
        ("frozen", 1, False),
    ],
)
def test_what_trains_the_displacement(rng, mode, dgm_weight, moves):
    """joint: both losses; two-stage: without self-supervision nothing; frozen: nothing at all."""
    trainer = make_eager(dgm=mode, dgm_weight=float(dgm_weight), weight_decay=0.0, epochs=1)
    trainer.reset(0)
    before = weights_of(trainer, "displacement_generator")
    trainer.fit(endless(rng))
    assert (moved(before, weights_of(trainer, "displacement_generator")) > 0) == moves


def test_warm_up_trains_the_displacement_alone(rng):
    trainer = make_eager(forward_backward=0.1)
    trainer.reset(0)
    before, head = weights_of(trainer, "displacement_generator"), weights_of(trainer, "logits")
    history = trainer.warm_up(endless(rng))
    assert len(history) == 2
    assert moved(before, weights_of(trainer, "displacement_generator")) > 0
    assert moved(head, weights_of(trainer, "logits")) == 0


def test_it_starts_from_the_shipped_weights_unless_told_otherwise():
    default = cli.replace(OPTIONS, filters=Options().model.filters, **NO_FUSIONS)
    shipped = displacement_model(64)
    pretrained.load(shipped)
    shipped = shipped.get_layer("displacement_generator").get_weights()
    for init, same in ((None, True), ("shipped", True), ("none", False)):
        trainer = Trainer(cli.replace(default, dgm_init=init), SIZE, 3, 0, 5, MIRRORED_REGIONS)
        trainer.reset(0)
        found = trainer.model.get_layer("displacement_generator").get_weights()
        assert all(np.array_equal(a, b) for a, b in zip(shipped, found)) == same
    with pytest.raises(DataError, match="other --filters than 8 12: .*--dgm-init none"):
        make(dgm_init="shipped", **NO_FUSIONS).reset(0)
    make(**NO_FUSIONS).reset(0)  # other filters, and nothing asked for


def test_the_displacement_learns_at_a_rate_of_its_own(rng):
    frames, still = endless(rng), make_eager(dgm_rate=0.0, epochs=1)
    still.reset(0)
    before, head = weights_of(still, "displacement_generator"), weights_of(still, "logits")
    still.warm_up(frames)  # not from shipped weights: at the full rate
    warm = weights_of(still, "displacement_generator")
    still.fit(frames)
    assert moved(before, warm) > 0 and moved(head, weights_of(still, "logits")) > 0
    assert moved(warm, weights_of(still, "displacement_generator")) == 0


def test_known_warps_can_be_left_out(rng):
    trainer = make_eager(dgm_pretext=False)
    trainer.reset(0)
    assert [epoch["error"] for epoch in trainer.warm_up(endless(rng))] == [0.0, 0.0]


def test_motion_maps_need_no_generator(rng):
    options = cli.replace(OPTIONS, local_fusion=False, face_fusion=False)
    trainer = Trainer(options, SIZE, 3, 3, 5, MIRRORED_REGIONS)
    trainer.reset(0)
    motion = maps(rng)
    trainer.fit(tf.data.Dataset.from_tensors((motion, {"label": np.int32([0, 1, 2, 0])})).repeat())
    found = trainer.predict(tf.data.Dataset.from_tensors((motion, {"row": np.int32(range(4))})))
    assert set(found) == {"row", "probabilities", "displacement", "attention"}
    given = motion["motion"][..., :2].astype(np.float16)
    np.testing.assert_array_equal(found["displacement"], given)
    mirrored = trainer._mirror(motion)["motion"]
    np.testing.assert_allclose(mirrored[..., 0], -motion["motion"][:, :, ::-1, 0])
    np.testing.assert_allclose(mirrored[..., 1:], motion["motion"][:, :, ::-1, 1:])
    images = {**motion, "motion": motion["motion"][..., :2]}  # two images have no dx
    np.testing.assert_array_equal(trainer._mirror(images)["motion"], images["motion"][:, :, ::-1])


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_trains_alike_and_predicts_in_float32(trainer, tmp_path, precision):
    mixed = make(mixed_precision=precision)
    losses = [[epoch["loss"] for epoch in train(each)] for each in (trainer, mixed)]
    assert losses[0] != losses[1]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.04)
    assert all(weight.dtype == np.float32 for weight in weights_of(mixed))
    trainer.model.set_weights(mixed.model.get_weights())
    expected, found = (each.predict(finite(np.random.default_rng(2))) for each in (trainer, mixed))
    np.testing.assert_allclose(found["probabilities"], expected["probabilities"], atol=1e-6)
    check_saved(mixed, tmp_path / "fold.keras")


def test_float16_halves_its_scale_where_gradients_overflow(rng, monkeypatch):
    monkeypatch.setattr(optimizer, "LOSS_SCALE", 2.0**40)
    options = cli.replace(OPTIONS, model="ststnet", mixed_precision="float16", epochs=10)
    options = cli.replace(options, head_dropout=0.0)
    trainer = Trainer(options, SIZE, 3, 3, 5, MIRRORED_REGIONS)
    trainer.reset(0)
    element = (maps(rng), {"label": np.int32([0, 1, 2, 0])})
    data = tf.data.Dataset.from_tensors(element).repeat()
    history = trainer.fit(data)
    taken, scale = int(trainer.model.optimizer.iterations), trainer.model.optimizer.scale_loss(1.0)
    assert 0 < taken < 50 and np.log2(scale) == 40 - (50 - taken)
    assert history[-1]["loss"] < history[0]["loss"]
    assert all(np.isfinite(weight).all() for weight in weights_of(trainer))
    trainer.fit(data)
    assert int(trainer.model.optimizer.iterations) <= taken + 5  # the scale was reset, too


@pytest.mark.parametrize("tf32", [False, True])
def test_tf32_is_off_unless_asked_for(tf32):
    make_deterministic(tf32) if tf32 else make_deterministic()
    assert tf.config.experimental.tensor_float_32_execution_enabled() == tf32
    make_deterministic()


@pytest.mark.slow
def test_compiled_steps_give_the_same_losses(rng):
    # without dropout and known warps: XLA draws other random numbers
    still = {"dropout": 0.0, "head_dropout": 0.0, "dgm_pretext": False}
    # XLA takes half as long with one of the three fusions, which are the same layer
    still |= {"local_fusion": False, "face_fusion": False}
    plain, compiled = (make(jit=jit, **still) for jit in (False, True))
    losses = []
    for trainer in (plain, compiled):
        trainer.reset(0)
        warmup = trainer.warm_up(endless(np.random.default_rng(1)))
        losses.append([v["loss"] for v in warmup + trainer.fit(endless(np.random.default_rng(1)))])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)


@pytest.mark.parametrize("pixels", [np.s_[0, 0, 0], np.s_[:]])
def test_divergence_is_said_in_one_line(trainer, rng, pixels):
    broken = inputs(rng)
    broken["onset"][pixels] = np.nan
    data = tf.data.Dataset.from_tensors((broken, {"label": np.int32([0] * 4)})).repeat()
    for train in (trainer.warm_up, trainer.fit):
        trainer.reset(0)
        with pytest.raises(FloatingPointError, match="lower --learning-rate"):
            train(data)


@pytest.mark.parametrize(
    "jit, failure, error, said",
    [
        (True, tf.errors.InvalidArgumentError, OptionError, "leave out --jit"),
        (False, tf.errors.InvalidArgumentError, tf.errors.InvalidArgumentError, "unsupported"),
        (False, tf.errors.UnavailableError, ConnectionError, "start all workers again"),
    ],
)
def test_what_tensorflow_refuses(trainer, monkeypatch, jit, failure, error, said):
    def fail(*_, **__):
        raise failure(None, None, "unsupported")

    monkeypatch.setattr(trainer, "options", cli.replace(OPTIONS, jit=jit))
    monkeypatch.setattr(trainer.model, "fit", fail)
    with pytest.raises(error, match=said):
        trainer.fit(None)
