"""Options of the commands: frozen dataclasses, turned into flags by `pipelines.flags`."""

import dataclasses
from typing import Optional

from me_keras.distribution import STRATEGIES, resolve_precision
from me_keras.evaluation import shards
from pipelines.cli import option
from pipelines.databases import DATABASES
from pipelines.options import DatasetConfig

MODELS = ("frl_dgt", "ststnet")
MOTIONS = ("dgm", "farneback", "dis", "tvl1", "dynamic_image", "difference", "precomputed")

# What suits frames and what suits ready-made motion images, found by the runs in the README.
PRESETS = {
    "frames": {
        "epochs": 30,
        "learning_rate": 2e-3,
        "width": 64,
        "dropout": 0.1,
        "crop_size": 12,
        "mixed_precision": "auto",
    },
    "precomputed": {
        "mixed_precision": "off",  # too small a model to gain anything
        "epochs": 30,
        "learning_rate": 2e-3,
        "width": 32,
        "dropout": 0.1,
        "crop_size": 8,
    },
}

# Where a model wants other values than its kind of data does.
MODEL_PRESETS = {
    ("ststnet", "precomputed"): {"epochs": 60, "learning_rate": 5e-3},
}


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """What is built. None stands for the preset of the data's kind."""

    model: str = option("frl_dgt", "model to train", MODELS)
    motion: Optional[str] = option(
        None,
        "where the motion comes from: the learned displacement generator (dgm), a classical flow, "
        "or an image of the database (default: dgm for frames, precomputed for flow images; "
        "farneback for ststnet on frames)",
        MOTIONS,
    )
    filters: tuple[int, ...] = option(
        (32, 64, 96), "displacement generator: channels per level", nargs="+", metavar="N"
    )
    max_displacement: float = option(8.0, "displacement generator: bound, pixels")
    width: Optional[int] = option(None, "token width of the fusions (default: by data)")
    heads: int = option(4, "attention heads")
    depth: int = option(1, "Transformer blocks in each fusion")
    dropout: Optional[float] = option(None, "dropout in the fusions (default: by data)")
    head_dropout: float = option(0.5, "dropout before the classifier")
    readout: int = option(
        32, "numbers each region and face patch hands to the classifier; 0: their mean over places"
    )
    crop_size: Optional[int] = option(
        None, "side of a region's crop, samples (default: by data)", metavar="N"
    )
    patch_size: int = option(4, "side of a region's patches, samples")
    stochastic_depth: float = option(0.0, "chance to skip a Transformer branch in training")
    fusion_order: str = option(
        "before", "linear fusion before or after attention", ("before", "after")
    )
    local_fusion: bool = option(True, "Transformer inside each action-unit region")
    global_fusion: bool = option(True, "Transformer across the regions")
    face_fusion: bool = option(True, "Transformer over the whole face")


@dataclasses.dataclass(frozen=True)
class TrainingConfig(DatasetConfig):
    """How one fold is trained. None stands for the preset of the data's kind."""

    epochs: Optional[int] = option(
        None, "epochs of joint training, fixed beforehand (default: by data)"
    )
    warmup_epochs: int = option(10, "epochs of the displacement generator alone, before")
    learning_rate: Optional[float] = option(None, "peak of the cosine schedule (default: by data)")
    weight_decay: float = option(0.01, "AdamW's decoupled weight decay")
    label_smoothing: float = option(0.1, "share of the label spread over all classes")
    weight_average: float = option(0.99, "momentum of the averaged weights that predict; 0: off")
    dgm: str = option(
        "joint",
        "joint: recognition shapes the displacement too; two-stage: only self-supervision does; "
        "frozen: it stays as warm-up left it",
        ("joint", "two-stage", "frozen"),
    )
    dgm_weight: float = option(1.0, "lambda: weight of self-supervision beside the recognition")
    reconstruction: str = option(
        "photometric",
        "how the warped apex is compared with the onset",
        ("photometric", "census", "structure"),
    )
    smoothness: float = option(0.3, "weight of the edge-aware smoothness")
    edge: float = option(20.0, "smoothness: how much image edges relax it")
    forward_backward: float = option(0.0, "weight of forward-backward consistency in warm-up")
    mirror_test: bool = option(True, "average the prediction with the mirrored face's")
    strategy: str = option(
        "auto",
        "where a fold trains: on one device (default), all GPUs of this machine (mirrored), or "
        "the machines in TF_CONFIG (multiworker); auto takes what there is",
        STRATEGIES,
    )
    worker_timeout: float = option(300.0, "multiworker: seconds to wait for the other machines")
    mixed_precision: Optional[str] = option(
        None,
        "train in bfloat16 where the hardware has it (auto); prediction is in float32 always "
        "(default: auto for frames, off for flow images)",
        ("auto", "off", "bfloat16"),
    )
    jit: bool = option(False, "compile training steps with XLA: for GPUs; slower on CPUs")
    steps_per_execution: int = option(0, "training steps per call of the graph; 0: an epoch")

    def __post_init__(self):
        super().__post_init__()
        for name, low in (("epochs", 1), ("warmup_epochs", 0), ("steps_per_execution", 0)):
            value = getattr(self, name)
            if value is not None and value < low:
                raise ValueError(f"{name} must be at least {low}, got {value}")
        if not 0 <= self.weight_average < 1:
            raise ValueError(f"weight_average must lie in [0, 1), got {self.weight_average}")


@dataclasses.dataclass(frozen=True)
class ExecutorConfig:
    """Where folds are trained; none of it changes a result beyond rounding."""

    executor: str = option(
        "local",
        "local: on this machine; ray: on a Ray cluster, a task for each fold (needs "
        "me-keras[ray]; all machines must reach the --prepared folder under the same path)",
        ("local", "ray"),
    )
    jobs: int = option(1, "local: processes that train folds side by side; they share the cores")
    threads: Optional[int] = option(
        None,
        "TensorFlow's threads for one operation, in each process (default: cores over jobs; with "
        "ray, --cpus-per-fold). Runs with equal threads are equal to the bit",
        metavar="N",
    )
    ray_address: Optional[str] = option(
        None,
        "ray: host:port of the cluster's head, ray://host:port or auto (default: $RAY_ADDRESS; "
        "without, Ray is started on this machine)",
        metavar="ADDRESS",
    )
    ray_timeout: float = option(
        30.0,
        "ray: seconds to wait for the cluster, and for a machine that can take a fold",
        metavar="SECONDS",
    )
    cpus_per_fold: float = option(1.0, "ray: CPUs that each fold asks for", metavar="N")
    gpus_per_fold: float = option(
        0.0, "ray: GPUs that each fold asks for; 0.5: two share one", metavar="N"
    )
    shard: Optional[str] = option(
        None,
        "train only the i-th of n parts of all folds and seeds, i from 1; the parts may run at "
        "once on machines that share --out, e.g. --shard $SLURM_ARRAY_TASK_ID/16",
        metavar="I/N",
    )
    merge: bool = option(False, "train nothing: pool the folds that are in the run's folder")

    @property
    def in_this_process(self) -> bool:
        """Whether no other process is asked to train."""
        return self.executor == "local" and self.jobs == 1

    def __post_init__(self):
        for name in ("jobs", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.executor == "ray" and self.jobs != 1:
            raise ValueError("jobs is for --executor local; with ray, set --cpus-per-fold")
        for name, least in (("ray_timeout", 0), ("cpus_per_fold", 0), ("gpus_per_fold", 0)):
            if not least <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.shard is not None:
            shards.parse(self.shard)
            if self.merge:
                raise ValueError("merge takes the folds of all shards: leave --shard out")


@dataclasses.dataclass(frozen=True)
class LosoConfig(ModelConfig, TrainingConfig, ExecutorConfig):
    """Options of `python -m me_keras.loso`."""

    dataset: str = option("synthetic", "database", tuple(DATABASES))
    data_root: Optional[tuple[str, ...]] = option(
        None,
        "folder of the database's copy, or smic=DIR casme2=DIR samm=DIR for a dataset of several "
        "(default: $ME_KERAS_DATA)",
        metavar="DIR",
        nargs="+",
    )
    protocol: Optional[str] = option(
        None, "clips, classes and what is held out (default: the field's usual one, listed below)"
    )
    prepared: Optional[str] = option(
        None,
        "folder of the prepared form (default: prepared/<dataset>-<parameters>)",
        metavar="DIR",
    )
    image_size: int = option(128, "side of the aligned face, pixels")
    apex: str = option(
        "annotated",
        "apex frame in evaluation where it is labelled",
        ("annotated", "middle", "spotted"),
    )
    subjects: tuple[str, ...] = option(
        (), "hold out only these subjects, e.g. s01 s02 (default: all)", nargs="+", metavar="S"
    )
    seed: int = option(0, "first seed")
    num_seeds: int = option(1, "repetitions: seed, seed + 1, …")
    out: Optional[str] = option(
        None, "folder of the results (default: runs/<dataset>-<model>-<digest>)", metavar="DIR"
    )
    allow_missing: bool = option(False, "go on when over 5 %% of the clips cannot be used")
    tuned_on: tuple[str, ...] = option(
        (),
        "subjects these options were tuned on, as best.json of me_keras.tune states them: "
        "results that report them are stamped",
        nargs="+",
        metavar="S",
    )

    def __post_init__(self):
        super().__post_init__()
        ExecutorConfig.__post_init__(self)
        if self.strategy == "multiworker" and not self.in_this_process:
            raise ValueError(
                "strategy multiworker trains one fold on all machines: leave out "
                "--jobs and --executor"
            )
        if self.num_seeds < 1:
            raise ValueError(f"num_seeds must be at least 1, got {self.num_seeds}")


def with_presets(config, kind):
    """`config` with its open options filled in for data of this kind ("frames", "precomputed").

    `mixed_precision` becomes what this machine has: the record of a run says what was used.

    Raises:
        ValueError: if the motion asked for cannot be had from such data.
    """
    motion = config.motion
    if motion is None:
        on_frames = "dgm" if config.model == "frl_dgt" else "farneback"
        motion = "precomputed" if kind == "precomputed" else on_frames
    if (kind == "precomputed") != (motion == "precomputed"):
        raise ValueError(
            f"--motion {motion} does not suit {config.dataset}: "
            + (
                "it holds motion images, use precomputed"
                if kind == "precomputed"
                else "it holds frames"
            )
        )
    if config.model == "ststnet" and motion == "dgm":
        raise ValueError(
            "--model ststnet needs motion maps: choose --motion farneback, dis or tvl1"
        )
    values = {**PRESETS[kind], **MODEL_PRESETS.get((config.model, kind), {})}
    preset = {name: value for name, value in values.items() if getattr(config, name) is None}
    config = dataclasses.replace(config, motion=motion, **preset)
    return dataclasses.replace(config, mixed_precision=resolve_precision(config.mixed_precision))
