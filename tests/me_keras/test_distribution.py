import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from me_keras import distribution
from pipelines.schema import OptionError

CLUSTER = {"cluster": {"worker": ["a:1", "b:2"]}, "task": {"type": "worker", "index": 1}}


def test_a_cluster_is_read_from_the_environment():
    assert distribution.read_cluster(json.dumps(CLUSTER)) == CLUSTER


@pytest.mark.parametrize(
    "text, said",
    [
        (None, "needs the variable TF_CONFIG"),
        ("{", "TF_CONFIG is malformed"),
        ("{}", "KeyError: 'cluster'"),
        ("[]", "TF_CONFIG is malformed"),
        (json.dumps({**CLUSTER, "task": {"type": "worker", "index": 2}}), "none of the workers"),
        (json.dumps({**CLUSTER, "task": {"type": "ps", "index": 0}}), "none of the workers"),
        (json.dumps({**CLUSTER, "cluster": {"worker": ["a", "b"]}}), "none of the workers"),
    ],
)
def test_a_malformed_cluster_is_one_line_with_an_example(text, said):
    with pytest.raises(OptionError, match=said) as error:
        distribution.read_cluster(text)
    assert '"index": 0' in str(error.value) and "\n" not in str(error.value)


def test_gpus_asked_for_and_absent():
    with pytest.raises(OptionError, match="needs GPUs and TensorFlow sees none"):
        distribution.choose_strategy("mirrored")


def test_one_device_is_the_default():
    for name in ("auto", "default"):
        assert distribution.choose_strategy(name).num_replicas_in_sync == 1


def test_a_batch_is_shared_evenly_or_not_at_all():
    class Replicas:
        num_replicas_in_sync = 3

    distribution.check_batch(Replicas, 6)
    for size in (2, 32):
        with pytest.raises(OptionError, match=f"{size} cannot be shared evenly by 3 replicas"):
            distribution.check_batch(Replicas, size)


def test_one_machine_of_several_writes_the_results(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert distribution.writes_results("auto")
    monkeypatch.setenv("TF_CONFIG", json.dumps(CLUSTER))
    assert distribution.writes_results("default")
    assert not distribution.writes_results("auto")
    first = {**CLUSTER, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(first))
    assert distribution.writes_results("multiworker")


def test_precision_is_that_of_layers_made_inside():
    with distribution.precision("bfloat16"):
        mixed = keras.layers.Dense(2)
    with distribution.precision("float16"):
        assert keras.layers.Dense(2).compute_dtype == "float16"
    exact = keras.layers.Dense(2)
    assert (mixed.compute_dtype, exact.compute_dtype) == ("bfloat16", "float32")
    assert mixed(np.ones((1, 3), np.float32)).dtype == tf.bfloat16
    assert mixed.kernel.dtype == tf.float32


def test_bfloat16_is_used_where_the_hardware_has_it(monkeypatch):
    assert distribution.resolve_precision("off") == "off"
    assert distribution.resolve_precision("bfloat16") == "bfloat16"
    for there, expected in ((True, "bfloat16"), (False, "off")):
        monkeypatch.setattr(distribution, "has_bfloat16", lambda there=there: there)
        assert distribution.resolve_precision("auto") == expected


# Trainings of 20 steps in processes of their own: devices are set up before TensorFlow starts.
# "difference": the fusions alone, on given motion; the other two warm up and train all.
STEPS = """
import json, sys
import numpy as np
import tensorflow as tf
replicas, name, *cases = int(sys.argv[1]), *sys.argv[2:]
from me_keras import distribution
if replicas > 1:
    cpu = tf.config.list_physical_devices("CPU")[0]
    parts = [tf.config.LogicalDeviceConfiguration()] * replicas
    tf.config.set_logical_device_configuration(cpu, parts)
strategy = distribution.choose_strategy(name)
from me_keras.layers import displacement
displacement.ITERATIONS = 1, 2  # any displacement will do: half the graph
from me_keras.options import Options, resolve
from me_keras.training import Trainer, make_deterministic
from pipelines import cli
from pipelines.schema import MIRRORED_REGIONS
make_deterministic()
rng = np.random.default_rng(0)
frames = [rng.random((8, 32, 32, 1), np.float32) for _ in range(2)]
boxes = np.tile(np.float32([0.1, 0.1, 0.6, 0.6]), (8, 9, 1))
found = {}
for case in cases:
    if case == "difference":
        motion, channels, inputs = case, 1, {"motion": frames[1] - frames[0]}
    else:
        motion, channels, inputs = "dgm", 0, {"onset": frames[0], "apex": frames[1]}
    options = cli.replace(
        resolve(cli.replace(Options(), motion=motion), "frames"),
        epochs=20, warmup_epochs=2, batch_size=8, filters=(8, 12),
        hidden_dim=16, num_heads=2, dropout=0.2, learning_rate=3e-3, stochastic_depth=0.2,
        mixed_precision=case if case == "float16" else "off", dgm_pretext=case == "dgm",
        face_fusion=False,  # the others are of the same layers
    )
    trainer = Trainer(options, 32, 3, channels, 1, MIRRORED_REGIONS, strategy)
    trainer.reset(0)
    labels = {"label": np.arange(8, dtype=np.int32) % 3}
    data = tf.data.Dataset.from_tensors(({**inputs, "regions": boxes}, labels)).repeat()
    history = trainer.warm_up(data) if trainer.generator else []
    history += trainer.fit(data)
    weights = float(sum(abs(w.numpy()).sum() for w in trainer.model.trainable_variables))
    found[case] = [[v["loss"], v["accuracy"]] for v in history], weights
print(json.dumps(found))
"""


def start(replicas, strategy, *cases, **environment):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **environment}
    environment.pop("TF_CONFIG", None) if "TF_CONFIG" not in environment else None
    command = [sys.executable, "-c", STEPS, str(replicas), strategy, *cases]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


def outcomes(process):
    """case -> its history and the sum of its weights' absolute values."""
    out, errors = process.communicate(timeout=480)
    assert process.returncode == 0, errors[-3000:]
    found = json.loads(out.strip().splitlines()[-1])
    return {case: (np.array(history), weights) for case, (history, weights) in found.items()}


@pytest.fixture(scope="module")
def one_device():
    return outcomes(start(1, "default", "dgm", "difference", "float16"))


@pytest.fixture(scope="module")
def two_replicas():
    return outcomes(start(2, "mirrored", "dgm", "float16"))


@pytest.mark.slow
def test_two_replicas_train_as_one(one_device, two_replicas):
    assert len(one_device["dgm"][0]) == 22
    np.testing.assert_allclose(two_replicas["dgm"][0], one_device["dgm"][0], atol=1e-5)
    np.testing.assert_allclose(two_replicas["dgm"][1], one_device["dgm"][1], rtol=1e-5)


@pytest.mark.slow
def test_two_replicas_in_float16_train_as_one(one_device, two_replicas):
    one, two = one_device["float16"], two_replicas["float16"]
    np.testing.assert_allclose(two[0], one[0], atol=0.02)
    np.testing.assert_allclose(two[1], one[1], rtol=1e-3)


@pytest.mark.slow
def test_two_machines_train_as_one(one_device, free_ports):
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(start(1, "multiworker", "difference", TF_CONFIG=json.dumps(task)))
    for process in processes:
        history, weights = outcomes(process)["difference"]
        np.testing.assert_allclose(history, one_device["difference"][0], atol=1e-5)
        np.testing.assert_allclose(weights, one_device["difference"][1], rtol=1e-5)
