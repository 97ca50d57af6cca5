"""A short film of the aligned face: slowed, and beside it the onset moved several times as far.

Magnified by warping: the onset's pixels go `factor` times as far as the displacement says, so no
noise or light of the later frames is magnified with the motion. Motion that is measured wrong is
magnified all the same.
"""

from __future__ import annotations

import io
import typing

import numpy as np

from me_keras.interpretation import drawing
from me_keras.motion_figures import face_mask
from me_keras.webpage.measurement import Measurement

FACTOR = 5  # times as far, at most
FARTHEST = 12.0  # px of the aligned face that magnified motion goes: farther, a face tears
SIDE = 288  # px of each of both halves
GAP = 8  # px between them
MOST_SECONDS = 6.0  # that the film lasts
SLOWEST = 8  # times; a film without known speed has `UNKNOWN` frames per second
UNKNOWN = 10.0
REST = 0.6  # seconds that the last frame stays
STEPS = 6  # of the fixed-point iteration that turns a displacement round; it converges in fewer
EDGE = 4 / 128  # of the side, over which the motion fades out around the face


class Film(typing.NamedTuple):
    """An animated WebP: `content`, shown so many times slower and larger in motion.

    `slower` is None where the speed of the film is not known.
    """

    content: bytes
    slower: int | None
    factor: int


def draw(measurement: Measurement) -> Film:
    """The frames of the window shown: as filmed on the left, magnified on the right."""
    from PIL import Image

    picture, aligned = measurement.picture, measurement.film
    size = len(picture.onset)
    margin = (aligned.frames.shape[-1] - size) // 2
    filmed = aligned.frames[:, margin : margin + size, margin : margin + size]
    inside = face_mask(size)
    lengths = np.linalg.norm(measurement.fields, axis=-1)[:, inside]
    farthest = float(np.percentile(lengths, 99, axis=1).max())
    factor = int(np.clip(FARTHEST / max(farthest, 1e-6), 1, FACTOR))
    fade = _fade(inside)
    frames = []
    for frame, field in zip(filmed, measurement.fields):
        moved = magnify(picture.onset, fade * drawing.smoothed(field), factor, SIDE)
        both = [_enlarged(frame.astype(np.float32) / 255), np.ones((SIDE, GAP)), moved]
        grey = np.round(255 * np.clip(np.concatenate(both, axis=1), 0, 1)).astype(np.uint8)
        frames.append(Image.fromarray(grey).convert("RGB"))
    shown, slower = _speed(aligned.seconds, len(frames))
    shown[-1] += round(1000 * REST)
    file = io.BytesIO()
    frames[0].save(
        file, "WEBP", save_all=True, append_images=frames[1:], duration=shown, loop=0, quality=80,
        method=2,
    )  # fmt: skip
    return Film(file.getvalue(), slower, factor)


def magnify(onset: np.ndarray, displacement: np.ndarray, factor: float, side: int) -> np.ndarray:
    """The onset moved `factor` times as far as a displacement says.

    Args:
        onset: (S, S) float in [0, 1]. displacement: (S, S, 2) float32 px, from the onset.
        side: px of the result, which is enlarged before it is warped.
    Returns:
        (side, side) float32.
    """
    import cv2

    scale = side / len(onset)
    field = cv2.resize(displacement, (side, side), interpolation=cv2.INTER_CUBIC) * factor * scale
    steps = np.arange(side, dtype=np.float32)
    grid = np.stack(np.meshgrid(steps, steps), axis=-1)  # (side, side, 2) x and y
    # A pixel shows what came from p - u, where u is the motion of the place it came from.
    came = field
    for _ in range(STEPS):
        came = _remap(field, grid - came)
    return _remap(_enlarged(onset.astype(np.float32), side), grid - came)


def _remap(image, places):
    import cv2

    places = places.astype(np.float32)
    return cv2.remap(
        image, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _enlarged(image, side=SIDE):
    import cv2

    return cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)


def _fade(inside):
    """1 on the face, 0 well outside: (S, S, 1). What moves beside a face is not magnified."""
    import cv2

    return cv2.GaussianBlur(inside.astype(np.float32), (0, 0), EDGE * len(inside))[..., None]


def _speed(seconds, count):
    """How long each frame is shown, ms, and how many times slower that is than filmed."""
    if seconds is None or len(seconds) < 2:
        return [round(1000 / UNKNOWN)] * count, None
    steps = np.diff(seconds)
    slower = int(np.clip(MOST_SECONDS / max(float(steps.sum()), 1e-6), 1, SLOWEST))
    shown = [max(1, round(1000 * slower * float(step))) for step in steps]
    return [*shown, shown[-1]], slower
