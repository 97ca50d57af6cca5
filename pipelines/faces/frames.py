"""Reads frames from disk as RGB, and refuses what is broken. BGR never leaves this module."""

from __future__ import annotations

import os
import pathlib
import re
import struct
import typing

import numpy as np

from pipelines import schema, silence

SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
MAX_PIXELS = 100_000_000  # of one image
OTHER_FORMATS = {b"GIF8": "GIF", b"ftypheic": "HEIC", b"ftypmif1": "HEIF", b"ftypavif": "AVIF"}
OTHER_FORMATS[b"%PDF"] = "PDF"


def frame_number(name) -> int | None:
    """The frame number a file name spells: its last integer ("reg_image090823.jpg" -> 90823)."""
    digits = re.findall(r"\d+", pathlib.PurePath(name).stem)
    return int(digits[-1]) if digits else None


class Listing(typing.NamedTuple):
    """The frames of a folder, in order of their numbers.

    Attributes:
        paths: of the images.
        numbers: of the frames, rising.
        notes: a line each on what was left out that looks like a frame.
    """

    paths: tuple[str, ...]
    numbers: tuple[int, ...]
    notes: tuple[str, ...]


def list_frames(folder) -> Listing:
    """The images of a folder, in order of number (img46 before img100).

    The number is the last integer of a name. Where it repeats or falls while an earlier one rises,
    as in the names of a clock (11-26-57-998, 11-26-58-31), all integers that differ count. Files
    that are not images, hidden files, images without a number, and a browser's second copies
    ("img46 (1).jpg" beside "img46.jpg") are left out.

    Raises:
        DataError: two images spell the same number, or the order is ambiguous.
    """
    with os.scandir(folder) as entries:
        names = sorted(
            entry.name
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES)
            and not entry.name.startswith(".")
            and frame_number(entry.name) is not None
            and entry.is_file()
        )
    there = set(names)
    copies = [name for name in names if _original(name) in there]
    notes = [f"second copies of images left out: {len(copies)}, such as {c}" for c in copies[:1]]
    fields = {n: _integers(n) for n in names if _original(n) not in there}
    found: dict[int, str] = {}
    for name, number in zip(fields, _numbers(folder, fields)):
        if number in found:
            both = f"{found[number]}, {name}"
            raise schema.DataError(f"{folder}: two files for frame {number} ({both}): keep one")
        found[number] = name
    numbers = tuple(sorted(found))
    paths = tuple(os.path.join(folder, found[number]) for number in numbers)
    return Listing(paths, numbers, tuple(notes))


def _integers(name):
    return tuple(map(int, re.findall(r"\d+", pathlib.PurePath(name).stem)))


def _original(name):
    """The name that a browser's second copy was made from; "" if it does not look like one."""
    match = re.fullmatch(r"(.*\d) ?\(\d+\)(\.\w+)", name)
    return match[1] + match[2] if match else ""


def _numbers(folder, fields):
    """The number of each image, from the integers in its name."""
    orphans = [name for name in fields if _original(name)]
    if orphans and len(orphans) < len(fields):
        raise schema.DataError(f"{folder}: {orphans[0]} looks like a copy of a frame: rename it")
    last = [numbers[-1] for numbers in fields.values()]
    if len({len(numbers) for numbers in fields.values()}) != 1:
        return last
    columns = [column for column in zip(*fields.values()) if len(set(column)) > 1]
    if len(columns) < 2:
        return columns[0] if columns else last
    rows = sorted(zip(*columns))
    if all(a[-1] < b[-1] for a, b in zip(rows, rows[1:])):
        return last
    if len(set(rows)) < len(rows):
        return last  # the caller says which two are one frame
    if not _is_clock(rows):
        first, second = list(fields)[:2]
        raise schema.DataError(
            f"{folder}: the order of its images is ambiguous, as several numbers of their names "
            f"differ ({first}, {second}): keep one clip, or rename them by frame number"
        )
    widths = [len(str(max(column))) for column in columns]
    return [int("".join(str(v).zfill(w) for v, w in zip(row, widths))) for row in zip(*columns)]


def _is_clock(rows):
    """Whether the last of some numbers runs to the end of a second and begins anew, in order."""
    steps = [b[-1] - a[-1] for a, b in zip(rows, rows[1:])]
    rising = sorted(step for step in steps if step > 0)
    if not rising:
        return False
    usual = rising[len(rising) // 2]
    unit = next((u for u in (1000, 10_000, 1_000_000) if rows and max(r[-1] for r in rows) < u), 0)
    return all(0 < step + (unit if step <= 0 else 0) <= 4 * usual for step in steps)


def read_frame(path) -> np.ndarray:
    """Reads one image: (h, w, 3) uint8 RGB.

    It is turned as its EXIF orientation says, all eight ways: OpenCV sees to that.

    Raises DataError, naming the file, if it is missing, empty, not an image of a known format, too
    large, or cut short. OpenCV fills the missing part of a cut JPEG or PNG with grey or black and
    says nothing, so the end of the file is looked at first.
    """
    import cv2

    try:
        data = pathlib.Path(path).read_bytes()
    except OSError as error:
        raise schema.DataError(f"{path}: cannot be read ({error.strerror})") from error
    if not data:
        raise schema.DataError(f"{path}: the file is empty; copy it again")
    if other := next((name for mark, name in OTHER_FORMATS.items() if mark in data[:16]), None):
        known = ", ".join(suffix[1:].upper() for suffix in SUFFIXES[:3])
        raise schema.DataError(f"{path}: {other} is not a supported format: save it as {known}")
    width, height = _stated_size(data)
    if width * height > MAX_PIXELS:
        most = f"at most {MAX_PIXELS // 10**6} million pixels are read"
        raise schema.DataError(f"{path}: the image is too large ({width}x{height}): {most}")
    if _is_cut_short(data):
        raise schema.DataError(f"{path}: the image is cut short; copy it again")
    try:
        with silence.without_stderr():  # libpng's own words
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


def to_grey(image: np.ndarray) -> np.ndarray:
    """(h, w, 3) uint8 RGB -> (h, w) uint8 luma (ITU-R BT.601)."""
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _stated_size(data: bytes) -> tuple[int, int]:
    """Width and height by the header of a PNG, BMP or JPEG; 0, 0 where it does not say."""
    if data.startswith(b"\x89PNG") and len(data) >= 24:
        return struct.unpack(">II", data[16:24])
    if data.startswith(b"BM") and len(data) >= 26:
        width, height = struct.unpack("<ii", data[18:26])
        return abs(width), abs(height)
    place = 2 if data.startswith(b"\xff\xd8") else len(data)
    while place + 9 <= len(data) and data[place] == 0xFF:
        kind, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4], "big")
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):  # start of frame
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 2 + length
    return 0, 0


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
