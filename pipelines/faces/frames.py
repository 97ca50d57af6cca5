"""Reads frames from disk as RGB, and refuses what is broken. BGR never leaves this module."""

from __future__ import annotations

import os
import pathlib
import re
import struct
import typing

import numpy as np

from pipelines import schema

SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff")


def frame_number(name) -> int | None:
    """The frame number a file name spells: its last integer ("reg_image090823.jpg" -> 90823)."""
    digits = re.findall(r"\d+", pathlib.PurePath(name).stem)
    return int(digits[-1]) if digits else None


def list_frames(folder) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The images of a folder and their numbers, in order of number (img46 before img100).

    Files that are not images, hidden files and images without a number are left out.
    Raises DataError if two images spell the same number.
    """
    found: dict[int, str] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            number = frame_number(entry.name)
            if not entry.name.lower().endswith(SUFFIXES) or entry.name.startswith("."):
                continue
            if number is None or not entry.is_file():
                continue
            if number in found:
                first = os.path.basename(found[number])
                raise schema.DataError(
                    f"{folder}: two files for frame {number} ({first}, {entry.name}): keep one"
                )
            found[number] = entry.path
    numbers = tuple(sorted(found))
    return tuple(found[number] for number in numbers), numbers


def read_frame(path) -> np.ndarray:
    """Reads one image: (h, w, 3) uint8 RGB.

    Raises DataError, naming the file, if it is missing, empty, not an image, or cut short. OpenCV
    fills the missing part of a cut JPEG or PNG with grey or black and says nothing, so the end
    of the file is looked at first.
    """
    import cv2

    try:
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise schema.DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise schema.DataError(f"{path}: the file is empty; copy it again")
    if _is_cut_short(data):
        raise schema.DataError(f"{path}: the image is cut short; copy it again")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # a header that asks for more pixels than OpenCV takes
        image = None
    if image is None:
        raise schema.DataError(f"{path}: not a readable image; copy it again")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def iterate_frames(paths: typing.Iterable[str]) -> typing.Iterator[np.ndarray]:
    """Reads images one by one; raises DataError where the size changes within the clip."""
    shape = None
    for path in paths:
        image = read_frame(path)
        if shape is not None and image.shape != shape:
            sizes = f"{image.shape[1]}x{image.shape[0]} after {shape[1]}x{shape[0]}"
            raise schema.DataError(f"{path}: the frame size changes within the clip ({sizes})")
        shape = image.shape
        yield image


def read_clip(clip: schema.Clip) -> np.ndarray:
    """All frames of a clip: (t, h, w, 3) uint8 RGB. Raises DataError as `read_frame` does."""
    return np.stack(list(iterate_frames(clip.frames)))


def to_grey(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 RGB -> (h, w) uint8 luma (ITU-R BT.601)."""
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _is_cut_short(data: bytes) -> bool:
    """Whether the end of a JPEG, PNG or BMP is missing."""
    if data.startswith(b"\xff\xd8"):
        # Neither marker can occur in coded pixels, and a thumbnail in the header has its own pair:
        # a whole file has its last end-of-image after its last start-of-scan.
        return data.rfind(b"\xff\xd9") <= data.rfind(b"\xff\xda")
    if data.startswith(b"\x89PNG"):
        return data.rfind(b"IEND") < len(data) - 4096  # some writers append notes
    if data.startswith(b"BM") and len(data) >= 38:
        offset, header, width, height, _, bits, packing, size = struct.unpack(
            "<IIiiHHII", data[10:38]
        )
        if packing == 0 and header >= 40:
            size = (width * bits + 31) // 32 * 4 * abs(height)  # rows are padded to 4 bytes
            return len(data) < offset + size
        return len(data) < offset
    return False
