"""What is seen along a recording beside its answers: how the regions moved, where no face was."""

from __future__ import annotations

import collections
import typing

import numpy as np

from me_keras.prediction import spotting
from me_keras.prediction.alignment import SeveralFaces
from me_keras.prediction.result import Gap

NAMED = 3  # gaps that a note names one by one
KINDS = {"blink": "blink", "talking": "syllable", "long": "longer movement"}


class Watched:
    """Collects what the windows of one recording show, in order.

    Attributes:
        paths: `spotting.Path` of each window whose head was held still.
    """

    def __init__(self, footage):
        self._footage = footage
        self.paths: list[spotting.Path] = []
        self._seen: set[int] = set()
        self._lost: dict[int, str] = {}  # frame to why it has no answer

    def add(self, looked: typing.Sequence[int], pair) -> None:
        """A window that was aligned: the frames looked at, and its `alignment.Pair`."""
        seen = [looked[index] for index in pair.seen]
        self._seen.update(seen)
        self._lost.update((frame, "no face") for frame in looked if frame not in seen)
        if not pair.doubtful:
            places = spotting.region_places(pair.film, pair.regions)
            self.paths.append(spotting.Path(np.array(seen), places))

    def add_lost(self, frames: typing.Sequence[int], error: Exception) -> None:
        """Frames that could not be looked at, and why."""
        reason = "several faces" if isinstance(error, SeveralFaces) else "no face"
        self._lost.update(dict.fromkeys(frames, reason))

    def movements(self, least: float, longest: float) -> list[spotting.Movement]:
        """All movements, as `spotting.movements`; the recording's times must be known."""
        return [
            movement
            for path in spotting.chain(self.paths)
            for movement in spotting.movements(
                path, self._footage.seconds[path.frames], least, longest
            )
        ]

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """Runs of frames without a face, of those looked at."""
        runs: list[list] = []  # first frame, last frame, reason
        before = None
        for frame in sorted(self._seen | self._lost.keys()):
            reason = None if frame in self._seen else self._lost[frame]
            if reason and reason == before:
                runs[-1][1] = frame
            elif reason:
                runs.append([frame, frame, reason])
            before = reason
        return tuple(self._gap(*run) for run in runs)

    def _gap(self, first, last, reason):
        seconds = None
        if self._footage.seconds is not None:
            ends = {"first": first, "last": last}
            times = self._footage.seconds
            seconds = {name: round(float(times[frame]), 6) for name, frame in ends.items()}
        return Gap(first, last, seconds, reason)


def gap_notes(gaps: typing.Sequence[Gap]) -> list[str]:
    """What is to be said of them: each by itself, or of many how many and which is longest."""
    notes = []
    for reason in dict.fromkeys(gap.reason for gap in gaps):
        own = [gap for gap in gaps if gap.reason == reason]
        if len(own) <= NAMED:
            notes += [f"{reason} {gap}" for gap in own]
            continue
        longest = max(own, key=lambda gap: gap.last - gap.first)
        frames = sum(gap.last - gap.first + 1 for gap in own)
        notes.append(
            f"{reason} in {len(own)} places, {frames} frames in all, the longest {longest}; all of "
            "them with --json"
        )
    return notes


def movement_notes(movements: typing.Sequence[spotting.Movement]) -> list[str]:
    """One line that names what is no micro-expression; none where there is nothing such."""
    counts = collections.Counter(movement.kind for movement in movements)
    named = [
        f"{counts[kind]} {words}{'s' * (counts[kind] != 1)}"
        for kind, words in KINDS.items()
        if counts[kind]
    ]
    return [f"not counted as events: {', '.join(named)}"] if named else []
