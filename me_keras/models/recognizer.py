"""The `keras.Model`s that train: `compile`, `fit`, `evaluate`, `predict` and `save` as in Keras.

Both are functional models with losses of their own. `compile()` without arguments takes the
optimizer and the losses that `me_keras.loso` trains with. Importing this module registers all
layers, losses and metrics of the package; `load_model` does both.
"""

import contextlib
import functools
import importlib
import inspect
import types
import typing

import keras
import numpy as np
import tensorflow as tf

from me_keras import compat, keras_metrics, layers, losses
from me_keras.average_face import AVERAGE_REGIONS
from me_keras.known_warps import known_warps
from me_keras.optimizer import FlatAdamW

__all__ = ["DisplacementModel", "Recognizer", "layers"]
PRETEXT = 10.0  # weight of the error on known warps, px, beside the warping loss


def load_model(path, compile=True):  # noqa: A002, as Keras names it
    """Loads a `.keras` file of a model of this package, written under Keras 2.15 or Keras 3.

    `keras.models.load_model` does the same once this module is imported.

    Args:
        path: of the file.
        compile: bool; False for a model that only predicts.
    """
    return keras.models.load_model(path, compile=compile)


def rebuildable(builder):
    """Decorates a builder: the files of its models hold its arguments instead of a graph.

    Keras 2.15 and Keras 3 cannot read each other's graphs; arguments they can.

    Args:
        builder: function of plain arguments that returns a model of this module.
    """

    @functools.wraps(builder)
    def build(*args, **kwargs):
        model = builder(*args, **kwargs)
        bound = inspect.signature(builder).bind(*args, **kwargs)
        bound.apply_defaults()
        model.recipe = {
            "builder": f"{builder.__module__}.{builder.__name__}",
            "arguments": dict(bound.arguments),
            "policy": keras.mixed_precision.global_policy().name,
        }
        return model

    return build


def joined(tensors):
    """Concatenates on channels; one tensor is itself (Keras cannot reload a `Concatenate` of 1)."""
    return keras.layers.Concatenate()(tensors) if len(tensors) > 1 else tensors[0]


@contextlib.contextmanager
def policy(name):
    """Layers made inside have this dtype policy, such as "float32" or "mixed_bfloat16"."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(name)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


class _SelfSupervised(compat.Model):
    """What both models share: the step, the metrics, and self-supervision by two frames.

    It has no `__init__` of its own: Keras revives only such a subclass of a functional model.
    """

    _settings: typing.Any = None  # what `compile` was called with
    recipe: typing.Any = None  # how to build it again; None for a graph made by hand

    def get_config(self):
        return super().get_config() if self.recipe is None else {"recipe": self.recipe}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if "recipe" not in config:
            return super().from_config(config, custom_objects)
        recipe = config["recipe"]
        module, name = recipe["builder"].rsplit(".", 1)
        if not module.startswith("me_keras.models."):  # a file must not name any function
            raise ValueError(f"{recipe['builder']} is no builder of this package")
        with policy(recipe["policy"]):
            return getattr(importlib.import_module(module), name)(**recipe["arguments"])

    def _compile(self, optimizer, settings, metrics, **kwargs):
        if optimizer is None:
            optimizer = FlatAdamW(dynamic_scale=self.compute_dtype == "float16")
        super().compile(optimizer=optimizer, **kwargs)
        if isinstance(optimizer, FlatAdamW):
            self.optimizer = optimizer  # in float16 Keras would wrap it, but it scales by itself
        # Namespaces, so that Keras does not take what is in them for weights of the model.
        self._settings = types.SimpleNamespace(**settings)
        self._meters = types.SimpleNamespace(loss=keras.metrics.Mean(name="loss"), **metrics)
        self.optimizer.build(self._trained())  # not in the first step, which would be traced twice

    @property
    def metrics(self):
        return list(vars(self._meters).values()) if self._settings else []

    def _trained(self):
        return self.trainable_variables

    def train_step(self, data):
        with tf.GradientTape() as tape:
            loss = self._loss(data, training=True)
            # The optimizer adds the replicas' gradients up.
            share = loss / tf.distribute.get_strategy().num_replicas_in_sync
            share = getattr(self.optimizer, "scale_loss", tf.identity)(share)  # for float16
        variables = self._trained()
        pairs = zip(tape.gradient(share, variables), variables)
        self.optimizer.apply_gradients([(g, v) for g, v in pairs if g is not None])
        return {metric.name: metric.result() for metric in self.metrics}

    def test_step(self, data):
        self._loss(data, training=False)
        return {metric.name: metric.result() for metric in self.metrics}

    def _loss(self, data, training):
        """The loss of a batch, a mean over its examples; updates the metrics."""
        raise NotImplementedError

    def _self_supervision(self, frames, half):
        settings, meters = self._settings, self._meters
        reconstruction, smooth = losses.self_supervision(
            frames["onset"], frames["apex"], half, settings.reconstruction, settings.edge
        )
        meters.reconstruction.update_state(reconstruction)
        meters.smoothness.update_state(smooth)
        return tf.reduce_mean(reconstruction) + settings.smoothness * tf.reduce_mean(smooth)

    def get_compile_config(self):
        if self._settings is None:
            return None
        settings = {"optimizer": self.optimizer, **vars(self._settings)}
        return keras.saving.serialize_keras_object(settings)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))


def _means(*names):
    return {name: keras.metrics.Mean(name=name) for name in names}


@keras.saving.register_keras_serializable(package="me_keras")
class DisplacementModel(_SelfSupervised):
    """A displacement generator that learns from two frames alone: no labels.

    A functional model: dict of `onset`, `apex` `(b, S, S, 1)` float32 in [0, 1] in; dict of outputs
    with `half` `(b, S/2, S/2, 2)`, the displacement at half resolution in pixels of the full one.
    `fit` takes a dataset of such inputs; labels beside them are ignored. Metrics: `loss`,
    `reconstruction`, `smoothness`, and `error`: the mean end-point error on known warps, px.
    """

    def compile(
        self,
        optimizer=None,
        reconstruction="photometric",
        smoothness=0.03,
        edge=20.0,
        forward_backward=0.0,
        pretext=PRETEXT,
        **kwargs,
    ):
        """Configures the training.

        Args:
            optimizer: as Keras takes it; default: `FlatAdamW()`.
            reconstruction: "photometric", "census" or "structure", see `me_keras.losses`.
            smoothness: float, weight of the edge-aware smoothness.
            edge: float, how much image edges relax it.
            forward_backward: float, weight of forward-backward consistency.
            pretext: float, weight of the error on known warps of the onsets, see
                `me_keras.known_warps`; 0 for none.
            **kwargs: `steps_per_execution`, `jit_compile` and `run_eagerly`, as in Keras.
        """
        settings = {
            "reconstruction": reconstruction,
            "smoothness": smoothness,
            "edge": edge,
            "forward_backward": forward_backward,
            "pretext": pretext,
        }
        means = _means("reconstruction", "smoothness", *(["error"] if pretext else []))
        self._compile(optimizer, settings, means, **kwargs)

    def _loss(self, data, training):
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        onset, apex = x["onset"], x["apex"]
        pairs = [(onset, apex)]  # all go through the generator at once
        if self._settings.pretext:
            # The same fields in every run; the frames that they move are others.
            step = tf.convert_to_tensor(self.optimizer.iterations)
            *known, truth = known_warps(onset, tf.stack([step, tf.zeros_like(step)]))
            pairs.append(known)
        if self._settings.forward_backward:
            pairs.append((apex, onset))
        first, second = (tf.concat(frames, axis=0) for frames in zip(*pairs))
        halves = self({"onset": first, "apex": second}, training=training)["half"]
        half, *halves = tf.split(halves, len(pairs))
        loss = self._self_supervision(x, half)
        if self._settings.pretext:
            error = losses.endpoint_error(truth, halves.pop(0))  # (b,)
            self._meters.error.update_state(error)
            loss += self._settings.pretext * tf.reduce_mean(error)
        if self._settings.forward_backward:
            back = halves.pop(0)
            cycle = losses.forward_backward(0.5 * half, 0.5 * back)  # (b,)
            loss += self._settings.forward_backward * tf.reduce_mean(cycle)
        self._meters.loss.update_state(loss, tf.shape(onset)[0])
        return loss


@keras.saving.register_keras_serializable(package="me_keras")
class Recognizer(_SelfSupervised):
    """A model that recognises micro-expressions, and trains on labels and the frames themselves.

    A functional model: dict of `onset`, `apex` `(b, S, S, 1)` float32 in [0, 1], or of `motion`
    `(b, S, S, c)`, and `regions` `(b, 9, 4)` in; dict with `logits` `(b, k)` and, where it
    generates its displacement itself, `half` (as `DisplacementModel`) out; `proposals` `(b, k)` are
    logits that answer for each class alone, and are taught beside it; `line` `(b, k)` are
    logits that `logits` build on, and count for half of the loss. Without `regions` those of an
    average aligned face are taken.

    `fit` and `evaluate` take labels as `(b,)` int in [0, k) or as {"label": labels}. Metrics:
    `loss`, `accuracy`, those of `compile`, and with a displacement generator `reconstruction` and
    `smoothness`.
    """

    def compile(
        self,
        optimizer=None,
        loss=None,
        metrics=None,
        dgm_weight=1.0,
        train_displacement=True,
        reconstruction="photometric",
        smoothness=0.03,
        edge=20.0,
        **kwargs,
    ):
        """Configures the training.

        Args:
            optimizer: as Keras takes it; default: `FlatAdamW()`.
            loss: of the recognition: a `keras.losses.Loss` or a function of labels `(b,)` int and
                logits `(b, k)`, a number per example; default: `CrossEntropy()`.
            metrics: list of `keras.metrics.Metric` of labels and logits; default: UF1 and UAR.
            dgm_weight: float, lambda: weight of the self-supervision beside the recognition.
            train_displacement: bool; False leaves the displacement generator as it is.
            reconstruction, smoothness, edge, **kwargs: as `DisplacementModel.compile`.
        Raises:
            ValueError: a loss or a metric by name: Keras would take logits for probabilities.
        """
        loss = losses.CrossEntropy() if loss is None else loss
        if metrics is None:
            classes = self.output["logits"].shape[-1]
            metrics = [keras_metrics.UF1(classes), keras_metrics.UAR(classes)]
        for given in (loss, *metrics):
            if not callable(given):
                raise ValueError(
                    "`loss` and `metrics` take objects that are given labels and logits, such as "
                    "keras.losses.SparseCategoricalCrossentropy(from_logits=True). "
                    f"Received: {given!r}"
                )
        settings = {
            "loss": loss,
            "metrics": list(metrics),
            "dgm_weight": dgm_weight,
            "train_displacement": train_displacement,
            "reconstruction": reconstruction,
            "smoothness": smoothness,
            "edge": edge,
        }
        meters = {"accuracy": keras.metrics.SparseCategoricalAccuracy(name="accuracy")}
        if "half" in self.output:
            meters |= _means("reconstruction", "smoothness")
        meters |= {metric.name: metric for metric in metrics}
        self._compile(optimizer, settings, meters, **kwargs)

    def __call__(self, inputs, *args, **kwargs):
        if isinstance(inputs, dict) and "regions" in self.input and "regions" not in inputs:
            boxes = np.array([AVERAGE_REGIONS], np.float32)  # (1, 9, 4)
            some = next(iter(inputs.values()))
            if isinstance(some, np.ndarray):  # Keras 3 takes arrays or tensors, not both
                regions = np.tile(boxes, (len(some), 1, 1))
            else:
                regions = tf.tile(boxes, (tf.shape(some)[0], 1, 1))
            inputs = {**inputs, "regions": regions}
        return super().__call__(inputs, *args, **kwargs)

    def _trained(self):
        if self._settings.train_displacement or "half" not in self.output:
            return self.trainable_variables
        kept = {id(v) for v in self.displacement_model().trainable_variables}
        return [v for v in self.trainable_variables if id(v) not in kept]

    def displacement_model(self):
        """Its displacement generator alone, on the same layers: what warms up before the rest.

        Returns:
            `DisplacementModel`.
        Raises:
            ValueError: the model has none.
        """
        if "half" not in self.output:
            raise ValueError(f"{self.name} has no displacement generator: its motion is given")
        inputs = {name: self.input[name] for name in ("onset", "apex")}
        outputs = {name: self.output[name] for name in ("displacement", "half", "warped")}
        return DisplacementModel(inputs, outputs, name="displacement_model")

    def _loss(self, data, training):
        x, y, weights = keras.utils.unpack_x_y_sample_weight(data)
        labels = y["label"] if isinstance(y, dict) else y
        if labels is None:
            raise ValueError("labels are missing: give them as `y`, or in the dataset")
        labels = tf.reshape(labels, [-1])  # (b,)
        outputs = self(x, training=training)
        settings, meters, logits = self._settings, self._meters, outputs["logits"]
        wrong = self._wrong(labels, outputs)  # (b,)
        loss = tf.reduce_mean(wrong if weights is None else wrong * tf.cast(weights, wrong.dtype))
        if "half" in outputs:
            taught = self._self_supervision(x, outputs["half"])
            if settings.dgm_weight and settings.train_displacement:
                loss += settings.dgm_weight * taught
        for metric in (meters.accuracy, *settings.metrics):
            metric.update_state(labels, logits, weights)
        meters.loss.update_state(loss, tf.size(labels))
        return loss

    def _wrong(self, labels, outputs):
        """The recognition's loss of each example, `(b,)`."""
        loss = getattr(self._settings.loss, "call", self._settings.loss)
        wrong = loss(labels, outputs["logits"])
        if "line" in outputs:
            wrong = 0.5 * (wrong + loss(labels, outputs["line"]))
        if "proposals" in outputs:
            wrong += losses.proposal(labels, outputs["proposals"])
        return wrong
