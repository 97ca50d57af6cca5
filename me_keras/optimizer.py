"""The optimizer: AdamW on two long vectors instead of a hundred small variables, and its schedule.

Keras' own AdamW does the arithmetic. Given the model's variables one by one it needs over a
thousand small operations a step; given all of them as one vector it needs a dozen, and several
replicas exchange one gradient instead of many. Measured with motion maps of 28 px, batches of 32,
on two cores, in turns: 22 ms a step, with the stock `AdamW(use_ema=True)` 29 ms.
"""

import functools
import itertools
import math
import types
import typing

import keras
import tensorflow as tf

LOSS_SCALE = 2.0**15  # at the start, as in Keras' LossScaleOptimizer
GROWTH_STEPS = 2000  # finite steps after which the scale is doubled, as there


@keras.saving.register_keras_serializable(package="me_keras")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly over the first twentieth of the steps, then falls to zero as a cosine.

    Args:
        peak: float, the highest learning rate.
        steps: int, of the whole training.
    """

    def __init__(self, peak, steps):
        self.peak = peak
        self.steps = steps

    def __call__(self, step):
        done = tf.cast(step, tf.float32) / max(self.steps, 1)
        rise = tf.minimum(1.0, 20.0 * done + 0.05)
        return self.peak * rise * 0.5 * (1.0 + tf.cos(math.pi * tf.minimum(done, 1.0)))

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps}


@keras.saving.register_keras_serializable(package="me_keras")
class Decay(keras.optimizers.schedules.LearningRateSchedule):
    """Falls by `rate` over each of `parts` equal parts of the steps.

    Args:
        peak: float, the learning rate at the start.
        steps: int, of the whole training.
        parts: int.
        rate: float, what is left of the learning rate after a part.
        staircase: bool; it falls at the end of each part, else all along.
    """

    def __init__(self, peak, steps, parts=1, rate=0.5, staircase=False):
        self.peak = peak
        self.steps = steps
        self.parts = parts
        self.rate = rate
        self.staircase = staircase

    def __call__(self, step):
        done = self.parts * tf.cast(step, tf.float32) / max(self.steps, 1)
        return self.peak * tf.pow(self.rate, tf.floor(done) if self.staircase else done)

    def get_config(self):
        names = ("peak", "steps", "parts", "rate", "staircase")
        return {name: getattr(self, name) for name in names}


# Name of `--schedule` -> what makes it of the peak and the number of steps.
SCHEDULES: dict[str, typing.Callable] = {
    "cosine": WarmupCosine,
    "step": functools.partial(Decay, parts=3, rate=0.1, staircase=True),
    "exponential": Decay,
}


@keras.saving.register_keras_serializable(package="me_keras")
class FlatAdamW(keras.optimizers.AdamW):
    """Keras' AdamW over concatenated variables; at the end of `fit` their average predicts.

    Weight decay acts on kernels alone. The average's memory is short at first (it keeps
    `min(average, n / (n + 10))` of itself at step n), so that it is of trained weights only; the
    stock `use_ema` would hold a fifth of the untrained ones after 150 steps.

    Args:
        learning_rate: float or schedule.
        weight_decay: float, decoupled.
        average: float in [0, 1), momentum of the averaged weights; 0 averages nothing.
        global_clipnorm: float, largest norm of the whole gradient.
        dynamic_scale: bool, for float16, whose small gradients would be zero: `scale_loss`
            enlarges the loss, and the gradients are divided again. A step that is not finite
            leaves everything as it was and halves the scale; 2000 finite ones double it. (Keras'
            LossScaleOptimizer branches on the host, and has other methods in Keras 2 and 3.)
        slow: str, how the names of layers begin whose learning rate is `slow_rate` times that of
            the others; "" for none.
        slow_rate: float.
        **kwargs: as `keras.optimizers.AdamW`.
    """

    def __init__(
        self,
        learning_rate=2e-3,
        weight_decay=0.01,
        average=0.99,
        global_clipnorm=1.0,
        dynamic_scale=False,
        slow="",
        slow_rate=0.1,
        name="FlatAdamW",
        **kwargs,
    ):
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            global_clipnorm=global_clipnorm,
            name=name,
            **kwargs,
        )
        self.average = average
        self.dynamic_scale = dynamic_scale
        self.slow = slow
        self.slow_rate = slow_rate
        # A namespace, so that Keras 3 does not count the model's variables among its own.
        self._trained = types.SimpleNamespace(groups=[])

    def build(self, var_list):
        if self._trained.groups:
            return
        fast = [v for v in var_list if not self._is_slow(v)]
        slow = [v for v in var_list if self._is_slow(v)]
        groups = [part for some in (fast, slow) for part in _kernels_and_others(some)]
        self._trained.groups = [group for group in groups if group]
        lengths = [sum(math.prod(v.shape) for v in group) for group in self._trained.groups]
        self._vectors = [self._variable((n,), "vector") for n in lengths]
        self._averages = [self._variable((n,), "average") for n in lengths]
        if self.dynamic_scale:  # zeros at the start, as all of the optimizer's variables
            self._doublings = self._variable((), "doublings")
            self._finite_steps = self._variable((), "finite_steps")
        pairs = zip(self._vectors, self._trained.groups)
        self.exclude_from_weight_decay([v for v, group in pairs if not _is_kernel(group[0])])
        super().build(self._vectors)

    def _is_slow(self, variable):
        name = getattr(variable, "path", variable.name)  # Keras 3, Keras 2
        return bool(self.slow) and f"/{self.slow}" in f"/{name}"

    def _variable(self, shape, name):
        return self.add_variable(shape=shape, dtype="float32", name=name)

    def scale_loss(self, loss):
        """The loss whose gradients `apply_gradients` takes. `build` comes first."""
        return loss * self._scale() if self.dynamic_scale else loss

    def _scale(self):
        return LOSS_SCALE * tf.pow(2.0, self._doublings)

    def apply_gradients(self, grads_and_vars, **kwargs):
        """One step; variables without a gradient only decay."""
        grads_and_vars = list(grads_and_vars)
        gradients = {id(v): g for g, v in grads_and_vars}
        with tf.init_scope():
            self.build([v for _, v in grads_and_vars])
        flat = [
            _flat([_or_zeros(gradients.get(id(v)), v) for v in group])
            for group in self._trained.groups
        ]
        if self.dynamic_scale:
            flat = [gradient / self._scale() for gradient in flat]
        moments = _on_all_replicas(self._gather)
        iterations = super().apply_gradients(zip(flat, self._vectors), **kwargs)
        _on_all_replicas(self._publish, moments)
        return iterations

    def aggregate_gradients(self, grads_and_vars):
        """Sums over the replicas; with one there is nothing to sum.

        TensorFlow's sum has a custom gradient, and those keep the graph they are in for ever.
        """
        return grads_and_vars if _alone() else super().aggregate_gradients(grads_and_vars)

    def _all_reduce_sum_gradients(self, grads_and_vars):  # as Keras 3 calls it
        return grads_and_vars if _alone() else super()._all_reduce_sum_gradients(grads_and_vars)

    def finalize_variable_values(self, var_list):
        """Copies the averaged weights to the variables: Keras calls it at the end of `fit`."""
        if self.average and self._trained.groups:
            self._copy(self._averages)

    def _gather(self, strategy=None):
        """Copies the variables to the vectors. Returns what Adam's moments are before the step."""
        for vector, group in zip(self._vectors, self._trained.groups):
            vector.assign(_flat(group))
        return [tf.identity(m) for m in self._moments()] if self.dynamic_scale else []

    def _moments(self):
        return [*self._momentums, *self._velocities]

    def _publish(self, strategy=None, moments=()):
        """Copies the vectors to the variables, and moves the average along."""
        taken = self._undo_overflow(moments) if self.dynamic_scale else 1.0
        for vector, group in zip(self._vectors, self._trained.groups):
            if self._is_slow(group[0]):
                before = _flat(group)  # still what the step started from
                vector.assign(before + self.slow_rate * (vector - before))
        step = tf.cast(self.iterations, tf.float32)
        share = taken * (1.0 - tf.minimum(self.average, step / (step + 10.0)))
        for vector, average, group in zip(self._vectors, self._averages, self._trained.groups):
            # At first the variables still hold the weights that the step started from.
            past = tf.where(step > taken, average, _flat(group))
            average.assign(past + share * (vector - past))
        self._copy(self._vectors)

    def _undo_overflow(self, moments):
        """Puts all back if the step is not finite, and moves the scale. Masks: no branch waits.

        Returns:
            () float32: 1 if the step was taken, 0 if it was undone.
        """
        before = [*moments, *map(_flat, self._trained.groups)]
        states = [*self._moments(), *self._vectors]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(state)) for state in states])
        for state, old in zip(states, before):
            state.assign(tf.where(finite, state, old))
        self.iterations.assign_sub(tf.cast(~finite, tf.int64))
        taken = tf.cast(finite, tf.float32)
        count = taken * (self._finite_steps + 1.0)
        grows = tf.cast(count >= GROWTH_STEPS, tf.float32)
        self._doublings.assign_add(grows + taken - 1.0)
        self._finite_steps.assign(count * (1.0 - grows))
        return taken

    def _copy(self, vectors):
        for vector, group in zip(vectors, self._trained.groups):
            sizes = [math.prod(variable.shape) for variable in group]
            for variable, part in zip(group, tf.split(vector, sizes)):
                variable.assign(tf.reshape(part, variable.shape))

    def _state(self):
        moments = itertools.chain(*zip(self._momentums, self._velocities))
        scale = [self._doublings, self._finite_steps] if self.dynamic_scale else []
        return [self.iterations, *self._vectors, *self._averages, *scale, *moments]

    def save_own_variables(self, store):
        for i, variable in enumerate(self._state()):
            store[str(i)] = tf.convert_to_tensor(variable).numpy()

    def load_own_variables(self, store):
        for i, variable in enumerate(self._state()):
            variable.assign(store[str(i)])

    def get_config(self):
        # Keras 2.15 and Keras 3 list arguments that the other does not know.
        shared = ["name", "learning_rate", "weight_decay", "global_clipnorm"]
        shared += ["beta_1", "beta_2", "epsilon", "amsgrad"]
        config = super().get_config()
        own = {name: getattr(self, name) for name in ("average", "dynamic_scale")}
        own |= {"slow": self.slow, "slow_rate": self.slow_rate}
        return {**{name: config[name] for name in shared}, **own}


def _is_kernel(variable):
    return "kernel" in variable.name


def _kernels_and_others(variables):
    kernels = [v for v in variables if _is_kernel(v)]
    return kernels, [v for v in variables if not _is_kernel(v)]


def _flat(tensors):
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)


def _or_zeros(gradient, variable):
    return tf.zeros_like(variable) if gradient is None else gradient


def _alone():
    """Whether no other replica computes beside this one."""
    context = tf.distribute.get_replica_context()
    return context is None or context.num_replicas_in_sync == 1


def _on_all_replicas(function, *args):
    """Calls `function(strategy, *args)` once for all replicas, between their computations."""
    if _alone():
        return function(None, *args)
    return tf.distribute.get_replica_context().merge_call(function, args=args)
