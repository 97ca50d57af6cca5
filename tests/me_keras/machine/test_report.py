"""The screen and the JSON of a machine, and what TensorFlow is asked for it."""

import dataclasses
import json

import pytest
import tensorflow as tf
from machine_fixture import H100, MACHINE, TRIAL, with_gpus

import me_keras
from me_keras.machine import findings, hardware, report, trial
from me_keras.machine.report import Report

HEALTHY = """\
Python      3.11.7, Linux x86_64
stack       design: tensorflow 2.15.1, keras 2.15.0
packages    numpy 1.26.4, mediapipe 0.10.21, keras-tuner 1.4.8,
            tensorflow-serving-api 2.15.1, opencv-contrib-python 4.11.0.86
processor   Intel(R) Xeon(R) Platinum 8480CL, 16 of 16 cores
memory      125.8 GiB, 119.2 available, 0.0 swapped out
TensorFlow  built for CUDA 12.2; sees no GPU
bfloat16    in hardware
training    400 pairs/s on CPU in bfloat16 (20 steps of 32 pairs, made-up
            frames)
time        80 ms a step; meanwhile the next batch is made, in 12 ms; 20 s to
            start

healthy: 0 errors, 0 warnings, 0 notes"""


def test_a_healthy_machine_is_shown():
    assert report.text(Report(MACHINE, TRIAL)) == HEALTHY


def test_gpus_limits_variables_and_findings_are_shown_within_80_columns():
    few = hardware.Processor("EPYC", 64, 64, 2.5)
    variables = {"CUDA_VISIBLE_DEVICES": "0,1"}
    machine = with_gpus(2, processor=few, variables=variables, bfloat16=False)
    on_gpus = dataclasses.replace(TRIAL, device="2 GPUs", precision="off", gpu_memory=1890)
    shown = Report(machine, on_gpus, findings.of_machine(machine, 32))
    lines = report.text(shown).splitlines()
    assert not shown.healthy and max(map(len, lines)) <= 80
    for line in (
        "processor   EPYC, 64 of 64 cores, the time of 2.5",
        "GPU 1       NVIDIA H100 80GB HBM3, 80992 of 81559 MiB free, driver 535.104.05",
        "TensorFlow  built for CUDA 12.2; sees H100, compute capability 9.0; H100,",
        "variables   CUDA_VISIBLE_DEVICES=0,1",
        "bfloat16    not in hardware",
        "training    400 pairs/s on 2 GPUs in float32 (20 steps of 32 pairs, made-up",
        "GPU memory  1890 MiB at most",
        "WARNING     the container may use the time of 2.5 cores, and TensorFlow starts",
        "  remedy    train with --threads 2, or give the container more",
        "not healthy: 0 errors, 1 warning, 0 notes",
    ):
        assert line in lines


def test_what_is_not_known_is_left_out():
    gpu = hardware.Gpu("GB10", "580.95.05", None, None)
    machine = with_gpus(1, gpus=(gpu,), memory=hardware.Memory(None, None), cuda="")
    shown = report.text(Report(machine))
    assert "GPU 0       GB10, driver 580.95.05\n" in shown and "built without GPUs" in shown
    assert "memory" not in shown and "training" not in shown and "None" not in shown


def test_a_note_leaves_a_machine_healthy():
    note = findings.Finding(findings.NOTE, "known", "nothing")
    assert Report(MACHINE, None, [note]).healthy
    warning = dataclasses.replace(note, severity=findings.WARNING)
    assert not Report(MACHINE, None, [note, warning]).healthy


def test_json_holds_everything():
    found = [findings.Finding("warning", "slow", "wait")]
    value = json.loads(report.json_text(Report(with_gpus(1), TRIAL, found)))
    assert value["healthy"] is False
    assert value["machine"]["gpus"] == [dataclasses.asdict(H100)]
    assert value["machine"]["packages"]["keras"] == "2.15.0"
    assert value["trial"]["pairs_per_second"] == 400 and value["trial"]["steps"] == 20
    assert value["findings"] == [{"severity": "warning", "text": "slow", "remedy": "wait"}]
    assert json.loads(report.json_text(Report(MACHINE)))["trial"] is None


@pytest.fixture
def devices(monkeypatch):
    """Function: makes TensorFlow see these GPUs, a dict of details each; gives memory settings."""
    grown = []

    def see(details):
        names = [f"/physical_device:GPU:{number}" for number in range(len(details))]
        known = [tf.config.PhysicalDevice(name, "GPU") for name in names]
        by_name = dict(zip(names, details))
        config = tf.config.experimental
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: known)
        monkeypatch.setattr(config, "get_device_details", lambda device: by_name[device.name])
        monkeypatch.setattr(config, "set_memory_growth", lambda *given: grown.append(given))
        monkeypatch.setattr(hardware, "gpus", lambda: ((H100,), ""))
        return known, grown

    return see


def test_the_gpus_that_tensorflow_sees_are_named_and_shared(devices, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    known, grown = devices([{"device_name": "H100", "compute_capability": (9, 0)}, {}])
    machine = report.look()
    assert machine.devices == (
        "H100, compute capability 9.0",
        "/physical_device:GPU:1, compute capability ?",
    )
    assert grown == [(known[0], True), (known[1], True)]  # a GPU may be somebody else's, too
    assert machine.gpus == (H100,) and machine.variables == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert machine.packages["tensorflow"] == tf.__version__
    assert machine.packages["me-keras"] == me_keras.__version__
    assert machine.stack in ("design", "current") and machine.processor.usable >= 1


@pytest.mark.parametrize(
    "build, cuda",
    [
        ({"is_cuda_build": True, "cuda_version": "12.5.1"}, "12.5.1"),
        ({"is_cuda_build": False, "cuda_version": "12.5.1"}, ""),
        ({}, ""),
    ],
)
def test_what_tensorflow_was_built_for(devices, monkeypatch, build, cuda):
    devices([])
    monkeypatch.setattr(tf.sysconfig, "get_build_info", lambda: build)
    assert report.look().cuda == cuda


@pytest.fixture
def machine(monkeypatch):
    """Function: makes this the machine, whose training gives a trial or raises."""

    def put(machine, result):
        def train(steps, batch_size):
            if isinstance(result, Exception):
                raise result
            return dataclasses.replace(result, steps=steps, batch_size=batch_size)

        monkeypatch.setattr(report, "look", lambda: machine)
        monkeypatch.setattr(trial, "train", train)

    return put


def test_a_report_is_made_with_and_without_training(machine):
    machine(MACHINE, TRIAL)
    made = report.make(4, 8)
    assert (made.trial.steps, made.trial.batch_size, made.findings) == (4, 8, [])
    assert report.make(0, 8).trial is None
    machine(MACHINE, dataclasses.replace(TRIAL, data=1.0))
    assert ["waits for data" in one.text for one in report.make(4, 8).findings] == [True]


def test_training_that_fails_is_the_first_finding_where_it_is_the_gpus_fault(machine):
    error = tf.errors.InternalError(None, None, "CUDA error: no kernel image is available")
    machine(with_gpus(1, load=20.0), error)
    made = report.make(4, 8)
    assert made.trial is None and [one.severity for one in made.findings] == ["error", "note"]
    machine(MACHINE, error)
    with pytest.raises(tf.errors.InternalError):
        report.make(4, 8)
