"""The models: what each is given, which options it has, and how it is built.

`MODELS` is the only list of them. Importing this package loads no TensorFlow; `build` does.
"""

import dataclasses
import importlib
import typing

FLOWS = ("farneback", "dis", "tvl1")  # displacement from two frames, and its strain
IMAGES = ("difference", "dynamic_image", "ranked_image", "intensity_image")  # of one channel
MOTIONS = ("dgm", "frames", *FLOWS, *IMAGES, "dynamic_images", "precomputed")


@dataclasses.dataclass(frozen=True)
class Model:
    """What is known of a model before it is built.

    Attributes:
        name: as `--model` takes it; of the module in this package, and of the builder in it.
        motions: where its motion may come from; the first is the default for frames. With "dgm",
            its own displacement generator, and with "frames" it is given two frames, else motion
            maps.
        options: the fields of `ModelOptions` that its builder takes.
        presets: kind of data ("frames", "precomputed") -> options it trains best with.
        classical: whether scikit-learn fits it, see `me_keras.classical`: it has no builder.
    """

    name: str
    motions: tuple[str, ...]
    options: tuple[str, ...]
    presets: typing.Mapping[str, typing.Mapping[str, typing.Any]]
    classical: bool = False

    @property
    def builder(self):
        """The function that builds it, a `keras.Model`."""
        module = importlib.import_module(f"{__name__}.{self.name}")
        return getattr(module, self.name)


_TRAINING: dict[str, typing.Any] = {"epochs": 30, "learning_rate": 2e-3, "dropout": 0.1}
_TRAINING |= {"weight_decay": 0.01, "schedule": "cosine", "head_dropout": 0.5, "readout": 32}
_FRAMES = {**_TRAINING, "hidden_dim": 64, "crop_size": 12, "mixed_precision": "auto"}
# bfloat16 has nothing to gain on images of 28 px
_PRECOMPUTED = {**_TRAINING, "hidden_dim": 32, "crop_size": 8, "mixed_precision": "off"}


def _presets(**changes):
    """The presets of a model that is trained otherwise than FRL-DGT."""
    return {"frames": {**_FRAMES, **changes}, "precomputed": {**_PRECOMPUTED, **changes}}


FRL_DGT = Model(
    "frl_dgt",
    motions=("dgm", *FLOWS, *IMAGES, "precomputed"),
    options=(
        *("filters", "max_displacement", "hidden_dim", "num_heads", "num_layers", "dropout"),
        *("head_dropout", "readout", "crop_size", "patch_size", "stochastic_depth"),
        *("fusion_order", "local_fusion", "global_fusion", "face_fusion"),
        "linear_readout",
    ),
    presets={
        "frames": _FRAMES,
        "precomputed": {**_PRECOMPUTED, "head_dropout": 0.7, "readout": 8},
    },
)
STSTNET = Model(
    "ststnet",
    motions=(*FLOWS, *IMAGES, "precomputed"),
    options=("head_dropout",),
    presets={
        "frames": _FRAMES,
        "precomputed": {**_PRECOMPUTED, "epochs": 60, "learning_rate": 5e-3},
    },
)
_FLOW_IMAGES = (*FLOWS, "precomputed")
OTHERS = (
    Model("off_apexnet", _FLOW_IMAGES, ("head_dropout",), _presets(learning_rate=1e-3)),
    Model("dual_inception", _FLOW_IMAGES, (), _presets(learning_rate=1e-3)),
    Model("featref", _FLOW_IMAGES, ("head_dropout",), _presets(learning_rate=1e-3)),
    Model("rcn_a", (*FLOWS, *IMAGES, "precomputed"), ("head_dropout",), _presets()),
    # Published are a width of 256 and 5e-5: a fold of that takes a quarter of an hour on two cores.
    Model("htnet", _FLOW_IMAGES, ("hidden_dim",), _presets(hidden_dim=32, learning_rate=5e-4)),
    Model(
        "tsfmicro",
        ("frames",),
        ("fusion",),
        _presets(learning_rate=8e-4, weight_decay=0.6, schedule="exponential"),
    ),
    Model(
        "dual_branch",
        ("frames", *FLOWS, *IMAGES, "precomputed"),
        ("head_dropout",),
        _presets(learning_rate=1e-3, schedule="step"),
    ),
    Model("afn", ("dynamic_images",), ("head_dropout",), _presets(learning_rate=1e-3)),
)
_FITTED = {kind: {"epochs": 1, "mixed_precision": "off"} for kind in ("frames", "precomputed")}
CLASSICAL = tuple(
    Model(name, motions, (), _FITTED, classical=True)
    for name, motions in {
        "ridge": (*FLOWS, *IMAGES, "precomputed"),
        "linear_svm": (*FLOWS, *IMAGES, "precomputed"),
        "rbf_svm": (*FLOWS, *IMAGES, "precomputed"),
        "mdmo": _FLOW_IMAGES,
        "lbp_top": ("frames",),
    }.items()
)
MODELS = {model.name: model for model in (FRL_DGT, STSTNET, *OTHERS, *CLASSICAL)}


def build(name, image_size=128, num_classes=3, motion_channels=0, **options):
    """Builds a model by name.

    Args:
        image_size: int, side of frames or motion maps, pixels.
        num_classes: int.
        motion_channels: int; 0 for a model that is given frames.
        **options: as its builder takes them.
    Returns:
        `keras.Model`.
    Raises:
        ValueError: an unknown name, or one that scikit-learn fits.
    """
    known = [model.name for model in MODELS.values() if not model.classical]
    if name not in known:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(known)}")
    return MODELS[name].builder(
        image_size=image_size, num_classes=num_classes, motion_channels=motion_channels, **options
    )
