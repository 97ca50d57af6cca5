"""A short training, for real: small batches of the default model."""

import pytest
import tensorflow as tf

from me_keras.machine import trial


@pytest.mark.slow
def test_a_short_training_is_measured(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "no cluster is asked")
    found = trial.train(steps=5, batch_size=2)
    assert (found.steps, found.batch_size) == (8, 2)  # a multiple of the parts
    assert 0 < found.data < found.batch < found.start
    assert found.pairs_per_second == pytest.approx(2 / found.batch)
    assert found.precision in ("off", "bfloat16")
    gpus = len(tf.config.list_logical_devices("GPU"))
    assert ("GPU" in found.device) == bool(gpus) == (found.gpu_memory is not None)
