"""Options of the synthetic database, apart from what they steer: `--help` loads nothing else."""

import dataclasses

from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

LAYOUTS = ("smic", "casme2", "samm", "casme3", "mmew", "4dme", "dfme", "casme")


@dataclasses.dataclass(frozen=True)
class SynthesisConfig:
    """What the database holds. Sizes in px are those of the 128 px aligned face."""

    layout: str = option("smic", "on-disk layout and naming", LAYOUTS)
    num_subjects: int = option(8, "subjects, each with a face of its own", least=1)
    clips_per_class: int = option(4, "clips of each of the three classes and subjects", least=1)
    num_frames: int = option(12, "mean number of frames of a clip, onset to offset", least=4)
    amplitude_px: float = option(0.75, "mean motion of the face at the apex, px; 0: none", least=0)
    blend: float = option(
        0.0, "strength of an action unit of another emotion in each clip; 0: none", least=0
    )
    noise: float = option(1.0, "standard deviation of the sensor noise, grey levels", least=0)
    drift: float = option(1.0, "how far the head drifts during a clip, px", least=0)
    flicker: float = option(0.003, "amplitude of the lamp's flicker, share of 1", least=0)
    frame_size: tuple[int, ...] = option((640, 480), "width and height of a frame, px", nargs=2)
    seed: int = option(0, "of all chance: subjects, clips, noise", least=0)

    def __post_init__(self):
        cli.check(self)
        if len(self.frame_size) != 2 or self.frame_size[0] < 160 or self.frame_size[1] < 120:
            raise OptionError(f"frame_size must be at least 160 120, got {self.frame_size}")
