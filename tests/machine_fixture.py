"""A machine without a fault, for tests to put one in."""

import dataclasses

from me_keras.machine.hardware import Gpu, Memory, Processor
from me_keras.machine.report import Machine
from me_keras.machine.trial import Trial

MACHINE = Machine(
    python="3.11.7",
    system="Linux x86_64",
    stack="design",
    packages={
        "tensorflow": "2.15.1",
        "keras": "2.15.0",
        "numpy": "1.26.4",
        "mediapipe": "0.10.21",
        "keras-tuner": "1.4.8",
        "tensorflow-serving-api": "2.15.1",
        "opencv-contrib-python": "4.11.0.86",
    },
    processor=Processor("Intel(R) Xeon(R) Platinum 8480CL", 16, 16, None),
    load=0.3,
    memory=Memory(125.8, 119.2),
    bfloat16=True,
    gpus=(),
    gpu_trouble="",
    devices=(),
    cuda="12.2",
    variables={},
)
H100 = Gpu("NVIDIA H100 80GB HBM3", "535.104.05", 81559, 80992)
TRIAL = Trial("CPU", "bfloat16", 32, 20, start=20.4, batch=0.080, data=0.012)


def with_gpus(count, **changes):
    """The machine with so many GPUs that TensorFlow sees, and other values."""
    seen = {"gpus": count * (H100,), "devices": count * ("H100, compute capability 9.0",)}
    return dataclasses.replace(MACHINE, **{**seen, **changes})
