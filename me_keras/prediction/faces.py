"""Which of several faces is looked at: chosen by its place, and the same one along a video.

Where more than one face is seen, the frames are cut to the chosen one, so that nothing after this
sees another.
"""

from __future__ import annotations

import typing

import numpy as np

ROOM = 1.0  # around a face, in its own widths and heights
NEAR = 1.0  # widths of a face that it may have gone since it was last seen

Box = typing.Optional[tuple[slice, slice]]  # rows and columns; None is the whole frame


class Chooser:
    """Chooses a face on the first frame of each window of one recording.

    Args:
        rule: "largest"; "left", "right" or "middle" of the picture; "only" leaves all as it is.
    """

    def __init__(self, rule: str):
        self._rule = rule
        self._last: np.ndarray | None = None  # x and y where the face was last seen
        self._boxes: dict[int, Box] = {}

    def box(self, frame: int, image: np.ndarray, name: str) -> Box:
        """The part of `image` (h, w, 3), number `frame`, that shows the chosen face and no other.

        That is the face nearest to where the last one was, or, where none is near, the one that the
        rule names. Raises NoFace (a DataError) if there is none.
        """
        if self._rule != "only":
            self._boxes[frame] = self._find(image, name)
        return self._boxes.get(frame)

    def box_at(self, frame: int) -> Box:
        """The part chosen last before or at a frame."""
        earlier = [number for number in self._boxes if number <= frame]
        return self._boxes[max(earlier)] if earlier else None

    def _find(self, image, name):
        from pipelines.faces import landmarks

        found = landmarks.detect_all(image, name)
        middles = np.array([(face.min(0) + face.max(0)) / 2 for face in found])  # (n, 2)
        sizes = np.array([np.ptp(face, axis=0) for face in found])
        chosen = self._choose(middles, sizes, image.shape[1])
        self._last = middles[chosen]
        return _cut(middles, sizes, chosen, image.shape) if len(found) > 1 else None

    def _choose(self, middles, sizes, width):
        if self._last is not None:
            away = np.linalg.norm(middles - self._last, axis=-1) / sizes[:, 0]
            if away.min() <= NEAR:
                return int(np.argmin(away))
        x = middles[:, 0]
        order = {
            "largest": -sizes.prod(-1),
            "left": x,
            "right": -x,
            "middle": np.abs(x - (width - 1) / 2),
        }
        return int(np.argmin(order[self._rule]))


def cut(images: typing.Sequence[np.ndarray], box: Box) -> typing.Sequence[np.ndarray]:
    """The part `box` of each of the images (h, w, 3)."""
    return images if box is None else [np.ascontiguousarray(image[box]) for image in images]


def _cut(middles, sizes, chosen, shape):
    """Rows and columns around a face, as far as half the way to any other."""
    low = middles[chosen] - (0.5 + ROOM) * sizes[chosen]
    high = middles[chosen] + (0.5 + ROOM) * sizes[chosen]
    for other in np.delete(middles, chosen, axis=0):
        way = other - middles[chosen]
        axis = int(np.argmax(np.abs(way)))  # beside it, or above it
        half = middles[chosen, axis] + way[axis] / 2
        if way[axis] > 0:
            high[axis] = min(high[axis], half)
        else:
            low[axis] = max(low[axis], half)
    x1, y1 = np.maximum(np.floor(low), 0).astype(int)
    x2, y2 = np.ceil(high).astype(int)
    return slice(y1, min(y2, shape[0])), slice(x1, min(x2, shape[1]))
