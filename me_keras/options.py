"""Options of the library and its commands: nested frozen records, of which `pipelines.cli` makes
flags. None stands for the preset of the model and the kind of data, which `resolve` fills in."""

import dataclasses
import re
from typing import Optional

from me_keras.models import MODELS, MOTIONS
from pipelines import cli
from pipelines.cli import option
from pipelines.options import DataOptions
from pipelines.schema import OptionError

FUSIONS = ("parallel", "stems", "s_to_t", "t_to_s_early", "t_to_s")
STRATEGIES = ("auto", "default", "mirrored", "multiworker")

# Names that options had in older versions.
RENAMED = {"width": "hidden_dim", "heads": "num_heads", "depth": "num_layers"}
# What options did that were not there yet: the config.json of an older run lacks them.
BEFORE = {"linear_readout": False, "schedule": "cosine"}
# What config.json holds beside options, and options that are gone.
NOT_OPTIONS = ("data_digest", "versions", "worker_timeout", "steps_per_execution", "tuning")


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """What is built."""

    name: str = option("frl_dgt", "model to train", tuple(MODELS), flag="model", common=True)
    motion: Optional[str] = option(
        None,
        "where the motion comes from: the learned displacement generator (dgm), both frames as "
        "they are, a classical flow, an image of the difference or of all frames, or an image of "
        "the database (default: precomputed for flow images; for frames what the model can take, "
        "dgm for frl_dgt)",
        MOTIONS,
        common=True,
    )
    filters: tuple[int, ...] = option(
        (32, 64, 96), "displacement generator: channels per level", nargs="+", metavar="N"
    )
    max_displacement: float = option(8.0, "displacement generator: bound, pixels")
    hidden_dim: Optional[int] = option(
        None, "token width of the fusions (default: by data)", least=1, common=True
    )
    num_heads: int = option(4, "attention heads", least=1)
    num_layers: int = option(1, "Transformer blocks in each fusion", least=1)
    dropout: Optional[float] = option(
        None, "dropout in the fusions (default: by data)", within="[0, 1)", common=True
    )
    head_dropout: Optional[float] = option(
        None, "dropout before the classifiers (default: by data)", within="[0, 1)"
    )
    readout: Optional[int] = option(
        None,
        "numbers each region and face patch hands to the classifier; 0: their mean over places "
        "(default: by data)",
        least=0,
    )
    crop_size: Optional[int] = option(
        None, "side of a region's crop, samples (default: by data)", metavar="N", least=1
    )
    patch_size: int = option(4, "side of a region's patches, samples", least=1)
    stochastic_depth: float = option(
        0.0, "chance to skip a Transformer branch in training", within="[0, 1)"
    )
    fusion_order: str = option(
        "before", "linear fusion before or after attention", ("before", "after")
    )
    fusion: str = option("parallel", "tsfmicro: where its branches meet", FUSIONS)
    local_fusion: bool = option(True, "Transformer inside each action-unit region")
    global_fusion: bool = option(True, "Transformer across the regions")
    face_fusion: bool = option(True, "Transformer over the whole face")
    linear_readout: bool = option(True, "the fusions build on a linear read-out of the motion")

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """How one fold is trained."""

    epochs: Optional[int] = option(
        None,
        "epochs of joint training, fixed beforehand (default: by data)",
        least=1,
        common=True,
    )
    dgm_init: Optional[str] = option(
        None,
        "what the displacement generator starts from: the weights that come with the package, "
        "trained on rendered faces, or none (default: shipped for the default --filters)",
        ("shipped", "none"),
        common=True,
    )
    dgm_pretext: bool = option(True, "warm-up also on known warps of the onset frames", common=True)
    warmup_epochs: int = option(
        3, "epochs of the displacement generator alone, before", least=0, common=True
    )
    learning_rate: Optional[float] = option(
        None, "peak of the cosine schedule (default: by data)", common=True
    )
    schedule: Optional[str] = option(
        None,
        "how the learning rate falls: as a cosine, to a tenth at each third of the training "
        "(step), or exponentially to half (default: by model, cosine for frl_dgt)",
        ("cosine", "step", "exponential"),
    )
    weight_decay: Optional[float] = option(
        None, "AdamW's decoupled weight decay (default: by model)", least=0
    )
    label_smoothing: float = option(
        0.1, "share of the label spread over all classes", within="[0, 1)"
    )
    weight_average: float = option(
        0.99, "momentum of the averaged weights that predict; 0: off", within="[0, 1)"
    )
    dgm: str = option(
        "joint",
        "joint: recognition shapes the displacement too; two-stage: only self-supervision does; "
        "frozen: it stays as warm-up left it",
        ("joint", "two-stage", "frozen"),
        common=True,
    )
    dgm_weight: float = option(
        1.0, "lambda: weight of self-supervision beside the recognition", common=True
    )
    dgm_rate: float = option(
        0.1,
        "learning rate of the displacement generator, as a share of the others', in joint training "
        "and where it starts from the shipped weights",
        within="[0, 1]",
    )
    reconstruction: str = option(
        "photometric",
        "how the warped apex is compared with the onset: photometric, census, structure or "
        "another of RECONSTRUCTION in me_keras/losses.py",
    )
    smoothness: float = option(0.03, "weight of the edge-aware smoothness")
    edge: float = option(20.0, "smoothness: how much image edges relax it")
    forward_backward: float = option(0.0, "weight of forward-backward consistency in warm-up")
    mirror_test: bool = option(True, "average the prediction with the mirrored face's")
    mixed_precision: Optional[str] = option(
        None,
        "train in bfloat16 where the hardware has it (auto); float16, with a loss scale, for GPUs "
        "without; prediction is in float32 always (default: auto for frames, off for flow images)",
        ("auto", "off", "bfloat16", "float16"),
        common=True,
    )
    tf32: bool = option(
        False,
        "let GPUs round the factors of float32 products to TF32's 10 bits: faster; TensorFlow's "
        "own default. Off here: filters and motion are such products, and results like a CPU's",
    )
    jit: bool = option(False, "compile training steps with XLA: for GPUs; slower on CPUs")

    def __post_init__(self):
        cli.check(self)
        if self.reconstruction not in ("photometric", "census", "structure"):
            from me_keras.losses import RECONSTRUCTION  # loads TensorFlow: for others only

            if self.reconstruction not in RECONSTRUCTION:
                known = ", ".join(RECONSTRUCTION)
                raise OptionError(
                    f"reconstruction must be one of {known}, got {self.reconstruction!r}"
                )


@dataclasses.dataclass(frozen=True)
class RunOptions:
    """What is held out, how often, and where results go."""

    subjects: tuple[str, ...] = option(
        (),
        "hold out only these subjects, e.g. s01 s02 (default: all)",
        nargs="+",
        metavar="S",
        common=True,
        decides=False,
    )
    seed: int = option(0, "first seed", common=True, decides=False)
    num_seeds: int = option(
        1, "repetitions: seed, seed + 1, …", least=1, common=True, decides=False
    )
    num_folds: Optional[int] = option(
        None,
        "share the subjects out over this many folds, for a quick comparison (default: one subject "
        "is left out at a time)",
        metavar="N",
        least=2,
    )
    out: Optional[str] = option(
        None,
        "folder of the results (default: runs/<dataset>-<model>-<digest>)",
        metavar="DIR",
        common=True,
        decides=False,
    )
    save_models: bool = option(
        False,
        "keep the model of each fold, a .keras file beside its record",
        common=True,
        decides=False,
    )
    tuned_on: tuple[str, ...] = option(
        (),
        "subjects these options were tuned on, as best.json of me_keras.tune states them: "
        "results that report them are stamped",
        nargs="+",
        metavar="S",
    )

    mlflow: bool = option(
        False,
        "also log what is found to MLflow, at MLFLOW_TRACKING_URI (needs me-keras[mlflow])",
        common=True,
        decides=False,
    )

    def __post_init__(self):
        cli.check(self)
        if self.num_folds and self.subjects:
            raise OptionError("num_folds holds out every subject: leave --subjects out")


@dataclasses.dataclass(frozen=True)
class ExecutionOptions:
    """Where folds are trained; none of it changes a result beyond rounding."""

    jobs: int = option(
        1,
        "local: processes that train folds side by side; they share the cores",
        least=1,
        common=True,
    )
    executor: str = option(
        "local",
        "local: on this machine; ray: on a Ray cluster, a task for each fold (needs "
        "me-keras[ray]; all machines must reach the --prepared folder under the same path)",
        ("local", "ray"),
        common=True,
    )
    threads: Optional[int] = option(
        None,
        "TensorFlow's threads for one operation, in each process (default: half of its cores; with "
        "ray, of --cpus-per-fold). Runs with equal threads are equal to the bit",
        metavar="N",
        least=1,
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
        within="[0, inf)",
    )
    cpus_per_fold: float = option(
        1.0, "ray: CPUs that each fold asks for", metavar="N", within="[0, inf)"
    )
    gpus_per_fold: float = option(
        0.0, "ray: GPUs that each fold asks for; 0.5: two share one", metavar="N", within="[0, inf)"
    )
    shard: Optional[str] = option(
        None,
        "train only the i-th of n parts of all folds and seeds, i from 1; the parts may run at "
        "once on machines that share --out, e.g. --shard $SLURM_ARRAY_TASK_ID/16",
        metavar="I/N",
        common=True,
    )
    merge: bool = option(
        False, "train nothing: pool the folds that are in the run's folder", common=True
    )
    strategy: str = option(
        "auto",
        "devices of one fold: one (default), all GPUs of this machine (mirrored), or the machines "
        "in TF_CONFIG (multiworker); auto takes what there is",
        STRATEGIES,
    )

    def __post_init__(self):
        cli.check(self)
        if self.executor == "ray" and self.jobs != 1:
            raise OptionError("jobs is for --executor local; with ray, set --cpus-per-fold")
        if self.shard is not None:
            parse_shard(self.shard)
            if self.merge:
                raise OptionError("merge takes the folds of all shards: leave --shard out")
        if self.strategy == "multiworker" and not self.in_this_process:
            raise OptionError(
                "strategy multiworker trains one fold on all machines: leave out "
                "--jobs and --executor"
            )

    @property
    def in_this_process(self) -> bool:
        """Whether no other process is asked to train."""
        return self.executor == "local" and self.jobs == 1


@dataclasses.dataclass(frozen=True)
class Options:
    """A run: leave-one-subject-out, from a copy of a database to scores."""

    data: DataOptions = DataOptions()
    model: ModelOptions = ModelOptions()
    training: TrainingOptions = TrainingOptions()
    run: RunOptions = RunOptions()
    execution: ExecutionOptions = ExecutionOptions()

    @property
    def dataset(self) -> str:
        """Name of the database."""
        return self.data.preparation.dataset

    @property
    def starts_from_shipped_weights(self) -> bool:
        """Whether the displacement generator does: where nothing is said, if they suit it."""
        if self.training.dgm_init is None:
            return self.model.filters == ModelOptions.filters
        return self.training.dgm_init == "shipped"


@dataclasses.dataclass(frozen=True)
class ManyRuns(Options):
    """Options of a command that makes several runs, on top of those that they share."""

    def __post_init__(self):
        if self.execution.shard or self.execution.merge:
            raise OptionError("shard and merge are for me_keras.loso: here there is --jobs")
        if self.execution.strategy == "multiworker":
            raise OptionError("strategy multiworker is for me_keras.loso: here there is --jobs")

    @property
    def start(self) -> Options:
        """The options of `me_keras.loso` among these."""
        names = [field.name for field in dataclasses.fields(Options)]
        return Options(**{name: getattr(self, name) for name in names})


def parse_shard(text):
    """The (i, n) of "i/n": the i-th of n parts, counted from 1.

    Raises:
        OptionError: it is no such text, or i is not in 1..n.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        raise OptionError(f"shard must be i/n, such as 1/4, got {text!r}")
    number, count = map(int, match.groups())
    if not 1 <= number <= count:
        raise OptionError(f"shard i/n needs 1 <= i <= n, got {text}")
    return number, count


def resolve(options, kind):
    """`options` with its open values filled in for data of this kind ("frames", "precomputed").

    `mixed_precision` stays "auto": what the hardware has is `distribution.resolve_precision`'s.

    Raises:
        OptionError: the motion asked for cannot be had from such data, or not by this model.

    Examples:
        >>> resolved = resolve(Options(), "frames")
        >>> resolved.model.motion, resolved.training.epochs
        ('dgm', 30)
    """
    model, motion = MODELS[options.model.name], options.model.motion
    if motion is None:
        motion = "precomputed" if kind == "precomputed" else model.motions[0]
    if (kind == "precomputed") != (motion == "precomputed"):
        held = "motion images, use precomputed" if kind == "precomputed" else "frames"
        raise OptionError(f"--motion {motion} does not suit {options.dataset}: it holds {held}")
    if motion not in model.motions:
        raise OptionError(_unfit(model, motion, options.dataset))
    if model.classical and options.run.save_models:
        raise OptionError(f"--save-models: {model.name} is fitted by scikit-learn, no Keras model")
    if model.classical and options.data.shifts:
        raise OptionError(
            f"--shift-onset, --shift-apex: {model.name} is fitted by scikit-learn, on the frames "
            "that it is asked about: leave them out"
        )
    preset = {k: v for k, v in model.presets[kind].items() if cli.value_of(options, k) is None}
    return cli.replace(options, motion=motion, **preset)


def _unfit(model, motion, dataset):
    """Why a model cannot take this motion, and what fits."""
    if motion == "precomputed":
        fits = ", ".join(name for name, other in MODELS.items() if motion in other.motions)
        return f"--model {model.name} needs frames, {dataset} holds motion images: choose {fits}"
    return f"--model {model.name} cannot take --motion {motion}: choose {', '.join(model.motions)}"
