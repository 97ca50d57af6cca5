"""The knobs of the synthetic database, apart from what turns them: `--help` loads nothing else."""

import dataclasses

from pipelines.cli import option

LAYOUTS = ("smic", "casme2", "samm", "casme3", "mmew", "4dme", "dfme", "casme")


@dataclasses.dataclass(frozen=True)
class SynthesisConfig:
    """The knobs of the synthetic database. Sizes in px are those of the 128 px aligned face."""

    layout: str = option("smic", "on-disk layout and naming", choices=LAYOUTS)
    num_subjects: int = option(8, "subjects, each with a face of its own")
    clips_per_class: int = option(4, "clips of each of the three classes for each subject")
    num_frames: int = option(12, "mean number of frames of a clip, onset to offset")
    amplitude_px: float = option(0.75, "mean motion of the face at the apex, px; 0: none")
    noise: float = option(1.0, "standard deviation of the sensor noise, grey levels")
    drift: float = option(1.0, "how far the head drifts during a clip, px")
    flicker: float = option(0.003, "amplitude of the lamp's flicker, share of the brightness")
    frame_size: tuple[int, ...] = option((640, 480), "width and height of a frame, px", nargs=2)
    seed: int = option(0, "of all chance: subjects, clips, noise")

    def __post_init__(self):
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, got {self.layout!r}")
        for name in ("num_subjects", "clips_per_class"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.num_frames < 4:
            raise ValueError(f"num_frames must be at least 4, got {self.num_frames}")
        for name in ("amplitude_px", "noise", "drift", "flicker", "seed"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if len(self.frame_size) != 2 or self.frame_size[0] < 160 or self.frame_size[1] < 120:
            raise ValueError(f"frame_size must be at least 160 120, got {self.frame_size}")
