"""Cuts a recording into windows as long as a micro-expression, and reads each frame once.

A micro-expression lasts under half a second and rises in less than half of that, so with windows of
half a second, each starting a quarter after the last, some window holds every rise from its start.
"""

from __future__ import annotations

import typing

import numpy as np

from me_keras.prediction.sources import Footage
from pipelines.schema import DataError


class Span(typing.NamedTuple):
    """Frames of one window: the first is its onset, the last is included."""

    first: int
    last: int


def plan(
    footage: Footage,
    window: float,
    stride: float,
    onset: int | None = None,
    apex: int | None = None,
) -> list[Span]:
    """The windows that answer what is asked: one, or many along a recording.

    Args:
        footage: what to look at.
        window, stride: seconds; window 0 takes the whole clip at once.
        onset, apex: frames that are known. With an onset alone the window starts there; with an
            apex alone it ends there, and starts with the clip or one window before.
    Raises:
        DataError: frames that are not there, or too few of them in a window.
    """
    last = footage.count - 1
    for name, frame in (("onset", onset), ("apex", apex)):
        if frame is not None and not 0 <= frame <= last:
            raise DataError(
                f"--{name}-frame {frame}: {footage.name} has frames 0 to {last}; choose one"
            )
    if onset is not None and apex is not None and apex <= onset:
        raise DataError(f"--apex-frame {apex} is not after --onset-frame {onset}; swap them")
    if onset is not None and onset == last or apex == 0:
        raise DataError(
            f"{footage.name}: no frame {'after the onset' if apex != 0 else 'before the apex'}"
        )
    seconds = footage.seconds if window > 0 else None
    if onset is None and apex is None:
        whole = [Span(0, last)]
        return whole if seconds is None else _slide(footage.name, seconds, window, stride)
    first, end = onset or 0, last if apex is None else apex
    if seconds is not None and onset is None:
        start = seconds[apex] - window - _SLACK
        first = min(int(np.searchsorted(seconds, start)), end - 1)
    elif seconds is not None and apex is None:
        stop = seconds[onset] + window + _SLACK
        end = max(int(np.searchsorted(seconds, stop)) - 1, first + 1)
    return [Span(first, end)]


_SLACK = 1e-6  # seconds: a frame exactly at a window's end belongs to it


def _slide(name, seconds, window, stride):
    """Windows of the same length from the first frame to the last."""
    start, end = seconds[0], seconds[-1]
    if end - start <= window + _SLACK:
        return [Span(0, len(seconds) - 1)]
    count = int(np.ceil((end - start - window - _SLACK) / stride)) + 1
    starts = np.minimum(start + stride * np.arange(count), end - window)
    first = np.searchsorted(seconds, starts - _SLACK)
    last = np.searchsorted(seconds, starts + window + _SLACK) - 1
    spans = [Span(int(a), int(b)) for a, b in zip(first, last) if b > a]
    if not spans:
        raise DataError(
            f"{name}: frames are {np.median(np.diff(seconds)):.2f} s apart, so a window of "
            f"{window:g} s holds one: raise --window, or --fps if it was filmed faster"
        )
    return list(dict.fromkeys(spans))


def spread(span: Span, max_frames: int) -> list[int]:
    """At most `max_frames` frames of a window, evenly spread, both ends among them."""
    count = span.last - span.first + 1
    places = np.linspace(span.first, span.last, min(count, max(max_frames, 2)))
    return [int(place) for place in np.round(places)]


def read_windows(
    footage: Footage, windows: typing.Sequence[list[int]]
) -> typing.Iterator[list[np.ndarray]]:
    """Yields the images of each window, reading every frame once and keeping one window of them.

    Args:
        windows: frame indices of each, rising; later windows start no earlier.
    """
    wanted = sorted({index for window in windows for index in window})
    images = zip(wanted, footage.read(wanted))
    held: dict[int, np.ndarray] = {}
    for window in windows:
        held = {index: image for index, image in held.items() if index >= window[0]}
        while window[-1] not in held:
            index, image = next(images)
            held[index] = image
        yield [held[index] for index in window]
