"""All that is known of a machine and of a short training on it, as a record, text and JSON."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import platform
import textwrap

from me_keras import __version__
from me_keras.machine import findings, hardware
from me_keras.machine.trial import Trial
from pipelines import stack

PACKAGES = ("keras", "numpy", "mediapipe", "keras-tuner", "tensorflow-serving-api")
OPENCV = tuple(f"opencv-{name}" for name in ("python", "contrib-python", "python-headless"))
VARIABLES = (findings.VISIBLE, "TF_ENABLE_ONEDNN_OPTS")
WIDTH, INDENT = 80, 12


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine, its packages, and what TensorFlow sees of it."""

    python: str
    system: str
    stack: str  # as `pipelines.stack.installed`
    packages: dict[str, str]  # name -> version
    processor: hardware.Processor
    load: float  # processes that ran during the last minute, on average; of the whole machine
    memory: hardware.Memory
    bfloat16: bool  # in the hardware that trains
    gpus: tuple[hardware.Gpu, ...]  # that nvidia-smi shows
    gpu_trouble: str  # why it shows no more; "" where it works, or is not there
    devices: tuple[str, ...]  # GPUs that TensorFlow sees: "H100, compute capability 9.0"
    cuda: str  # version that TensorFlow was built for; "" without GPUs
    variables: dict[str, str]  # those of `VARIABLES` that are set


@dataclasses.dataclass
class Report:
    """A machine, a short training on it, and what is slow or wrong."""

    machine: Machine
    trial: Trial | None = None
    findings: list[findings.Finding] = dataclasses.field(default_factory=list)

    @property
    def healthy(self) -> bool:
        return all(finding.severity == findings.NOTE for finding in self.findings)


def look() -> Machine:
    """This machine. Loads TensorFlow, and has it take no more of a GPU's memory than it needs.

    Raises:
        OptionError: packages that do not work together.
    """
    gpus, trouble = hardware.gpus()  # before TensorFlow takes memory
    import tensorflow as tf

    from me_keras import distribution

    build, devices = tf.sysconfig.get_build_info(), []
    for device in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(device, True)
        known = tf.config.experimental.get_device_details(device)
        capability = ".".join(map(str, known.get("compute_capability", "?")))
        devices.append(f"{known.get('device_name', device.name)}, compute capability {capability}")
    versions = {name: stack.version(name) for name in (*PACKAGES, *OPENCV)}
    return Machine(
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        stack=stack.installed(),
        packages={
            "tensorflow": tf.__version__,
            **{name: version for name, version in versions.items() if version},
            "me-keras": __version__,
        },
        processor=hardware.processor(),
        load=os.getloadavg()[0],
        memory=hardware.memory(),
        bfloat16=distribution.has_bfloat16(),
        gpus=gpus,
        gpu_trouble=trouble,
        devices=tuple(devices),
        cuda=build.get("cuda_version", "") if build.get("is_cuda_build") else "",
        variables={name: os.environ[name] for name in VARIABLES if name in os.environ},
    )


def make(steps: int, batch_size: int) -> Report:
    """Looks this machine over, and trains so many steps on it; none with 0.

    Raises:
        OptionError: packages that do not work together, or a batch that the GPUs cannot share.
        Whatever TensorFlow raises on a CPU that has memory enough: it is a bug.
    """
    import tensorflow as tf

    from me_keras.machine import trial

    report = Report(machine=look())
    report.findings = findings.of_machine(report.machine, batch_size)
    try:
        report.trial = trial.train(steps, batch_size) if steps else None
    except (tf.errors.OpError, MemoryError) as error:
        failure = findings.of_failure(error, report.machine)
        if failure is None:
            raise
        report.findings.insert(0, failure)
    if report.trial:
        report.findings += findings.of_trial(report.trial)
    return report


def text(report: Report) -> str:
    """The report for a person, in lines of at most 80 columns."""
    lines = [line for row in _rows(report) for line in _wrapped(*row)]
    for one in report.findings:
        lines += ["", *_wrapped(one.severity.upper(), one.text), *_wrapped("  remedy", one.remedy)]
    counts = collections.Counter(finding.severity for finding in report.findings)
    total = ", ".join(
        f"{counts[name]} {name}{'s' * (counts[name] != 1)}" for name in ("error", "warning", "note")
    )
    return "\n".join([*lines, "", f"{'healthy' if report.healthy else 'not healthy'}: {total}"])


def _wrapped(title, words):
    return textwrap.wrap(
        f"{title:<{INDENT}}{words}",
        WIDTH,
        subsequent_indent=INDENT * " ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _rows(report):
    machine, processor, memory = report.machine, report.machine.processor, report.machine.memory
    packages = [f"{name} {known}" for name, known in machine.packages.items()]
    quota = "" if processor.quota is None else f", the time of {processor.quota:g}"
    yield "Python", f"{machine.python}, {machine.system}"
    yield "stack", f"{machine.stack}: {', '.join(packages[:2])}"
    yield "packages", ", ".join(packages[2:])
    yield "processor", f"{processor.name}, {processor.usable} of {processor.cores} cores{quota}"
    if memory.total is not None:
        free = "" if memory.available is None else f", {memory.available:.1f} available"
        yield "memory", f"{memory.total:.1f} GiB{free}, {memory.swap:.1f} swapped out"
    for number, gpu in enumerate(machine.gpus):
        free = "" if gpu.free is None else f", {gpu.free} of {gpu.memory} MiB free"
        yield f"GPU {number}", f"{gpu.name}{free}, driver {gpu.driver}"
    built = f"built for CUDA {machine.cuda}" if machine.cuda else "built without GPUs"
    yield "TensorFlow", f"{built}; sees {'; '.join(machine.devices) or 'no GPU'}"
    if machine.variables:
        yield "variables", ", ".join(f"{k}={v}" for k, v in machine.variables.items())
    yield "bfloat16", f"{'' if machine.bfloat16 else 'not '}in hardware"
    if report.trial:
        yield from _speed(report.trial)


def _speed(trial):
    precision = "float32" if trial.precision == "off" else trial.precision
    yield (
        "training",
        f"{trial.pairs_per_second:.0f} pairs/s on {trial.device} in {precision} ({trial.steps} "
        f"steps of {trial.batch_size} pairs, made-up frames)",
    )
    yield (
        "time",
        f"{1000 * trial.batch:.0f} ms a step; meanwhile the next batch is made, in "
        f"{1000 * trial.data:.0f} ms; {trial.start:.0f} s to start",
    )
    if trial.gpu_memory is not None:
        yield "GPU memory", f"{trial.gpu_memory} MiB at most"


def json_text(report: Report) -> str:
    """The report as JSON."""
    value = {"healthy": report.healthy, **dataclasses.asdict(report)}
    if report.trial:
        value["trial"]["pairs_per_second"] = report.trial.pairs_per_second
    return json.dumps(value, indent=1) + "\n"
