"""Options of predictions: how a clip is looked at, which model answers, what is written where."""

import dataclasses
import pathlib
from typing import Optional

from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

FACES = ("only", "largest", "left", "right", "middle")
FIGURES = (".png", ".pdf", ".svg")
TEXTS = ("json", "csv", "regions")  # what can be written to the terminal
EVENTS = (".csv", ".txt", ".eaf")


@dataclasses.dataclass(frozen=True)
class ClipOptions:
    """How a clip is looked at."""

    onset_frame: Optional[int] = option(None, "onset of the clip, counted from 0", metavar="N")
    apex_frame: Optional[int] = option(
        None, "apex of the clip, counted from 0 (default: spotted)", metavar="N"
    )
    fps: Optional[float] = option(
        None,
        "frames per second as filmed, for folders, or for a video made to be played slowly "
        "(default: the container's time stamps)",
        within="(0, inf)",
    )
    window: float = option(
        0.5, "seconds; longer videos are answered in windows; 0: never", within="[0, inf)"
    )
    stride: Optional[float] = option(
        None, "seconds from one window to the next (default: half a window)", within="(0, inf)"
    )
    max_frames: int = option(64, "frames looked at in a window, evenly spread", least=3)
    face: str = option(
        "only",
        "which of several faces: only refuses them; else the largest, or the one at the left, "
        "right or middle of the picture, which is then followed along the video",
        FACES,
    )

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class SourceOptions:
    """What is looked at."""

    onset: Optional[str] = option(None, "image of the face before it moves", metavar="IMAGE")
    apex: Optional[str] = option(None, "image at the height of the expression", metavar="IMAGE")
    clip: Optional[tuple[str, ...]] = option(
        None, "videos, or folders of images", metavar="PATH", nargs="+"
    )


@dataclasses.dataclass(frozen=True)
class AnswerOptions:
    """What answers."""

    model: str = option(
        "saved_models/frl_dgt", "exported model, or one version of it", metavar="DIR"
    )
    server: Optional[str] = option(
        None,
        "ask TensorFlow Serving instead, grpc://HOST:8500 or http://HOST:8501; --model then only "
        "names the model and holds its contract",
        metavar="ADDRESS",
    )


@dataclasses.dataclass(frozen=True)
class OutputOptions:
    """What is written."""

    json: Optional[str] = option(None, "write everything as JSON; - for the terminal", None, "FILE")
    csv: Optional[str] = option(None, "write a row per window; - for the terminal", None, "FILE")
    regions: Optional[str] = option(
        None,
        "write as CSV how each region moved in every frame; - for the terminal",
        None,
        "FILE",
    )
    events: Optional[str] = option(
        None,
        "write when the face moved, what moved and the class: .csv, or for ELAN .eaf or .txt; of "
        "several clips NAME-<clip>.csv",
        None,
        "FILE",
    )
    figure: Optional[str] = option(
        None, "draw the answer (.png, .pdf, .svg); of several clips NAME-<clip>.png", None, "FILE"
    )
    explain: Optional[str] = option(
        None,
        "draw why: what the displacement explains, what the class rests on, and which action "
        "units the motion looks like; as --figure",
        None,
        "FILE",
    )
    save_pair: Optional[str] = option(
        None,
        "write the aligned faces as onset.png and apex.png, which the signature serving_bytes "
        "takes; of several clips <clip>-onset.png",
        None,
        "DIR",
    )

    def __post_init__(self):
        texts = [name for name in TEXTS if getattr(self, name) == "-"]
        if len(texts) > 1:
            raise OptionError(f"--{texts[0]} - and --{texts[1]} - cannot share the terminal")
        for name, endings in {"figure": FIGURES, "explain": FIGURES, "events": EVENTS}.items():
            path = getattr(self, name)
            if path and pathlib.Path(path).suffix.lower() not in endings:
                raise OptionError(f"--{name} must end in {', '.join(endings)}, got {path!r}")


@dataclasses.dataclass(frozen=True)
class PredictOptions:
    """Options of `python -m me_keras.predict`."""

    source: SourceOptions = SourceOptions()
    clip: ClipOptions = ClipOptions()
    answer: AnswerOptions = AnswerOptions()
    output: OutputOptions = OutputOptions()

    @property
    def sources(self) -> list:
        """The clips, or the one pair (onset, apex).

        Raises:
            OptionError: neither or both, or one image of a pair.
        """
        pair = self.source.onset, self.source.apex
        clips = self.source.clip
        if clips is None and pair == (None, None):
            raise OptionError("nothing to look at: give --clip, or --onset and --apex")
        if clips is not None and pair != (None, None):
            raise OptionError("--clip or --onset and --apex, not both")
        if clips is not None:
            return list(clips)
        if None in pair:
            raise OptionError("--onset and --apex belong together: give both")
        if (self.clip.onset_frame, self.clip.apex_frame) != (None, None):
            raise OptionError("--onset-frame and --apex-frame are for --clip")
        return [pair]
