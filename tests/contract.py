"""What every layer has to do: `check_layer`."""

import inspect
import json
import pathlib
import tempfile

import keras
import numpy as np
import tensorflow as tf


def check_layer(cls, arguments, inputs, **call):
    """Checks that a layer is its arguments, survives saving, and treats graphs as eager calls.

    Args:
        cls: the layer class.
        arguments: constructor arguments other than the defaults.
        inputs: concrete input, a tensor or a nest of them.
        **call: other named inputs.
    Returns:
        The layer's eager output.
    """
    layer = cls(**arguments)
    names = set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    names -= set(inspect.signature(keras.layers.Layer.__init__).parameters)
    config = layer.get_config()
    base = set(keras.layers.Layer().get_config())
    assert names <= set(config), f"not in the config: {names - set(config)}"
    assert set(config) - base <= names, f"derived values in the config: {set(config) - base}"
    json.dumps(config)
    for name, value in arguments.items():
        assert config[name] == value

    eager = layer(inputs, **call)
    twin = cls.from_config(config)
    twin(inputs, **call)
    twin.set_weights(layer.get_weights())
    assert_equal(twin(inputs, **call), eager)
    assert_equal(tf.function(lambda x: layer(x, **call))(inputs), eager, atol=1e-5)
    assert_equal(_reloaded(layer, inputs, call), eager, atol=1e-5)
    return eager


def _reloaded(layer, inputs, call):
    """The output after a `.keras` file was written and read."""

    def symbolic(value):
        return keras.Input(value.shape[1:], dtype=value.dtype)

    everything = {"inputs": inputs, **call}
    symbols = tf.nest.map_structure(symbolic, everything)
    outputs = layer(symbols["inputs"], **{name: symbols[name] for name in call})
    flat = tf.nest.flatten(symbols)
    model = keras.Model(flat, outputs)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "layer.keras")
        model.save(path)
        return keras.models.load_model(path)(tf.nest.flatten(everything))


def assert_equal(first, second, atol=1e-6):
    """Two nests of tensors hold the same values."""
    for a, b in zip(tf.nest.flatten(first), tf.nest.flatten(second)):
        np.testing.assert_allclose(a, b, atol=atol, rtol=1e-5)
