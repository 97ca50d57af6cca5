"""Trains one fold after another on one traced graph.

A `Trainer` builds and compiles the model once. Each fold resets weights, optimizer state and
dropout streams in place, so that no fold is traced again, memory does not grow, and a fold's
result does not depend on which folds ran before it. It is handed training datasets and,
afterwards, a dataset without labels to predict: nothing here can see a held-out label.
"""

import inspect

import keras
import numpy as np
import tensorflow as tf

from me_keras import distribution, losses, pretrained
from me_keras.layers.motion import turn_dx
from me_keras.layers.regions import mirror_boxes
from me_keras.models import MODELS
from me_keras.models.frl_dgt import has_attention, with_attention
from me_keras.models.recognizer import PRETEXT
from me_keras.optimizer import SCHEDULES, FlatAdamW
from pipelines.schema import FLOW_CHANNELS, OptionError

METRICS = ("loss", "accuracy", "reconstruction", "smoothness", "error")
SLOW = "displacement_generator"  # the layer that `dgm_rate` is for


class StopWhenDiverged(keras.callbacks.Callback):
    """Ends a training whose loss is no longer a number.

    Raises:
        FloatingPointError: with what to do.
    """

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            raise FloatingPointError("the loss is no longer a number: lower --learning-rate")


class Trainer:
    """Trains and predicts all folds of a run with one model.

    Args:
        options: `Options`, presets filled in.
        image_size: int, pixels.
        num_classes: int k.
        motion_channels: int; 0 for frames.
        steps_per_epoch: int, the same for every fold, so that the schedule is.
        mirrored_regions: ints; order of the regions on a mirrored face.
        strategy: `tf.distribute.Strategy`; default: what `options.execution.strategy` names.
    Attributes:
        model: the `Recognizer` that is trained; after `fit` it holds the averaged weights.
        generator: its displacement generator alone, a `DisplacementModel`; None without.
    Raises:
        OptionError: the strategy cannot be had, or cannot share a batch evenly; sizes that the
            model cannot have.
    """

    def __init__(
        self,
        options,
        image_size,
        num_classes,
        motion_channels,
        steps_per_epoch,
        mirrored_regions,
        strategy=None,
    ):
        self.options = options
        self.steps_per_epoch = steps_per_epoch
        self.mirrored_regions = mirrored_regions
        self.strategy = strategy or distribution.choose_strategy(options.execution.strategy)
        distribution.check_batch(self.strategy, options.data.batch_size)
        self._shape = (image_size, num_classes, motion_channels)
        self._initial = {}
        training = options.training
        precision = self._precision = distribution.resolve_precision(training.mixed_precision)
        with self.strategy.scope():
            with distribution.precision(precision):
                self.model = self._build(training.jit)
            generates = "half" in self.model.output
            self.generator = self.model.displacement_model() if generates else None
            self._compile()
        # What is predicted is what a float32 model answers.
        self._exact = self.model if precision == "off" else self._build_exact(training.jit)
        self._telling = with_attention(self._exact) if has_attention(self._exact) else self._exact

    def _build_exact(self, compiled):
        with distribution.precision("off"):
            return self._build(compiled)

    def _build(self, compiled):
        model, training = MODELS[self.options.model.name], self.options.training
        image_size, num_classes, motion_channels = self._shape
        chosen = {name: getattr(self.options.model, name) for name in model.options}
        chosen |= {"compiled": compiled, "detach_motion": training.dgm != "joint"}
        known = inspect.signature(model.builder).parameters
        chosen = {name: value for name, value in chosen.items() if name in known}
        try:
            return model.builder(image_size, num_classes, motion_channels, **chosen)
        except ValueError as error:
            raise OptionError(f"--model {model.name}: {error}") from None

    def _compile(self):
        training = self.options.training
        common = {
            "reconstruction": training.reconstruction,
            "smoothness": training.smoothness,
            "edge": training.edge,
            "steps_per_execution": self.steps_per_epoch,
            "jit_compile": training.jit,
        }
        self.model.compile(
            self._optimizer(training.epochs, training.weight_average, SLOW),
            losses.CrossEntropy(training.label_smoothing),
            metrics=(),
            dgm_weight=training.dgm_weight,
            train_displacement=training.dgm != "frozen",
            **common,
        )
        if self.generator:
            # Weights that know much are refined; those that know nothing have to learn.
            slow = SLOW if self.options.starts_from_shipped_weights else ""
            self.generator.compile(
                self._optimizer(training.warmup_epochs, 0.0, slow),
                forward_backward=training.forward_backward,
                pretext=PRETEXT if training.dgm_pretext else 0.0,
                **common,
            )

    def _optimizer(self, epochs, average, slow=""):
        training = self.options.training
        steps = epochs * self.steps_per_epoch
        schedule = SCHEDULES[training.schedule](training.learning_rate, steps)
        scales = self._precision == "float16"
        return FlatAdamW(
            schedule,
            training.weight_decay,
            average,
            dynamic_scale=scales,
            slow=slow,
            slow_rate=training.dgm_rate,
        )

    @property
    def num_parameters(self):
        """int, numbers that are trained."""
        return sum(int(np.prod(weight.shape)) for weight in self.model.trainable_weights)

    def reset(self, seed):
        """Puts weights and dropout streams to the start of `seed`."""
        if seed not in self._initial:
            # Those of the whole run at once: setting a seed makes TensorFlow drop its functions.
            run = self.options.run
            for each in {seed, *range(run.seed, run.seed + run.num_seeds)} - set(self._initial):
                keras.utils.set_random_seed(each)
                model = self._build_exact(compiled=False)
                if self.generator and self.options.starts_from_shipped_weights:
                    pretrained.load(model)
                self._initial[each] = model.get_weights()
        self.model.set_weights(self._initial[seed])

    def warm_up(self, pairs, callbacks=()):
        """Trains the displacement generator alone, by self-supervision.

        Args:
            pairs: endless dataset of ({"onset", "apex", …}, …).
            callbacks: `keras.callbacks.Callback`s.
        Returns:
            list of a dict of floats per epoch: `METRICS`; accuracy 0; error: that on known warps,
            px, 0 without them.
        Raises:
            FloatingPointError: the training diverged.
        """
        return self._fit(self.generator, pairs, self.options.training.warmup_epochs, callbacks)

    def fit(self, dataset, callbacks=()):
        """Trains everything; afterwards the model holds the averaged weights.

        Args:
            dataset: endless dataset of (inputs, {"label": (b,) int32}).
            callbacks: `keras.callbacks.Callback`s.
        Returns:
            list of a dict of floats per epoch: `METRICS`; error 0.
        Raises:
            FloatingPointError: the training diverged.
        """
        return self._fit(self.model, dataset, self.options.training.epochs, callbacks)

    def _fit(self, model, dataset, epochs, callbacks):
        for variable in model.optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        try:
            history = model.fit(
                dataset,
                epochs=epochs,
                steps_per_epoch=self.steps_per_epoch,
                shuffle=False,  # the dataset does
                callbacks=[StopWhenDiverged(), *callbacks],
                verbose=0,
            ).history
        except (tf.errors.UnavailableError, tf.errors.AbortedError):
            raise ConnectionError(
                "another machine of TF_CONFIG is gone: start all workers again"
            ) from None
        except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError):
            if not self.options.training.jit:
                raise
            raise OptionError("XLA cannot compile this model here: leave out --jit") from None
        nothing = [0.0] * len(history.get("loss", ()))
        columns = [history.get(name, nothing) for name in METRICS]
        return [dict(zip(METRICS, map(float, values))) for values in zip(*columns)]

    def predict(self, dataset):
        """Predicts the clips of `dataset`, by row.

        Args:
            dataset: finite dataset of (inputs, {"row": (b,) int32}), -1 for padding.
        Returns:
            dict of `row` `(n,)`, `probabilities` `(n, k)`, and with a displacement generator
            `error` and `error_unwarped` `(n,)`: mean absolute brightness difference of the
            onset to the warped apex and to the apex as it is, in [0, 1]. What the model looked at:
            `displacement` `(n, h, w, 2)` float16, the generator's or the flow it was given, at 64
            px or less, in its unit; `attention` `(n, r)` as `with_attention`, where there is some.
        """
        if self._exact is not self.model:
            self._exact.set_weights(self.model.get_weights())
        parts = []
        for inputs, place in dataset:
            values = {name: value.numpy() for name, value in self._predict_step(inputs).items()}
            values["row"] = place["row"].numpy()
            parts.append({name: value[values["row"] >= 0] for name, value in values.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def save(self, path):
        """Saves the model that predicts as a `.keras` file: in float32, not made for XLA."""
        model = self._build_exact(compiled=False)
        model.set_weights(self.model.get_weights())
        model.save(path)

    @tf.function(autograph=False)
    def _predict_step(self, inputs):
        outputs = self._telling(inputs, training=False)
        probabilities = tf.nn.softmax(outputs["logits"])  # (b, k)
        if self.options.training.mirror_test:
            mirrored = self._exact(self._mirror(inputs), training=False)["logits"]
            probabilities = 0.5 * (probabilities + tf.nn.softmax(mirrored))
        result = {"probabilities": probabilities, **_looked_at(inputs, outputs)}
        if self.generator:
            for name, image in (("error", outputs["warped"]), ("error_unwarped", inputs["apex"])):
                difference = tf.abs(image - inputs["onset"])[:, 4:-4, 4:-4]
                result[name] = tf.reduce_mean(difference, axis=(1, 2, 3))  # (b,)
        return result

    def _mirror(self, inputs):
        mirrored = {n: tf.reverse(v, [2]) for n, v in inputs.items() if n != "regions"}
        if "motion" in mirrored:
            mirrored["motion"] = turn_dx(mirrored["motion"])
        return {**mirrored, "regions": mirror_boxes(inputs["regions"], self.mirrored_regions)}


def _looked_at(inputs, outputs):
    """What a model answered from, small enough to keep: dict of `displacement`, `attention`."""
    found = {"attention": outputs["attention"]} if "attention" in outputs else {}
    motion = outputs.get("half", inputs.get("motion"))
    if "half" in outputs or (motion is not None and motion.shape[-1] == FLOW_CHANNELS):
        stride = max(motion.shape[1] // 64, 1)
        small = tf.nn.avg_pool2d(motion[..., :2], stride, stride, "VALID")
        found["displacement"] = tf.cast(small, tf.float16)
    return found


def make_deterministic(tf32=False):
    """Same seed, same result, to the bit: call before the first TensorFlow operation.

    Args:
        tf32: bool; whether a GPU may round the factors of float32 products to TF32.
    """
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
