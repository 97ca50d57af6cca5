"""Folds on two devices, and on two machines: the results of one device."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from pipelines.synthetic import options, write

pytestmark = pytest.mark.slow

ROOT = str(pathlib.Path(__file__).parents[1])
FEW = {"num_subjects": 2, "clips_per_class": 2, "frame_size": (320, 240), "num_frames": 8}
FLAGS = "--image-size 64 --epochs 2 --warmup-epochs 1 --batch-size 4 --filters 8 12"
FLAGS = [*FLAGS.split(), "--hidden-dim", "16", "--num-heads", "2", "--crop-size", "8"]
FLAGS += ["--mixed-precision", "off", "--no-mirror-test", "--no-dgm-pretext", "--no-face-fusion"]
FLAGS += ["--dgm", "frozen"]  # after its warm-up
LOSO = """
import sys
import tensorflow as tf
cpu, replicas = tf.config.list_physical_devices("CPU")[0], int(sys.argv[1])
parts = [tf.config.LogicalDeviceConfiguration()] * replicas
if replicas > 1:
    tf.config.set_logical_device_configuration(cpu, parts)
from me_keras import loso
from me_keras.layers import displacement
displacement.ITERATIONS = 1, 2  # any displacement will do: half the graph
sys.exit(loso.main(sys.argv[2:]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a copy of the synthetic database, and what one device makes of it."""
    folder = tmp_path_factory.mktemp("distribution")
    write.generate(folder / "copy", options.SynthesisConfig(**FEW))
    finish(start(folder, "one"))
    return folder


def start(folder, out, *flags, replicas=1, cluster=None):
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": ROOT}
    environment.pop("TF_CONFIG", None)
    if cluster:
        environment["TF_CONFIG"] = json.dumps(cluster)
    flags = ["--data-root", "copy", "--prepared", "prepared", "--out", out, *FLAGS, *flags]
    command = [sys.executable, "-c", LOSO, str(replicas), *flags]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)


def finish(process):
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors[-3000:]
    return out


def assert_same_predictions(folder, out):
    one, other = (pd.read_csv(folder / name / "predictions.csv") for name in ("one", out))
    assert list(one["key"]) == list(other["key"])
    for column in ("p_negative", "p_positive", "p_surprise", "error"):
        np.testing.assert_allclose(other[column], one[column], atol=1e-4)


def test_two_devices(folder):
    finish(start(folder, "two", "--strategy", "mirrored", replicas=2))
    assert_same_predictions(folder, "two")


def test_two_machines(folder, free_ports):
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        cluster = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(start(folder, "machines", cluster=cluster))
    outputs = [finish(process) for process in processes]
    assert "UF1" in outputs[0] and "this worker is done" in outputs[1]
    assert_same_predictions(folder, "machines")


def test_two_machines_that_do_not_share_their_folder(folder, free_ports):
    """One has a fold that the other lacks: said by both, none waits for ever."""
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)]
    shutil.copytree(folder / "one", folder / "some")
    next((folder / "some" / "folds").rglob("*.json")).unlink()
    processes = []
    for index, out in enumerate(["none", "some"]):
        cluster = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        processes.append(start(folder, out, cluster=cluster))
    for process in processes:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 2, errors[-3000:]
        assert "the workers of TF_CONFIG do not find the same folds" in errors


def test_more_replicas_than_share_a_batch_evenly(folder):
    process = start(folder, "odd", "--strategy", "mirrored", replicas=3)
    _, errors = process.communicate(timeout=900)
    assert process.returncode == 2
    assert "--batch-size 4 cannot be shared evenly by 3 replicas" in errors
