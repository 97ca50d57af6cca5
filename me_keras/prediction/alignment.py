"""From frames to what the model is given, by the code that prepared its training data.

One similarity transform per clip from the onset frame, the head's motion taken out of every other
frame, the apex spotted where it is not given, the centre cut out, and, for a model on motion maps,
the motion computed: `pipelines.faces` and `pipelines.flow` do all of it, here as in training.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import typing

import numpy as np

from pipelines.schema import FLOW_CHANNELS, DataError

# Farther than this from the onset's face, as a share of image_size, and the apex frame's face was
# not brought to the same place: another person, another photograph, or a head that turned away.
# Own choice; the landmarks of a face at rest jitter by a fifth of it.
MISPLACED = 0.03
# Correlation with the onset frame below which an aligned frame is searched for a face, as it may
# show none. Own choice.
UNLIKE = 0.5


class SeveralFaces(DataError):
    """More than one face, and no choice between them."""


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How faces were aligned for the model, and where their motion came from.

    Attributes:
        image_size, margin, rigid: as `align.align_clip` takes them.
        motion: "dgm" or "frames" for a model that is given frames, and estimates their displacement
            or not; else a key of `pipelines.flow.MOTIONS`.
    """

    image_size: int = 128
    margin: int = 8
    rigid: bool = True
    motion: str = "dgm"


@dataclasses.dataclass(frozen=True, eq=False)
class Pair:
    """An aligned onset and apex.

    Attributes:
        frames: (2, S, S) uint8, S = image_size + 2 margin.
        regions: (9, 4) float32 y1, x1, y2, x2 as fractions of the S-px image.
        apex: index of the apex among the frames that were given; the onset is 0.
        film: (n, S, S) uint8, the aligned frames that show the face, onset first.
        seen: (n,) index of each of these among the frames that were given.
        motion: (S, S, c) float32 motion map; None for a model that is given frames.
        displacement: (S, S, 2) float32 px, by optical flow, for a model that estimates none.
        doubtful: whether the apex's face was not brought to the onset's place.
        notes: what a user should know of it, a line each.
    """

    frames: np.ndarray
    regions: np.ndarray
    apex: int
    film: np.ndarray
    seen: tuple[int, ...]
    motion: np.ndarray | None = None
    displacement: np.ndarray | None = None
    doubtful: bool = False
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
        spot: whether the apex is to be spotted, among the frames with a face; else it is the last
            frame.
        name: what an error message calls the onset frame.
    Raises:
        DataError: no face on the onset frame or on the apex.
        SeveralFaces: more than one, with `face` "only".
    """
    from pipelines.faces import align, landmarks

    if face == "only":
        count = len(landmarks.detect_all(images[0], name))
        if count > 1:
            raise SeveralFaces(
                f"{name}: {count} faces; cut the images to one, or take the largest with "
                "--face largest"
            )
    size, margin = alignment.image_size, alignment.margin
    # The frames that follow the onset may steady its landmarks; an apex alone would bend them.
    points = landmarks.detect_steadily(images[0], name) if len(images) == 2 else None
    aligned = align.align_clip(images, 0, size, margin, alignment.rigid, points, name)
    regions = align.region_boxes(aligned.landmarks, size + 2 * margin)
    peak, found, seen, notes = _apex(images, aligned, regions, spot, name)
    moved = align.transform_points(found, aligned.matrices[peak]) - aligned.landmarks
    away = np.linalg.norm(moved[list(align.STABLE)], axis=-1).mean()
    notes += [aligned.note] if aligned.note else []
    doubtful = away > MISPLACED * size
    if doubtful:
        notes.append(
            f"the apex's face lies {away:.1f} px from the onset's after alignment: another person, "
            "or a head that moved too far; do not trust the displacement"
        )
    frames = aligned.frames[..., 0]
    motion, displacement = _motion(frames[: peak + 1], alignment.motion)
    pair = frames[[0, peak]]
    return Pair(
        pair, regions, peak, frames[seen], tuple(seen), motion, displacement, bool(doubtful),
        tuple(notes),
    )  # fmt: skip


def _apex(images, aligned, regions, spot, name):
    """Index of the apex, the landmarks of its face, indices of frames with a face, and notes."""
    from pipelines.faces import apex, landmarks

    last = len(images) - 1
    if last == 1 or not spot:
        found = landmarks.detect(images[last], f"the apex frame after {name}")
        return last, found, list(range(last + 1)), []

    @functools.cache
    def face(index):
        with contextlib.suppress(landmarks.NoFace):
            return landmarks.detect(images[index])

    with np.errstate(invalid="ignore"):  # NaN for a frame of one colour
        likeness = np.corrcoef(aligned.frames.reshape(len(images), -1))[0]
    kept = [0, *(i for i in range(1, last + 1) if likeness[i] > UNLIKE or face(i) is not None)]
    while len(kept) > 1:
        peak = kept[apex.spot(aligned.frames[kept], regions)]
        if face(peak) is not None:
            absent = len(images) - len(kept)
            note = f"{absent} of the {len(images)} frames looked at show no face; they are left out"
            return peak, face(peak), kept, [note] if absent else []
        kept = [0, *(i for i in kept[1:] if face(i) is not None)]
    raise DataError(f"no face found after {name}: it leaves the picture")


def _motion(frames, source):
    """The motion map of frames (t, S, S) onset to apex, and their displacement by optical flow.

    None where the model needs no map, and where it estimates the displacement.
    """
    if source == "dgm":
        return None, None
    from pipelines import flow

    if source == "frames":
        return None, flow.MOTIONS["farneback"].compute(frames)[..., :2].astype(np.float32)
    # float16, as motion is kept for training
    motion = flow.MOTIONS[source].compute(frames).astype(np.float16).astype(np.float32)
    is_flow = motion.shape[-1] == FLOW_CHANNELS
    moved = motion if is_flow else flow.MOTIONS["farneback"].compute(frames)
    return motion, moved[..., :2].astype(np.float32)


def pairs_with_onset(film: np.ndarray, regions: np.ndarray, source: str) -> list[Pair]:
    """The onset with each later frame of an aligned clip, as pairs for `model_inputs`.

    Args:
        film: (n, S, S) uint8, onset first. regions: (9, 4) as fractions of it.
        source: where the model's motion comes from, as `Alignment.motion`.
    """
    pairs = []
    for index in range(1, len(film)):
        frames = film[[0, index]]
        motion, displacement = _motion(frames, source)
        pairs.append(Pair(frames, regions, index, frames, (0, index), motion, displacement))
    return pairs


def model_inputs(pairs: typing.Sequence[Pair], image_size: int) -> dict[str, np.ndarray]:
    """What a model may be given of `pairs`, as `pipelines.dataset.make_eval` gives it: the centre.

    Returns:
        dict of `onset`, `apex` (b, image_size, image_size, 1) float32 in [0, 1] and `regions`
        (b, 9, 4) float32 as fractions of that crop; where the pairs hold them `motion`
        (b, image_size, image_size, c) and `displacement` (b, image_size, image_size, 2) as well.
    """
    size = pairs[0].frames.shape[-1]
    margin = (size - image_size) // 2
    centre = slice(margin, margin + image_size)
    frames = np.stack([pair.frames[:, centre, centre, None] for pair in pairs])  # (b, 2, n, n, 1)
    frames = frames * (np.float32(1) / np.float32(255))
    regions = np.stack([pair.regions for pair in pairs]) * np.float32(size / image_size)
    regions = np.clip(regions - np.float32(margin / image_size), 0, 1)
    inputs = {"onset": frames[:, 0], "apex": frames[:, 1], "regions": regions}
    for name in ("motion", "displacement"):
        if getattr(pairs[0], name) is not None:
            inputs[name] = np.stack([getattr(pair, name)[centre, centre] for pair in pairs])
    return inputs
