"""From frames to what the model sees, by the code that prepared its training data.

One similarity transform per clip from the onset frame, the head's motion taken out of every other
frame, the apex spotted where it is not given, the centre cut out: `pipelines.align`, `apex` and
`augment` do all of it, here as in training.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from pipelines.schema import DataError

FACES = ("only", "largest")
# Farther than this from the onset's face, as a share of image_size, and the apex frame's face was
# not brought to the same place: another person, another photograph, or a head that turned away.
# Own choice; the landmarks of a face at rest jitter by a fifth of it.
MISPLACED = 0.03


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How faces were aligned for the model: the parameters of `align.align_clip`."""

    image_size: int = 128
    margin: int = 8
    rigid: bool = True


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """An aligned onset and apex.

    Attributes:
        frames: (2, S, S) uint8, S = image_size + 2 margin.
        regions: (9, 4) float32 y1, x1, y2, x2 as fractions of the S-px image.
        apex: index of the apex among the frames that were given; the onset is 0.
        notes: what makes the pair doubtful, a line each.
    """

    frames: np.ndarray
    regions: np.ndarray
    apex: int
    notes: tuple[str, ...] = ()


def align_pair(
    images: typing.Sequence[np.ndarray],
    alignment: Alignment,
    face: str = "only",
    spot: bool = True,
    name: str = "the onset frame",
) -> Pair:
    """Aligns the frames of a clip and takes its onset and apex.

    Args:
        images: t frames (h, w, 3) uint8 RGB in time order, the onset first.
        face: "only": several faces on the onset frame are an error; "largest": take that one.
        spot: whether the apex is to be spotted; else it is the last frame.
        name: what an error message calls the onset frame.
    Raises:
        DataError: no face on the onset frame or on the apex; several, with `face` "only".
    """
    from pipelines.faces import align, apex, landmarks

    if face == "only":
        count = len(landmarks.detect_all(images[0], name))
        if count > 1:
            raise DataError(
                f"{name}: {count} faces; cut the images to one, or take the largest with "
                "--face largest"
            )
    size, margin = alignment.image_size, alignment.margin
    # The frames that follow the onset may steady its landmarks; an apex alone would bend them.
    points = landmarks.detect_steadily(images[0], name) if len(images) == 2 else None
    aligned = align.align_clip(images, 0, size, margin, alignment.rigid, points, name)
    regions = align.region_boxes(aligned.landmarks, size + 2 * margin)
    peak = len(images) - 1
    if spot and len(images) > 2:
        peak = apex.spot(aligned.frames, regions)
    found = landmarks.detect(images[peak], f"the apex frame after {name}")
    moved = align.transform_points(found, aligned.matrices[peak]) - aligned.landmarks
    away = np.linalg.norm(moved[list(align.STABLE)], axis=-1).mean()
    notes: tuple[str, ...] = ()
    if away > MISPLACED * size:
        notes = (
            f"the apex's face lies {away:.1f} px from the onset's after alignment: another person, "
            "or a head that moved too far; do not trust the displacement",
        )
    return Pair(aligned.frames[[0, peak], ..., 0], regions, peak, notes)


def model_inputs(pairs: typing.Sequence[Pair], image_size: int) -> dict[str, np.ndarray]:
    """What the model is given of `pairs`, as `pipelines.dataset.make_eval` gives it.

    Returns:
        dict of `onset`, `apex` (b, image_size, image_size, 1) float32 in [0, 1] and `regions`
        (b, 9, 4) float32 as fractions of that crop.
    """
    import tensorflow as tf

    from pipelines import augment

    frames = tf.constant(np.stack([pair.frames for pair in pairs]))  # (b, 2, S, S)
    regions = tf.constant(np.stack([pair.regions for pair in pairs]))
    nothing = augment.nothing(len(pairs))
    onset, apex = augment.apply_to_frames(frames, nothing, image_size)
    boxes = augment.apply_to_boxes(regions, nothing, frames.shape[-1], image_size)
    return {"onset": onset.numpy(), "apex": apex.numpy(), "regions": boxes.numpy()}


def face_mask(image_size: int) -> np.ndarray:
    """Which pixels of an aligned crop are face: (image_size, image_size) bool."""
    from pipelines.faces import align

    trust, _ = align.head_parts(image_size, image_size)
    return trust > 0
