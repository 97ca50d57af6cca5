"""Each fault of a machine is found, with its remedy, and a machine without one is healthy."""

import dataclasses

import pytest
import tensorflow as tf
from machine_fixture import H100, MACHINE, TRIAL, with_gpus

from me_keras.machine import findings
from me_keras.machine.hardware import Memory, Processor


def driver(version):
    return (dataclasses.replace(H100, driver=version),)


def full(*free):
    return tuple(dataclasses.replace(H100, free=one) for one in free)


def without(**changes):
    return dataclasses.replace(MACHINE, **changes)


@pytest.mark.parametrize(
    "machine",
    [
        MACHINE,
        without(cuda=""),  # as wheels for macOS are
        without(variables={"CUDA_VISIBLE_DEVICES": ""}),
        without(variables={"TF_ENABLE_ONEDNN_OPTS": "1"}),
        without(processor=Processor("", 16, 16, 16.0)),
        without(memory=Memory(None, None)),
        with_gpus(2),
        with_gpus(1, gpus=driver("525.60.13")),
        with_gpus(1, gpus=driver("[N/A]")),
        with_gpus(1, gpus=full(None)),
        with_gpus(1, gpus=full(findings.memory_for(32))),
        with_gpus(1, gpus=driver("470.82.01"), cuda="11.8"),
        with_gpus(1, gpus=driver("590.44"), cuda="14.0"),  # which no table knows yet
    ],
)
def test_nothing_is_found_where_nothing_is_wrong(machine):
    assert findings.of_machine(machine, 32) == []


HIDDEN = {"CUDA_VISIBLE_DEVICES": "-1"}
ONE = {"CUDA_VISIBLE_DEVICES": "1"}
NONE_SEEN = {"devices": ()}


@pytest.mark.parametrize(
    "machine, severity, text, remedy",
    [
        (
            with_gpus(1, gpus=driver("470.82.01")),
            "error",
            "driver 470.82.01 is too old for CUDA 12.2",
            "driver 525.60.13 or later",
        ),
        (with_gpus(1, gpus=driver("525.60.11"), **NONE_SEEN), "error", "too old", "525.60.13"),
        (
            with_gpus(1, gpus=driver("570.86"), cuda="13.0"),
            "error",
            "570.86 is too old for CUDA 13.0",
            "driver 580 or later",
        ),
        (
            with_gpus(2, **NONE_SEEN),
            "error",
            "TensorFlow sees 0 GPUs, and nvidia-smi shows 2",
            "pip install -r requirements-gpu.txt",
        ),
        (
            with_gpus(2, **NONE_SEEN, variables=ONE),  # it is not the variable that hides them
            "error",
            "TensorFlow sees 0 GPUs, and nvidia-smi shows 1",
            "pip install -r requirements-gpu.txt",
        ),
        (
            with_gpus(2, **NONE_SEEN, variables=HIDDEN),
            "error",
            "CUDA_VISIBLE_DEVICES=-1 hides 2 of 2 GPUs",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            with_gpus(2, **NONE_SEEN, variables={"CUDA_VISIBLE_DEVICES": ""}),
            "error",
            "CUDA_VISIBLE_DEVICES= hides 2 of 2 GPUs",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            with_gpus(2, **NONE_SEEN, variables={"CUDA_VISIBLE_DEVICES": "2,0"}),
            "error",  # CUDA stops at the first that is not there
            "CUDA_VISIBLE_DEVICES=2,0 hides 2 of 2 GPUs",
            "unset CUDA_VISIBLE_DEVICES",
        ),
        (
            with_gpus(1, gpus=(H100, H100), variables=ONE),
            "note",
            "CUDA_VISIBLE_DEVICES=1 hides 1 of 2 GPUs",
            "unless a batch system",
        ),
        (
            with_gpus(1, gpus=3 * (H100,), variables={"CUDA_VISIBLE_DEVICES": "GPU-8f6e"}),
            "note",
            "CUDA_VISIBLE_DEVICES=GPU-8f6e hides 2 of 3 GPUs",
            "unless a batch system",
        ),
        (
            with_gpus(1, **NONE_SEEN, cuda=""),
            "error",
            "built without GPUs",
            "pip install -r requirements-gpu.txt",
        ),
        (
            without(gpu_trouble="NVIDIA-SMI has failed"),
            "error",
            "nvidia-smi: NVIDIA-SMI has failed",
            "restart the machine",
        ),
        (
            with_gpus(2, gpus=full(80992, 1104)),
            "warning",
            "GPU 1 has 1104 MiB free, batches of 32 pairs need about 1280",
            "--batch-size 10 or less",
        ),
        (with_gpus(1, gpus=full(300)), "warning", "GPU 0 has 300 MiB", "end what else uses it"),
        (
            without(processor=Processor("", 16, 16, 2.5)),
            "warning",
            "the time of 2.5 cores, and TensorFlow starts 16 threads",
            "--threads 2",
        ),
        (without(processor=Processor("", 16, 4, None)), "note", "4 of 16 cores", "nothing"),
        (without(load=9.1), "note", "about 9 cores busy", "nothing"),
        (
            without(memory=Memory(8.0, 0.9, 2.0)),
            "warning",
            "0.9 GiB of memory are available, training needs about 1.2, 2.0 GiB are swapped out",
            "end other programs",
        ),
        (
            without(variables={"TF_ENABLE_ONEDNN_OPTS": "0"}),
            "warning",
            "turns off oneDNN",
            "unset TF_ENABLE_ONEDNN_OPTS",
        ),
        (
            without(packages={**MACHINE.packages, "opencv-python": "4.12.0.88"}),
            "warning",
            "opencv-contrib-python and opencv-python share one folder",
            "pip uninstall opencv-contrib-python opencv-python",
        ),
    ],
)
def test_a_fault_is_found_once_with_its_remedy(machine, severity, text, remedy):
    [found] = findings.of_machine(machine, 32)
    assert found.severity == severity and text in found.text and remedy in found.remedy


def test_a_gpu_that_is_hidden_may_be_full():
    machine = with_gpus(1, gpus=full(100, 80992), variables=ONE)
    assert [one.severity for one in findings.of_machine(machine, 32)] == ["note"]


def test_a_larger_batch_needs_more_memory_and_errors_come_first():
    machine = with_gpus(1, gpus=full(2000), gpu_trouble="one of two GPUs is lost")
    assert [one.severity for one in findings.of_machine(machine, 64)] == ["error"]
    found = findings.of_machine(machine, 256)
    assert [one.severity for one in found] == ["error", "warning"]
    assert "--batch-size 122 or less" in found[1].remedy


def test_training_that_waits_for_data_is_found():
    assert findings.of_trial(TRIAL) == []
    [found] = findings.of_trial(dataclasses.replace(TRIAL, batch=0.0141))
    assert "of the 14 ms of a step, making its batch takes 12" in found.text


LONG = (
    "Graph execution error:\n\nDetected at node dense defined at (most recent call last):\n  File\n"
    "libdevice not found at ./libdevice.10.bc\n\t [[{{node dense}}]] [Op:__inference_step]"
)


def test_training_that_fails_is_found_with_its_reason():
    gpu = with_gpus(1)
    found = findings.of_failure(tf.errors.InternalError(None, None, LONG), gpu)
    assert found.text == "training failed: libdevice not found at ./libdevice.10.bc"
    assert "CUDA_VISIBLE_DEVICES=-1" in found.remedy
    error = tf.errors.NotFoundError(None, None, "DNN library is not found.\nmore")
    assert findings.of_failure(error, gpu).text == "training failed: DNN library is not found."
    assert findings.of_failure(error, MACHINE) is None  # no GPU: a bug
    full = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating")
    for error in (full, MemoryError()):
        assert "smaller --batch-size" in findings.of_failure(error, MACHINE).remedy
