"""What a page takes on: films up to a length, a size and a resolution."""

from __future__ import annotations

import pathlib

from pipelines import silence
from pipelines.schema import DataError

MOST_PIXELS = 4096 * 2304  # of a frame: a window of them must fit into memory
REMEDY = "cut it to the movement, or run python -m me_keras.predict --clip on this machine"


def check(path, seconds: float, fps: float | None = None) -> None:
    """Refuses a film that is too long or too large, before much of it is decoded.

    Args:
        seconds: its length at most, as filmed. fps: as it was filmed; None: as the file says.
    Raises:
        DataError: names the file and what to do.
    """
    import cv2

    name = pathlib.Path(path).name
    with silence.without_stderr():
        capture = cv2.VideoCapture(str(path))
    try:
        pixels = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
        if pixels > MOST_PIXELS:
            raise DataError(
                f"{name}: its frames are larger than 4096 x 2304 px: make it smaller first"
            )
        frame = 0
        while capture.grab():
            lasts = frame / fps if fps else capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if lasts > seconds:
                raise DataError(
                    f"{name}: lasts over {seconds:g} s, which is all this page looks at: {REMEDY}"
                )
            frame += 1
    finally:
        capture.release()
