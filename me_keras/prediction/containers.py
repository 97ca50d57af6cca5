"""What a video's container says and OpenCV does not act on: how its picture is turned, its rate."""

from __future__ import annotations

import pathlib
import struct
import typing

import numpy as np

ONE = 1 << 16  # 1.0 in the fixed-point numbers of a display matrix
MAX_HEADER = 1 << 26  # bytes; an hour of film has some 2**20


class Turn(typing.NamedTuple):
    """How a stored picture is to be shown: x and y changed over first, then mirrored."""

    transpose: bool = False
    mirror_x: bool = False
    mirror_y: bool = False

    def apply(self, image: np.ndarray) -> np.ndarray:
        """The picture (h, w, 3) as it is to be seen."""
        image = image.transpose(1, 0, 2) if self.transpose else image
        image = image[:, ::-1] if self.mirror_x else image
        return np.ascontiguousarray(image[::-1] if self.mirror_y else image)


_CLOCKWISE = {
    90: Turn(True, True, False),
    180: Turn(False, True, True),
    270: Turn(True, False, True),
}


def read_turn(path, degrees: float = 0.0) -> Turn:
    """How the pictures of a video are turned.

    Args:
        degrees: clockwise, what OpenCV says of it: it knows more containers, but no mirrored ones.
    """
    matrix = _display_matrix(path)
    if matrix is None:
        return _CLOCKWISE.get(round(degrees) % 360, Turn())
    a, b, c, d = matrix
    if (a, d) == (0, 0):
        return Turn(True, c < 0, b < 0)
    return Turn(False, a < 0, d < 0)


def states_rate(path) -> bool:
    """Whether a file says how many frames a second it holds; FFmpeg makes 25 up where none is."""
    with open(path, "rb") as file:
        head = file.read(1 << 16)
    if head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        main, stream = head.find(b"avih"), head.find(b"vids")
        if min(main, stream) < 0 or len(head) < max(main + 12, stream + 28):
            return True
        (interval,) = struct.unpack_from("<I", head, main + 8)  # microseconds
        return bool(interval) or 0 not in struct.unpack_from("<II", head, stream + 20)
    return not head.startswith(b"\xff\xd8")  # JPEG images one after another, no container


def _display_matrix(path):
    """(a, b, c, d) of the first video track of an MP4 or MOV file; None if it says no quarter turn.

    A stored (x, y) is shown at (a x + c y, b x + d y): ISO/IEC 14496-12, 6.2.2 and 8.3.2.
    """
    for track in _movie_header(path).split(b"trak")[1:]:
        header, handler = track.find(b"tkhd") + 4, track.find(b"hdlr") + 4
        if min(header, handler) < 4 or track[handler + 8 : handler + 12] != b"vide":
            continue
        at = header + (52 if track[header : header + 1] == b"\1" else 40)
        if len(track) < at + 20:
            return None
        a, b, _, c, d = struct.unpack_from(">5i", track, at)
        quarter = tuple(map(abs, (a, b, c, d))) in ((ONE, 0, 0, ONE), (0, ONE, ONE, 0))
        return (a, b, c, d) if quarter else None
    return None


def _movie_header(path):
    """Content of the box `moov`, among the boxes a file consists of: size, kind, content."""
    start, end = 0, pathlib.Path(path).stat().st_size
    with open(path, "rb") as file:
        while start + 8 <= end:
            file.seek(start)
            size, kind = struct.unpack(">I4s", file.read(8))
            header = 8
            if size == 1:
                header, size = 16, int.from_bytes(file.read(8), "big")
            size = size or end - start  # 0: to the end
            if kind == b"moov":
                return file.read(min(size - header, MAX_HEADER)) if size > header else b""
            if size < header:
                break
            start += size
    return b""
