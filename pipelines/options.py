"""Options of preparing clips and of drawing training pairs. Plain records: no TensorFlow needed."""

import dataclasses
from typing import Optional

from pipelines import cli, databases
from pipelines.cli import option
from pipelines.databases import DATABASES
from pipelines.schema import OptionError

APEX_RULES = ("annotated", "middle", "spotted")


@dataclasses.dataclass(frozen=True)
class PreparationOptions:
    """Which clips, and how they are aligned."""

    dataset: str = option("synthetic", "database", tuple(DATABASES), common=True)
    data_root: Optional[tuple[str, ...]] = option(
        None,
        "folder of the copy, or smic=DIR casme2=DIR samm=DIR for a dataset of several "
        "(default: $ME_KERAS_DATA; synthetic is rendered on the spot)",
        metavar="DIR",
        nargs="+",
        common=True,
        decides=False,
    )
    image_size: int = option(128, "side of the aligned face, px", least=32, common=True)
    margin: int = option(8, "px kept around it on each side, room for random shifts", least=0)
    max_frames: int = option(32, "frames kept per clip; onset, apex and offset always", least=3)
    apex: str = option(
        "annotated",
        "apex frame: the database's label (none where it has none: training then takes the "
        "middle), the middle of the clip, or spotted from the motion",
        APEX_RULES,
        common=True,
    )
    rigid: bool = option(True, "remove the head's residual rigid motion")
    allow_missing: bool = option(
        False, "go on when over 5 %% of the clips cannot be used", common=True, decides=False
    )

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class AugmentationOptions:
    """How a training pair is varied: each draw is uniform, up to the value and both ways."""

    mirror: float = option(0.5, "share of the pairs that is mirrored", within="[0, 1]")
    shift: float = option(0.0625, "largest shift, as a share of the image size", within="[0, 0.5]")
    gain: float = option(0.1, "brightness: both frames times 1 ± this", within="[0, 1)")
    contrast: float = option(
        0.1, "contrast: both frames stretched about mid-grey by 1 ± this", within="[0, 1)"
    )
    tone: float = option(0.1, "mid-tones bent by ± this, as a gamma does", within="[0, 1)")
    flicker: float = option(0.01, "brightness of the apex frame times 1 ± this", within="[0, 1)")
    noise: float = option(0.0, "standard deviation of noise, white = 1", within="[0, 1)")
    motion_gain: float = option(0.0, "stored motion times 1 ± this", within="[0, 1)")
    motion_turn: float = option(0.0, "stored motion turned by ± this, degrees", within="[0, 180]")

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """What a model is trained on: random pairs (as in the paper), their ranges (our choice)."""

    preparation: PreparationOptions = PreparationOptions()
    prepared: Optional[str] = option(
        None,
        "folder of the prepared form (default: prepared/<dataset>-<parameters>)",
        metavar="DIR",
        common=True,
        decides=False,
    )
    protocol: Optional[str] = option(
        None,
        "clips, classes and what is held out (default: the field's usual one, listed below)",
        common=True,
    )
    batch_size: int = option(32, "pairs in a batch", least=1, common=True)
    onset_jitter: float = option(
        0.1, "onset drawn from this share of the rise, from its start", within="[0, 1]"
    )
    apex_jitter: float = option(
        0.25, "apex drawn within this share of rise and decay", within="[0, 1]"
    )
    balance: float = option(
        1.0, "0: clips as they are; 1: classes equally likely; between: a mix", within="[0, 1]"
    )
    shift_onset: int = option(
        0,
        "held-out clips: the onset is taken this many kept frames later (see max_frames), within "
        "the clip: what errors of the annotated frames cost. Clips begin at the onset: there is "
        "none earlier",
        least=0,
    )
    shift_apex: int = option(
        0,
        "held-out clips: the apex is taken this many kept frames later, below 0 earlier, within "
        "the clip and after the onset",
    )
    augmentation: AugmentationOptions = AugmentationOptions()

    def __post_init__(self):
        cli.check(self)
        dataset = self.preparation.dataset
        if self.shifts and databases.load(dataset).precomputed:
            raise OptionError(
                f"shift_onset and shift_apex need frames: {dataset} holds one flow image of each "
                "clip; leave them at 0"
            )

    @property
    def shifts(self) -> bool:
        """Whether held-out clips are shown at other frames than those annotated."""
        return bool(self.shift_onset or self.shift_apex)
