import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras import optimizer
from me_keras.optimizer import SCHEDULES, FlatAdamW, WarmupCosine


def variables(rng):
    return [
        tf.Variable(rng.normal(size=(3, 4)), dtype=tf.float32, name="kernel"),
        tf.Variable(rng.normal(size=4), dtype=tf.float32, name="bias"),
        tf.Variable(rng.normal(size=(2, 2, 2)), dtype=tf.float32, name="kernel"),
    ]


def test_equals_keras_adamw_variable_by_variable(rng):
    ours = variables(rng)
    theirs = [tf.Variable(v, name=v.name.split(":")[0]) for v in ours]
    flat = FlatAdamW(0.01, 0.1, average=0.0)
    reference = keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=1.0)
    reference.exclude_from_weight_decay(var_names=["bias"])
    for _ in range(5):
        gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in ours]
        flat.apply_gradients(list(zip(gradients, ours)))
        reference.apply_gradients(zip(gradients, theirs))
    flat.finalize_variable_values(ours)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_slow_layers_learn_as_with_a_lower_rate(rng):
    def named(prefix):
        with tf.name_scope(prefix):
            return variables(rng)

    head, generator = named("head"), named("generator")
    theirs = [[tf.Variable(v, name=v.name.split(":")[0]) for v in vs] for vs in (head, generator)]
    ours = FlatAdamW(0.01, 0.1, 0.0, global_clipnorm=None, slow="generator", slow_rate=0.2)
    references = [keras.optimizers.AdamW(rate, weight_decay=0.1) for rate in (0.01, 0.002)]
    for reference in references:
        reference.exclude_from_weight_decay(var_names=["bias"])
    for _ in range(5):
        gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in head + generator]
        ours.apply_gradients(list(zip(gradients, head + generator)))
        for reference, some, g in zip(references, theirs, (gradients[:3], gradients[3:])):
            reference.apply_gradients(zip(g, some))
    for a, b in zip(head + generator, theirs[0] + theirs[1]):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_a_variable_without_a_gradient_only_decays(rng):
    kernel, bias, other = variables(rng)
    before = [v.numpy() for v in (kernel, bias, other)]
    flat = FlatAdamW(0.1, weight_decay=0.5, average=0.0)
    flat.build([kernel, bias, other])
    flat.apply_gradients([(tf.ones_like(other), other)])
    np.testing.assert_allclose(kernel, before[0] * (1 - 0.1 * 0.5), rtol=1e-5)
    np.testing.assert_array_equal(bias, before[1])
    assert np.abs(other - before[2] * (1 - 0.1 * 0.5)).max() > 0.05


def test_values_set_in_between_are_kept(rng):
    weight = tf.Variable([5.0], name="bias")
    flat = FlatAdamW(1.0, average=0.0)
    flat.apply_gradients([(tf.constant([1.0]), weight)])
    weight.assign([100.0])
    flat.apply_gradients([(tf.constant([1.0]), weight)])
    np.testing.assert_allclose(weight, [99.0], rtol=1e-3)


def test_average_by_hand():
    weight = tf.Variable([0.5], name="bias")
    flat = FlatAdamW(1.0, average=0.99, global_clipnorm=None)
    seen, average = [], 0.5
    for step in range(1, 6):
        flat.apply_gradients([(tf.constant([-1.0]), weight)])
        seen.append(float(weight[0]))
        keep = min(0.99, step / (step + 10))
        average = keep * average + (1 - keep) * seen[-1]
    np.testing.assert_allclose(seen, [1.5, 2.5, 3.5, 4.5, 5.5], rtol=1e-3)  # Adam's constant steps
    flat.finalize_variable_values([weight])
    np.testing.assert_allclose(weight, [average], rtol=1e-5)


def scaled_step(flat, gradients, weights):
    scale = float(flat.scale_loss(1.0))
    flat.apply_gradients([(scale * g, v) for g, v in zip(gradients, weights)])


@pytest.mark.parametrize("bad", [np.inf, np.nan])
@pytest.mark.parametrize("place", [0, 1])  # in the first step too
def test_a_step_that_overflows_changes_nothing_but_the_scale(rng, bad, place):
    ours, theirs = variables(rng), variables(np.random.default_rng(0))
    flat, plain = FlatAdamW(0.1, dynamic_scale=True), FlatAdamW(0.1)
    flat.build(ours)
    for step in range(3):
        gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in ours]
        if step == place:
            made = ("doublings", "finite_steps", *(("vector", "average") if not step else ()))
            state = [*ours, *(v for v in flat.variables if not v.name.startswith(made))]
            before = [v.numpy() for v in state]
            scaled_step(flat, [gradients[0] * bad, *gradients[1:]], ours)
            for value, old in zip(state, before):
                np.testing.assert_array_equal(value, old, value.name)
            assert float(flat.scale_loss(1.0)) == 2.0**14
        scaled_step(flat, gradients, ours)
        plain.apply_gradients(list(zip(gradients, theirs)))
    for each, weights in ((flat, ours), (plain, theirs)):
        each.finalize_variable_values(weights)
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_steps_that_all_overflow_leave_the_weights(rng):
    weight = tf.Variable([0.5], name="bias")
    flat = FlatAdamW(1.0, dynamic_scale=True)
    for _ in range(2):
        flat.apply_gradients([(tf.constant([np.inf]), weight)])
    flat.finalize_variable_values([weight])
    assert float(weight[0]) == 0.5 and int(flat.iterations) == 0
    assert float(flat.scale_loss(1.0)) == 2.0**13


def test_the_scale_doubles_after_many_finite_steps(monkeypatch):
    monkeypatch.setattr(optimizer, "GROWTH_STEPS", 3)
    weight = tf.Variable([0.5], name="bias")
    flat, scales = FlatAdamW(0.1, dynamic_scale=True), []
    for gradient in (1.0, 1.0, np.inf, 1.0, 1.0, 1.0, 1.0):
        flat.apply_gradients([(tf.constant([gradient]), weight)])
        scales.append(np.log2(flat.scale_loss(1.0)))
    assert scales == [15, 15, 14, 14, 14, 15, 15]


def test_it_goes_into_compile_and_comes_back_from_its_configuration(rng):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(FlatAdamW(WarmupCosine(0.1, 60), average=0.9), "mse")
    x = rng.normal(size=(64, 3)).astype(np.float32)
    model.fit(x, x @ np.float32([[1], [2], [3]]), epochs=30, verbose=0)
    np.testing.assert_allclose(model.get_weights()[0][:, 0], [1, 2, 3], atol=0.3)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(model.optimizer))
    assert isinstance(again, FlatAdamW) and again.get_config() == model.optimizer.get_config()


def test_schedule_rises_then_falls_to_zero():
    schedule = WarmupCosine(1e-3, 200)
    values = np.array([float(schedule(step)) for step in range(201)])
    assert values.argmax() in range(5, 15) and values.max() <= 1e-3
    assert np.all(np.diff(values[15:]) < 0) and values[-1] < 1e-9
    assert values[0] == pytest.approx(1e-3 * 0.05, rel=1e-3)
    assert WarmupCosine(**schedule.get_config()).steps == 200


def test_schedules_by_hand():
    step = SCHEDULES["step"](1.0, 300)
    np.testing.assert_allclose([step(s) for s in (0, 99, 100, 199, 299)], [1, 1, 0.1, 0.1, 0.01])
    slow = SCHEDULES["exponential"](2.0, 100)
    np.testing.assert_allclose([slow(s) for s in (0, 50, 100)], [2, 2 * 0.5**0.5, 1], rtol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(step))
    assert again.get_config() == step.get_config()
