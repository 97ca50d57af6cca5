"""Where frames come from: a folder of images, a video, images by name, or arrays.

A source knows how many frames there are and when each was taken before any of them is kept, so
that a long recording is read window by window. Frames come as RGB; BGR never leaves this module.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing
from contextlib import nullcontext

import numpy as np

from me_keras.prediction import containers
from pipelines import silence
from pipelines.faces import frames as frame_files
from pipelines.progress import Progress
from pipelines.schema import DataError

CHUNK = 2000  # frames whose times are read between two words of progress
MANY = 20000  # frames of a video from which there is any
PTS = 71  # cv2.CAP_PROP_PTS, new in OpenCV 4.11: time of the last frame, in frames; older ones: 0
Reader = typing.Callable[[typing.Sequence[int]], typing.Iterator[np.ndarray]]


@dataclasses.dataclass(frozen=True, eq=False)
class Footage:
    """Frames in time order, read when they are asked for.

    Attributes:
        name: what messages and results call it; the path as a rule.
        count: number of frames t, at least 2.
        seconds: (t,) float64, when each frame was taken; None where nothing tells.
        read: of rising frame indices, yields these frames one by one, (h, w, 3) uint8 RGB;
            DataError where one is broken or of another size.
        labels: (t,) what messages call each frame.
        notes: what a user should know of it, a line each.
    """

    name: str
    count: int
    seconds: np.ndarray | None
    read: Reader
    labels: tuple[str, ...]
    notes: tuple[str, ...] = ()


def open_source(source, fps: float | None = None) -> Footage:
    """Finds out what `source` is and how many frames it has.

    Args:
        source: path of a folder of images or of a video; a sequence of image paths; or frames
            (t, h, w, 3) uint8 RGB, as one array or a sequence of arrays.
        fps: frames per second. A video's own time stamps are used unless this is given (a
            high-speed recording may be stored to be played slowly); other sources have none.
    Raises:
        DataError: nothing there, no frame in it that can be read, or one only.
    """
    if isinstance(source, (str, os.PathLike)):
        path = pathlib.Path(source).expanduser()
        if path.is_dir():
            images, _, notes = frame_files.list_frames(path)
            if not images:
                suffixes = ", ".join(frame_files.SUFFIXES)
                raise DataError(f"{path}: no image with a number in its name here ({suffixes})")
            return _images(str(path), images, fps, notes)
        if path.suffix.lower() in frame_files.SUFFIXES and path.exists():
            raise DataError(
                f"{path}: one image; motion needs two: give --onset and --apex, or a folder"
            )
        return _video(path, fps)
    items = list(source)
    if items and isinstance(items[0], (str, os.PathLike)):
        paths = [os.fspath(item) for item in items]
        return _images(" ".join(paths), paths, fps)
    return _arrays(items, fps)


def _images(name, paths, fps, notes=()):
    def read(indices):
        return frame_files.iterate_frames([paths[i] for i in indices])

    return _footage(name, len(paths), _even(len(paths), fps), read, paths, notes)


def _arrays(items, fps):
    for index, item in enumerate(items):
        image = np.asarray(item)
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3:
            found = f"{image.dtype} {'x'.join(map(str, image.shape))}"
            raise DataError(f"frame {index}: frames are (h, w, 3) uint8 RGB, got {found}")
        if image.shape != np.shape(items[0]):
            raise DataError(f"frame {index}: the frame size changes within the clip")

    def read(indices):
        return (np.asarray(items[i]) for i in indices)

    return _footage("frames", len(items), _even(len(items), fps), read)


def _even(count, fps):
    return None if fps is None else np.arange(count) / fps


def _footage(name, count, seconds, read, labels=None, notes=()):
    if count < 2:
        raise DataError(f"{name}: {count or 'no'} frame{'s' * (count != 1)}; motion needs two")
    labels = tuple(labels or (f"{name} frame {i}" for i in range(count)))
    return Footage(name, count, seconds, read, labels, tuple(notes))


# Videos. OpenCV decodes them; its own time stamps are those of the container.


def _video(path, fps):
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder")
    scan = _scan(path)
    stamps, notes = scan.stamps, []
    if not stamps:
        raise DataError(
            f"{path}: holds no frame that OpenCV can decode: broken, or a codec it lacks; "
            "convert it (H.264 or MJPEG), or give a folder of images"
        )
    if scan.turn != containers.Turn():
        notes.append("the video is turned as its container says")
    seconds: np.ndarray | None = np.asarray(stamps) / 1000
    if fps is not None:
        seconds = _even(len(stamps), fps)
    elif not containers.states_rate(path):
        seconds = None
        notes.append("the video states no frame rate: looked at as a whole; say it with --fps")
    elif not np.all(np.diff(stamps) > 0):
        # No stamps in the container: it can only say how fast it is to be played.
        seconds = _even(len(stamps), scan.rate or None)
    if scan.promised > len(stamps):
        notes.append(
            f"the video announces {scan.promised} frames, {len(stamps)} could be read: is it cut "
            "short?"
        )

    def read(indices):
        return _decode(path, indices, scan.turn)

    return _footage(str(path), len(stamps), seconds, read, notes=notes)


class _Scan(typing.NamedTuple):
    """What a video says of itself."""

    stamps: list[float]  # ms, of each frame
    rate: float  # frames per second; 0 where it says none
    promised: int  # number of frames it should have
    turn: containers.Turn


def _scan(path):
    import cv2

    with silence.without_stderr():  # FFmpeg's complaints are told in one line of ours
        capture = cv2.VideoCapture(str(path))
        rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
        turn = containers.read_turn(path, capture.get(cv2.CAP_PROP_ORIENTATION_META))
    long = Progress(int(count), f"{path}, times", "frame") if count > MANY else nullcontext()
    grabbed: list[tuple[float, float]] = []
    full = True
    with long as progress:
        while full:
            some = _grab(capture)
            grabbed += some
            full = len(some) == CHUNK
            if progress:
                progress.update(len(some))
    capture.release()
    stamps = [stamp for stamp, _ in grabbed]
    rate = rate if np.isfinite(rate) and rate > 0 else 0.0
    # Where frames are counted by the end's time, those before the start count.
    late = grabbed[0][1] if grabbed else 0.0
    return _Scan(stamps, rate, int(max(count - late, 0)), turn)


def _grab(capture):
    """The time, ms, and the number of the next `CHUNK` frames, or of those that are left."""
    import cv2

    found: list[tuple[float, float]] = []
    with silence.without_stderr():
        while len(found) < CHUNK and capture.grab():
            found.append((capture.get(cv2.CAP_PROP_POS_MSEC), capture.get(PTS)))
    return found


def _decode(path, indices, turn):
    """The frames `indices`, which rise; those between are decoded but not converted."""
    import cv2

    with silence.without_stderr():
        capture = cv2.VideoCapture(str(path))
        capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0)  # it knows no mirrored pictures
    at, shape = -1, None
    try:
        for index in indices:
            with silence.without_stderr():
                while at < index and capture.grab():
                    at += 1
                good, image = capture.retrieve() if at == index else (False, None)
            if not good or image is None:
                raise DataError(f"{path}: frame {index} cannot be decoded; copy the file again")
            if shape not in (None, image.shape):
                raise DataError(f"{path}: the frame size changes at frame {index}")
            shape = image.shape
            yield turn.apply(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    finally:
        capture.release()
