"""The models: what each is given, which options it has, and how it is built.

`MODELS` is the only list of them. Importing this package loads no TensorFlow; `build` does.
"""

import dataclasses
import importlib
import typing

FLOWS = ("farneback", "dis", "tvl1", "dynamic_image", "difference")  # motion from two frames
MOTIONS = ("dgm", *FLOWS, "precomputed")


@dataclasses.dataclass(frozen=True)
class Model:
    """What is known of a model before it is built.

    Attributes:
        name: as `--model` takes it; of the module in this package, and of the builder in it.
        motions: where its motion may come from; the first is the default for frames. "dgm" is its
            own displacement generator: such a model is given two frames, else motion maps.
        options: the fields of `ModelOptions` that its builder takes.
        presets: kind of data ("frames", "precomputed") -> options it trains best with, found by
            the runs in docs/benchmarks.md.
    """

    name: str
    motions: tuple[str, ...]
    options: tuple[str, ...]
    presets: typing.Mapping[str, typing.Mapping[str, typing.Any]]

    @property
    def builder(self):
        """The function that builds it, a `keras.Model`."""
        module = importlib.import_module(f"{__name__}.{self.name}")
        return getattr(module, self.name)


_TRAINING = {"epochs": 30, "learning_rate": 2e-3, "dropout": 0.1}
_FRAMES = {**_TRAINING, "hidden_dim": 64, "crop_size": 12, "mixed_precision": "auto"}
# bfloat16 has nothing to gain on images of 28 px
_PRECOMPUTED = {**_TRAINING, "hidden_dim": 32, "crop_size": 8, "mixed_precision": "off"}

FRL_DGT = Model(
    "frl_dgt",
    motions=MOTIONS,
    options=(
        *("filters", "max_displacement", "hidden_dim", "num_heads", "num_layers", "dropout"),
        *("head_dropout", "readout", "crop_size", "patch_size", "stochastic_depth"),
        *("fusion_order", "local_fusion", "global_fusion", "face_fusion"),
    ),
    presets={"frames": _FRAMES, "precomputed": _PRECOMPUTED},
)
STSTNET = Model(
    "ststnet",
    motions=(*FLOWS, "precomputed"),
    options=("head_dropout",),
    presets={
        "frames": _FRAMES,
        "precomputed": {**_PRECOMPUTED, "epochs": 60, "learning_rate": 5e-3},
    },
)
MODELS = {model.name: model for model in (FRL_DGT, STSTNET)}


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
        ValueError: an unknown name.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}: choose one of {', '.join(MODELS)}")
    return MODELS[name].builder(
        image_size=image_size, num_classes=num_classes, motion_channels=motion_channels, **options
    )
