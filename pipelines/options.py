"""Options of the input pipeline. Plain dataclasses, so that `--help` needs no TensorFlow."""

import dataclasses

from pipelines.cli import option


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How a training pair is varied: each draw is uniform, up to the value and both ways.

    Raises:
        ValueError: a value outside the range its help states.
    """

    mirror: float = option(0.5, "share of the pairs that is mirrored, in [0, 1]")
    shift: float = option(
        0.0625, "largest shift of the crop, as a share of the image size, in [0, 0.5]"
    )
    gain: float = option(0.1, "brightness: both frames times 1 ± this, in [0, 1)")
    contrast: float = option(
        0.1, "contrast: both frames stretched about mid-grey by 1 ± this, in [0, 1)"
    )
    tone: float = option(0.1, "mid-tones of both frames bent by ± this, as a gamma does, in [0, 1)")
    flicker: float = option(0.01, "brightness of the apex frame alone times 1 ± this, in [0, 1)")
    noise: float = option(0.0, "standard deviation of noise in each frame, white = 1, in [0, 1)")
    motion_gain: float = option(0.0, "stored motion times 1 ± this, in [0, 1)")
    motion_turn: float = option(0.0, "stored motion vectors turned by ± this, degrees, in [0, 180]")

    def __post_init__(self):
        limits = {"mirror": 1, "shift": 0.5, "motion_turn": 180}
        for field in dataclasses.fields(AugmentConfig):
            value, limit = getattr(self, field.name), limits.get(field.name)
            if not (0 <= value <= limit if limit else 0 <= value < 1):
                span = f"[0, {limit}]" if limit else "[0, 1)"
                raise ValueError(f"{field.name} must lie in {span}, got {value}")


@dataclasses.dataclass(frozen=True)
class DatasetConfig(AugmentConfig):
    """How pairs are drawn from clips. P: pairs are random in training; E: their ranges, `balance`.

    Raises:
        ValueError: a value outside the range its help states.
    """

    batch_size: int = option(32, "pairs in a batch, at least 1")
    onset_jitter: float = option(
        0.1, "onset drawn from this share of the rise, from its start, in [0, 1]"
    )
    apex_jitter: float = option(0.25, "apex drawn within this share of rise and decay, in [0, 1]")
    balance: float = option(1.0, "0: clips as they are; 1: classes equally likely; between: a mix")

    def __post_init__(self):
        super().__post_init__()
        for name in ("onset_jitter", "apex_jitter", "balance"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {self.batch_size}")
