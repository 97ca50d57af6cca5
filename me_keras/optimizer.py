"""AdamW and weight averaging on two long vectors instead of a hundred small variables.

Keras' own AdamW does the arithmetic. Given the model's variables one by one it needs over a
thousand small operations a step, which on a small model cost as much as the model; given all of
them as one vector it needs a dozen, and several replicas exchange one gradient instead of many.
"""

import keras
import tensorflow as tf


class FlatAdamW:
    """Keras' AdamW over concatenated variables, with an average of the weights.

    Args:
        variables: list of trainable `tf.Variable`, float32.
        schedule: learning-rate schedule.
        weight_decay: float, decoupled; only variables that `decays` says.
        decays: function of a variable.
        average: float in [0, 1), momentum of the averaged weights; 0 averages nothing.

    Create it in the strategy's scope. In a training step, `apply` belongs inside the replica's
    function and `publish` outside, after it.
    """

    def __init__(self, variables, schedule, weight_decay, decays, average=0.0):
        self.groups = [
            [v for v in variables if decays(v)],
            [v for v in variables if not decays(v)],
        ]
        self.groups = [group for group in self.groups if group]
        self.vectors = [tf.Variable(_flat(group), name="vector") for group in self.groups]
        self.averages = [tf.Variable(v, trainable=False) for v in self.vectors]
        self.average = average
        self.optimizer = keras.optimizers.AdamW(
            schedule, weight_decay=weight_decay, global_clipnorm=1.0, jit_compile=False
        )
        undecayed = [
            v for v, group in zip(self.vectors, self.groups) if group and not decays(group[0])
        ]
        self.optimizer.exclude_from_weight_decay(undecayed)
        self.optimizer.build(self.vectors)

    @property
    def variables(self):
        """The variables it trains, in the order that `apply` takes their gradients."""
        return [variable for group in self.groups for variable in group]

    def reset(self):
        """Forgets all steps and starts from the variables' present values."""
        for variable in self.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        for vector, average, group in zip(self.vectors, self.averages, self.groups):
            vector.assign(_flat(group))
            average.assign(vector)

    def apply(self, gradients):
        """One step on the vectors. `gradients`: a tensor per entry of `variables`."""
        start, flat = 0, []
        for group in self.groups:
            flat.append(_flat(gradients[start : start + len(group)]))
            start += len(group)
        self.optimizer.apply_gradients(zip(flat, self.vectors))

    def publish(self):
        """Copies the vectors to the variables, and moves the average along."""
        # Short memory at first, so that the average is of trained weights only.
        step = tf.cast(self.optimizer.iterations, tf.float32)
        keep = tf.minimum(self.average, step / (step + 10.0))
        for vector, average in zip(self.vectors, self.averages):
            average.assign_add((1.0 - keep) * (vector - average))
        self._copy(self.vectors)

    def publish_average(self):
        """Copies the averaged weights to the variables: what predicts after training."""
        if self.average:
            self._copy(self.averages)

    def _copy(self, vectors):
        for vector, group in zip(vectors, self.groups):
            sizes = [variable.shape.num_elements() for variable in group]
            for variable, part in zip(group, tf.split(vector, sizes)):
                variable.assign(tf.reshape(part, variable.shape))


def _flat(tensors):
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
