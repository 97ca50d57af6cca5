"""Where training runs: one device, the GPUs of a machine, or several machines; and how exactly.

TensorFlow's own distribution strategies do the work. This module chooses one, and turns what they
do with a wrong set-up (a traceback, or silence) into one line.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import pathlib

from pipelines.progress import say
from pipelines.schema import OptionError


def is_multi_worker(name: str) -> bool:
    """Whether the strategy of that name spans several machines."""
    return name == "multiworker" or (name == "auto" and bool(os.environ.get("TF_CONFIG")))


@functools.cache
def choose_strategy(name: str):
    """The `tf.distribute.Strategy` of that name: one per process, made before any operation.

    Args:
        name: one of `me_keras.options.STRATEGIES`. "mirrored": all visible GPUs, or, on a machine
            without, all logical CPU devices. "multiworker": the machines that the variable
            `TF_CONFIG` lists. "auto": multiworker where `TF_CONFIG` is set, mirrored where there
            are several GPUs, otherwise one device.
    Raises:
        OptionError: no such devices, or a malformed `TF_CONFIG`.
    """
    import tensorflow as tf

    if is_multi_worker(name):
        workers = read_cluster(os.environ.get("TF_CONFIG"))["cluster"]["worker"]
        say(f"waiting for all workers of TF_CONFIG: {', '.join(workers)}")
        return tf.distribute.MultiWorkerMirroredStrategy()
    gpus = tf.config.list_logical_devices("GPU")
    if name == "mirrored":
        if not gpus and len(tf.config.list_logical_devices("CPU")) < 2:
            raise OptionError(
                "--strategy mirrored needs GPUs and TensorFlow sees none here: check nvidia-smi, "
                "the driver and CUDA_VISIBLE_DEVICES, or use --strategy default"
            )
        return tf.distribute.MirroredStrategy()
    if name == "auto" and len(gpus) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def read_cluster(text: str | None) -> dict:
    """`TF_CONFIG`, checked.

    Returns:
        dict with `cluster` {"worker": [addresses]} and `task` {"type": "worker", "index": int}.
    Raises:
        OptionError: it is missing, no JSON, or names no worker that is this one.
    """
    example = (
        '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, '
        '"task": {"type": "worker", "index": 0}}'
    )
    if not text:
        raise OptionError(f"--strategy multiworker needs the variable TF_CONFIG, e.g. {example}")
    try:
        config = json.loads(text)
        workers, task = config["cluster"]["worker"], config["task"]
        known = task["type"] == "worker" and 0 <= int(task["index"]) < len(workers)
        if not known or not all(":" in address for address in workers):
            raise ValueError(f"task {task} is none of the workers {workers}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OptionError(
            f"TF_CONFIG is malformed ({type(error).__name__}: {error}); it has to look like "
            f"{example}"
        ) from None
    return config


def check_batch(strategy, batch_size: int) -> None:
    """Every replica gets the same share of a batch.

    Raises:
        OptionError: it cannot.
    """
    replicas = strategy.num_replicas_in_sync
    if batch_size % replicas:
        raise OptionError(
            f"--batch-size {batch_size} cannot be shared evenly by {replicas} replicas: choose a "
            f"multiple of {replicas}"
        )


def writes_results(name: str) -> bool:
    """Whether this process writes the run's files: of several machines, only the first does."""
    if not is_multi_worker(name):
        return True
    return int(read_cluster(os.environ.get("TF_CONFIG"))["task"]["index"]) == 0


def agree(strategy, text: str, message: str) -> None:
    """Checks that all machines of a strategy start from the same state.

    Args:
        text: what must be the same everywhere.
    Raises:
        OptionError: `message`, if it is not.
    """
    import tensorflow as tf

    resolver = strategy.cluster_resolver
    if not resolver or resolver.task_type != "worker":
        return
    digest = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") / 2**32

    @tf.function
    def mean_over_workers():
        powers = strategy.run(lambda: tf.constant([digest, digest**2], tf.float64))
        return strategy.reduce(tf.distribute.ReduceOp.MEAN, powers, axis=None)

    mean, square = mean_over_workers().numpy()
    if abs(square - mean**2) > 1e-12:  # their variance
        raise OptionError(message)


@functools.cache
def has_bfloat16() -> bool:
    """Whether bfloat16 arithmetic is in the hardware: a CPU's AVX512-BF16 or AMX, or a GPU's.

    Without it, TensorFlow emulates it many times slower than float32.
    """
    import tensorflow as tf

    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        return details.get("compute_capability", (0, 0)) >= (8, 0)
    cpu = pathlib.Path("/proc/cpuinfo")
    known = cpu.read_text() if cpu.exists() else ""
    return "avx512_bf16" in known or "amx_bf16" in known


def resolve_precision(asked: str) -> str:
    """ "auto" as "bfloat16" or "off", by what the hardware has."""
    if asked != "auto":
        return asked
    return "bfloat16" if has_bfloat16() else "off"


def precision(name: str):
    """Layers made inside compute in this precision; their weights stay float32.

    Args:
        name: "off", "bfloat16" or "float16".
    """
    from me_keras.models.recognizer import policy

    return policy("float32" if name == "off" else f"mixed_{name}")
