"""What differs between Keras 2.15 and Keras 3, and nothing else."""

import typing

import keras
import tensorflow as tf

KERAS_3 = keras.__version__.startswith("3.")

# For `add_weight(aggregation=...)`: every replica counts alike, so one of them is read.
ONLY_FIRST_REPLICA = "only_first_replica" if KERAS_3 else tf.VariableAggregation.ONLY_FIRST_REPLICA


class _Model(keras.Model):
    """Keras 2's model, its loop over `steps_per_execution` traced once, not twice.

    Its AutoGraph traces the loop once more to learn what a step returns. Here the metrics are read
    after the loop. Keras 3 traces once by itself.
    """

    train_function: typing.Any  # Keras' own, None until it is made

    def __dir__(self):
        # What Keras 2 saves is found by it; Keras 3 saves no metrics.
        return [name for name in super().__dir__() if name != "metrics"]

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return self.train_function
        steps = self._steps_per_execution  # a variable
        count = int(steps.numpy())
        steps.assign(1)
        step = super().make_train_function(force=True)
        steps.assign(count)
        if count == 1 or self.run_eagerly:
            return step

        @tf.function(reduce_retracing=True)
        def train_function(iterator):
            def one(done):
                step(iterator)
                return done + 1

            # Keras lowers it for what is left at the end. int32: counted on the host, GPU or not.
            limit = tf.cast(steps, tf.int32)
            tf.while_loop(lambda done: done < limit, one, [tf.zeros_like(limit)])
            return {metric.name: metric.result() for metric in self.metrics}

        self.train_function = train_function
        return train_function


Model: typing.Any = keras.Model if KERAS_3 else _Model
