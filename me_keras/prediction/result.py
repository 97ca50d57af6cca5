"""What the model says of a clip, as a record: for the table, for JSON, for the picture."""

from __future__ import annotations

import dataclasses
import functools
import math
import typing

import numpy as np

from me_keras import __version__
from me_keras.interpretation import motion_units
from me_keras.motion_figures import STILL_EXPLAINED, STILL_PX

GAIN = (  # of gain and explained
    "share of the difference between onset and apex that is motion and not noise or light; never "
    "near 1 on films of a camera"
)
# Attributes of a window, and the output of the model that each is.
OUTPUTS = {
    "gain": "reconstruction_gain",
    "explained": "motion_explained",
    "mean_displacement": "displacement_mean_px",
    "max_displacement": "displacement_max_px",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Window:
    """An onset and an apex of a clip, and the answer: a row of the table.

    Attributes:
        first, last: frames that the window spans, 0-based.
        onset, apex: frames compared; the apex is None where there is no answer.
        seconds: dict of when `first`, `last`, `onset` and `apex` were taken; None where unknown.
        classes: names of the classes.
        probabilities: (k,) one for each class, adding up to 1; empty where there is no answer.
        gain, explained: `reconstruction_gain` and `motion_explained` of
            `motion_figures`: shares of the difference between onset and apex that are
            motion and not noise, over the image and over the smoothed face.
        mean_displacement, max_displacement: over the face, px of the aligned face.
        problem: why there is no answer; "" where there is one.
        doubtful: whether the apex's face was not brought to the onset's place.
        notes: what a user should know of the answer, a line each.
    """

    first: int
    last: int
    onset: int
    apex: int | None
    seconds: dict | None
    classes: tuple[str, ...]
    probabilities: tuple[float, ...] = ()
    gain: float = math.nan
    explained: float = math.nan
    mean_displacement: float = math.nan
    max_displacement: float = math.nan
    problem: str = ""
    doubtful: bool = False
    notes: tuple[str, ...] = ()

    @property
    def predicted(self) -> str:
        """The class of the highest probability; "" where there is no answer."""
        return "" if self.problem else self.classes[int(np.argmax(self.probabilities))]

    @property
    def moved(self) -> bool:
        """Whether the face moved more than noise alone makes it seem to."""
        return self.explained >= STILL_EXPLAINED and self.max_displacement >= STILL_PX

    @property
    def motion(self) -> tuple[bool, float]:
        """Whether it is beyond doubt, and its mean motion as far as it is explained, px."""
        return self.moved and not self.doubtful, self.mean_displacement * max(self.explained, 0.0)

    def to_json(self) -> dict:
        """The window as JSON can hold it."""
        places = {name: getattr(self, name) for name in ("first", "last", "onset", "apex")}
        answer: dict = {
            "predicted": self.predicted,
            "probabilities": dict(zip(self.classes, self.probabilities)),
            "gain": self.gain,
            "explained": self.explained,
            "mean_displacement_px": self.mean_displacement,
            "max_displacement_px": self.max_displacement,
            "moved": self.moved,
        }
        if self.problem:
            answer = dict.fromkeys(answer)
        remarks = {"problem": self.problem or None, "notes": list(self.notes)}
        return {**places, "seconds": self.seconds, **answer, **remarks}


def rise(windows: typing.Sequence[Window]) -> int:
    """Index of the window that shows an expression best, of windows in order.

    It is the one with the most motion that its displacement explains. An expression rises and then
    falls, and its fall, seen alone, is another motion that may well be larger: so of the windows
    that overlap the strongest and hold at least half of its motion, the first is taken.
    """
    strongest = max(windows, key=lambda window: window.motion)
    sure, motion = strongest.motion
    return next(
        index
        for index, window in enumerate(windows)
        if window.last >= strongest.first and window.motion >= (sure, 0.5 * motion)
    )


@dataclasses.dataclass(frozen=True)
class Event:
    """A micro-movement of a recording: the face moves out and comes back.

    Attributes:
        start, apex, end: frames; before and after them it does not move.
        seconds: dict of when they were taken; None where unknown.
        predicted: class of the pair of start and apex, with its `probability`.
        windows: indices of the windows that it lies in.
        regions: how each region moved from start to apex.
        units: the likely action units.
    """

    start: int
    apex: int
    end: int
    seconds: dict | None
    predicted: str
    probability: float
    windows: tuple[int, ...]
    regions: tuple[motion_units.RegionMotion, ...] = ()
    units: tuple[motion_units.LikelyUnit, ...] = ()

    @property
    def moved(self) -> tuple[motion_units.RegionMotion, ...]:
        """The regions that moved, the most moved first."""
        moved = (region for region in self.regions if region.direction != motion_units.STILL)
        return tuple(sorted(moved, key=lambda region: -region.length))

    def to_json(self) -> dict:
        """The event as JSON can hold it; of its regions those that moved."""
        places = ("start", "apex", "end", "seconds", "predicted", "probability")
        record = {name: getattr(self, name) for name in places}
        record["windows"] = list(self.windows)
        return record | motion_units.Reading(self.moved, self.units).to_json()


@dataclasses.dataclass(frozen=True)
class Gap:
    """Frames of a recording without an answer.

    Attributes:
        first, last: frames. seconds: dict of when they were taken; None where unknown.
        reason: "no face".
    """

    first: int
    last: int
    seconds: dict | None
    reason: str

    def __str__(self):
        if self.seconds is None:
            return f"frames {self.first} to {self.last}"
        times = "{first:.2f} s to {last:.2f} s".format(**self.seconds)
        return f"{times} (frames {self.first} to {self.last})"


@dataclasses.dataclass(frozen=True, eq=False)
class Film:
    """The aligned frames of a window that show the face, onset first.

    Attributes:
        frames: (n, S, S) uint8, with a margin around what the model is given.
        regions: (r, 4) y1, x1, y2, x2 as fractions of these.
        numbers: (n,) frame of the clip that each is, 0-based.
        seconds: (n,) when each was taken; None where unknown.
    """

    frames: np.ndarray
    regions: np.ndarray
    numbers: tuple[int, ...]
    seconds: tuple[float, ...] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """What the answer of a window was drawn from. S is the side of the aligned face, px.

    Attributes:
        onset, apex: (S, S) float32 in [0, 1].
        displacement: (S, S, 2) float32 px, (dx, dy) from onset to apex.
        regions: (r, 4) float32 y1, x1, y2, x2 in [0, 1]; region_names: (r,) their names.
        attention: (r,) float32, the share of the global fusion's attention each receives.
        motion: (S, S, c) float32, the map a model on motion was given; None for one on frames.
        occlusion: (r,) float32, how far the probability of the class falls when the region has not
            moved (`interpretation.occlusion`); None where the model was not asked.
        film: `Film` of the window; None where it was not kept.
    """

    onset: np.ndarray
    apex: np.ndarray
    displacement: np.ndarray
    regions: np.ndarray
    region_names: tuple[str, ...]
    attention: np.ndarray
    motion: np.ndarray | None = None
    occlusion: np.ndarray | None = None
    film: Film | None = None

    @functools.cached_property
    def reading(self) -> motion_units.Reading:
        """How each region moved, and the likely action units."""
        return motion_units.read(self.displacement, self.regions, self.region_names)


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction(Window):
    """The answer to "what is in this clip?": that of the window with the most motion.

    Attributes:
        source: what was looked at, a path as a rule.
        model: what answered: a folder, or an address.
        picture: images, displacement, regions and attention.
        windows: all windows along a long recording; the only one of a clip.
        events: the micro-movements, in order.
        gaps: where no face was found.
    """

    source: str = ""
    model: str = ""
    picture: Picture | None = None
    windows: tuple[Window, ...] = ()
    events: tuple[Event, ...] = ()
    gaps: tuple[Gap, ...] = ()

    @property
    def reading(self) -> motion_units.Reading:
        """How each region moved, and the likely action units: none of a face that held still."""
        picture: typing.Any = self.picture
        reading = picture.reading
        return reading if self.moved else dataclasses.replace(reading, units=())

    def to_json(self) -> dict:
        """The prediction as JSON can hold it, without the images."""
        record: dict = {"me_keras": __version__, "source": self.source, "model": self.model}
        record |= super().to_json()
        if self.picture is not None:
            shares = (round(float(share), 6) for share in self.picture.attention)
            record["attention"] = dict(zip(self.picture.region_names, shares))
            if self.picture.occlusion is not None:
                falls = (round(float(fall), 6) for fall in self.picture.occlusion)
                record["occlusion"] = dict(zip(self.picture.region_names, falls))
            record |= self.reading.to_json()
        record["events"] = [event.to_json() for event in self.events]
        record["gaps"] = [dataclasses.asdict(gap) for gap in self.gaps]
        record["windows"] = [window.to_json() for window in self.windows]
        return record


def decimals(value: float) -> str:
    """Two decimals, and never "-0.00"."""
    return f"{round(value, 2) + 0.0:.2f}"


def when(record: Window | Event, name: str) -> str:
    """A frame of it by its name, with its time where that is known: "20 (0.200 s)"."""
    frame = getattr(record, name)
    return str(frame) if record.seconds is None else f"{frame} ({record.seconds[name]:.3f} s)"


def motion_note(window: Window) -> str:
    """What is to be said of a window's motion where it is no more than noise; "" elsewhere."""
    if window.problem or window.moved:
        return ""
    return (
        f"no motion above noise found: at most {window.max_displacement:.2f} px, "
        f"{decimals(window.explained)} of the change explained (motion counts from {STILL_PX:g} px "
        f"and {STILL_EXPLAINED:g}); the class says nothing"
    )
