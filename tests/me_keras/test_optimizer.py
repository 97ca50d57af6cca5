import keras
import numpy as np
import tensorflow as tf

from me_keras.optimizer import FlatAdamW


def variables(rng):
    return [
        tf.Variable(rng.normal(size=(3, 4)), dtype=tf.float32, name="kernel"),
        tf.Variable(rng.normal(size=4), dtype=tf.float32, name="bias"),
        tf.Variable(rng.normal(size=(2, 2, 2)), dtype=tf.float32, name="kernel"),
    ]


def decays(variable):
    return "kernel" in variable.name


def test_equals_keras_adamw_variable_by_variable(rng):
    ours = variables(rng)
    theirs = [tf.Variable(v, name=v.name.split(":")[0]) for v in ours]
    flat = FlatAdamW(ours, 0.01, 0.1, decays)
    reference = keras.optimizers.AdamW(0.01, weight_decay=0.1, global_clipnorm=1.0)
    reference.exclude_from_weight_decay(var_names=["bias"])
    reference.build(theirs)
    for _ in range(5):
        gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in ours]
        by_variable = {v.ref(): g for v, g in zip(ours, gradients)}
        flat.apply([by_variable[v.ref()] for v in flat.variables])
        flat.publish()
        reference.apply_gradients(zip(gradients, theirs))
    for a, b in zip(ours, theirs):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_reset_starts_from_the_present_values(rng):
    ours = variables(rng)
    flat = FlatAdamW(ours, 0.1, 0.0, decays, average=0.9)
    start = [v.numpy() for v in ours]
    gradients = [tf.ones_like(v) for v in flat.variables]

    def two_steps():
        flat.reset()
        for _ in range(2):
            flat.apply(gradients)
            flat.publish()
        return [v.numpy() for v in ours]

    first = two_steps()
    for variable, value in zip(ours, start):
        variable.assign(value)
    for a, b in zip(first, two_steps()):
        np.testing.assert_array_equal(a, b)


def test_average_by_hand(rng):
    weight = tf.Variable([0.0])
    flat = FlatAdamW([weight], 1.0, 0.0, lambda v: True, average=0.99)
    flat.reset()
    seen, average = [], 0.0
    for step in range(1, 6):
        flat.apply([tf.constant([-1.0])])
        flat.publish()
        seen.append(float(weight[0]))
        keep = min(0.99, step / (step + 10))
        average = keep * average + (1 - keep) * seen[-1]
    np.testing.assert_allclose(seen, [1, 2, 3, 4, 5], rtol=1e-3)  # Adam's constant steps
    flat.publish_average()
    np.testing.assert_allclose(weight, [average], rtol=1e-5)
