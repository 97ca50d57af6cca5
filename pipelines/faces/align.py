"""Brings faces to one place and size: one similarity transform per clip, then the head held still.

The transform comes from the landmarks of the onset frame, steadied by those of the next two, and
serves every frame, since the jitter of detecting each frame anew (about 0.5 px) is as large as a
micro-expression. Frames whose face stands on its head or side are turned first. What the head moves
after the onset is estimated from the pixels (`rigid.py`) and taken out. Both are composed, so that
each frame is resampled once. All of it is our own choice (E); the paper says nothing of alignment.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import typing

import cv2
import numpy as np

from pipelines import schema
from pipelines.faces import frames as frame_files
from pipelines.faces import landmarks as face_landmarks
from pipelines.faces import rigid as rigid_motion

EYE_DISTANCE = 0.40  # between the eyes' centres, as a fraction of image_size
EYE_LEVEL = 0.22  # of the eyes' centres below the top of the central square, likewise

NEAR = 2  # frames after the onset whose landmarks count as well

# Where landmarks that expressions hardly move lie on an average face: x to the right and y down
# from the midpoint of the eyes' centres, in eye distances, after MediaPipe's canonical face.
STABLE = {
    33: (-0.705, -0.006),  # eye corners: the subject's right,
    133: (-0.295, 0.006),
    362: (0.295, 0.006),  # and left
    263: (0.705, -0.006),
    168: (0.0, -0.103),  # bridge of the nose, downwards
    6: (0.0, 0.024),
    197: (0.0, 0.142),
    195: (0.0, 0.248),
    98: (-0.223, 0.688),  # base of the nose
    2: (0.0, 0.748),
    327: (0.223, 0.688),
}

# Landmarks that each region must hold, and the room around them in eye distances: (x, y).
_EXTENT = {
    "brow_right": ((70, 63, 105, 66, 107, 46, 55), (0.10, 0.12)),
    "brow_left": ((300, 293, 334, 296, 336, 276, 285), (0.10, 0.12)),
    "glabella": ((107, 336, 55, 285, 9, 168), (0.08, 0.10)),
    "eye_right": ((33, 133, 159, 145), (0.14, 0.16)),
    "eye_left": ((263, 362, 386, 374), (0.14, 0.16)),
    "nose": ((6, 98, 327, 129, 358, 2), (0.10, 0.06)),
    "mouth_right": ((61, 50, 0, 17), (0.08, 0.10)),  # the corner, and the cheek above it
    "mouth_left": ((291, 280, 0, 17), (0.08, 0.10)),
    "chin": ((61, 291, 0, 152), (0.06, 0.04)),
}


@dataclasses.dataclass(frozen=True)
class Aligned:
    """An aligned clip of t frames."""

    frames: np.ndarray  # (t, S, S, 1) uint8
    landmarks: np.ndarray  # (478, 2) float32 px of the aligned onset frame
    matrix: np.ndarray  # (2, 3) float64, original px of the onset frame -> aligned px, for (x, y)
    matrices: np.ndarray  # (t, 2, 3) float64, the same for each frame, the head's motion included
    # Quarter turns to the left that the frames needed; 2 where the face stood on its head.
    turned: int = 0

    @property
    def note(self) -> str:
        """What was done to the frames that a user should know; "" if nothing."""
        posture = "stood on its head" if self.turned == 2 else "lay on its side"
        return f"the face {posture}: frames turned by {90 * self.turned}°" if self.turned else ""


def align_clip(
    images: typing.Iterable[np.ndarray],
    onset: int = 0,
    image_size: int = 128,
    margin: int = 8,
    rigid: bool = True,
    landmarks: np.ndarray | None = None,
    name: str = "the onset frame",
) -> Aligned:
    """Aligns the frames of one clip.

    Args:
        images: t frames (h, w, 3) uint8 RGB, in time order; read one by one and not kept.
        onset: index of the onset frame, where the face is detected.
        image_size, margin: the face fills the central `image_size` px; S = image_size + 2 margin.
        rigid: whether to take the head's motion after the onset out.
        landmarks: (478, 2) px of the onset frame, if they are known; else they are detected.
        name: what an error message calls the onset frame, its path for instance.
    Raises:
        NoFace (a DataError): no face on the onset frame.
    """
    images = iter(images)
    before = [next(images) for _ in range(onset)]
    first = next(images)
    known = landmarks is not None
    if landmarks is None:
        landmarks = face_landmarks.detect_steadily(first, name)
    turned = face_landmarks.quarter_turns(landmarks)
    stored = first.shape
    landmarks = face_landmarks.turn_points(landmarks, turned, stored)
    images = (_turn(image, turned) for image in images)
    before, first = [_turn(image, turned) for image in before], _turn(first, turned)
    after = list(itertools.islice(images, NEAR))
    if rigid and not known:
        landmarks = _steadied(landmarks, first, after, image_size, margin)
    matrix = face_matrix(landmarks, image_size, margin)
    size = image_size + 2 * margin
    template = warp(first, matrix, size)
    motion = rigid_motion.RigidMotion(template, *head_parts(size, image_size)) if rigid else None
    aligned, matrices = [], []
    for image in itertools.chain(before, [first], after, images):
        moved = matrix
        if motion is not None and image is not first:
            moved = _compose(motion.estimate(warp(image, matrix, size)), matrix)
        aligned.append(template if image is first else warp(image, moved, size))
        matrices.append(moved)
    from_stored = _turn_matrix(turned, stored)
    return Aligned(
        frames=np.stack(aligned)[..., None],
        landmarks=transform_points(landmarks, matrix).astype(np.float32),
        matrix=_compose(matrix, from_stored),
        matrices=np.stack([_compose(moved, from_stored) for moved in matrices]),
        turned=turned,
    )


def _turn(image, turns):
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _turn_matrix(turns, shape):
    """The (2, 3) matrix of `landmarks.turn_points`."""
    points = np.array([[0, 0], [1, 0], [0, 1.0]])
    corner, right, below = face_landmarks.turn_points(points, turns, shape)
    return np.stack([right - corner, below - corner, corner], 1)


def _steadied(own, first, after, image_size, margin):
    """Landmarks (478, 2) of the onset frame: the mean of its own and of those of frames after it.

    A camera's noise moves the landmarks of one frame by a tenth of a pixel, of each frame in
    another way; what the head has moved meanwhile is taken out first.
    """
    matrix, size = face_matrix(own, image_size, margin), image_size + 2 * margin
    motion = rigid_motion.RigidMotion(warp(first, matrix, size), *head_parts(size, image_size))
    found = [own]
    for place, image in enumerate(after):
        for points in face_landmarks.look_again(image, own, [place]):
            held = _compose(motion.estimate(warp(image, matrix, size)), matrix)
            back = _compose(cv2.invertAffineTransform(matrix), held)
            found.append(transform_points(points, back))
    return np.mean(found, axis=0)


def face_matrix(landmarks: np.ndarray, image_size: int = 128, margin: int = 8) -> np.ndarray:
    """The similarity (2, 3) that brings (478, 2) landmarks, px, to the canonical face, px."""
    index = list(STABLE)
    target = np.array([STABLE[i] for i in index]) * EYE_DISTANCE * image_size
    target += [(image_size - 1) / 2 + margin, EYE_LEVEL * image_size + margin]
    return fit_similarity(landmarks[index], target)


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity (2, 3) that moves points (n, 2) nearest to others, in least squares.

    Reference: Umeyama, 1991; in the plane a complex number holds scale and rotation.
    """
    a = (source[:, 0] + 1j * source[:, 1]).astype(np.complex128)
    b = (target[:, 0] + 1j * target[:, 1]).astype(np.complex128)
    a0, b0 = a.mean(), b.mean()
    turn = np.vdot(a - a0, b - b0) / np.vdot(a - a0, a - a0).real
    shift = b0 - turn * a0
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def transform_points(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Applies a (2, 3) matrix to points (..., 2)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """Resamples an image (h, w, 3) or (h, w) uint8 once: (size, size) uint8 grey.

    Where the image is made smaller it is smoothed first, against aliasing, which would move with
    the sampling grid and pass for motion. Beyond the image its edge is repeated.
    """
    matrix, image = _cut_out(image, matrix, size)
    if image.ndim == 3:
        image = frame_files.to_grey(image)
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    if scale < 0.9:
        sigma = 0.4 * np.sqrt(1 / scale**2 - 1)
        image = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    flags = cv2.INTER_CUBIC
    return cv2.warpAffine(image, matrix, (size, size), None, flags, cv2.BORDER_REPLICATE)


def _cut_out(image, matrix, size):
    """The part of the image that the result shows, and the matrix for it: less to work on."""
    corners = np.array([[0, 0], [0, size], [size, 0], [size, size]], float)
    corners = transform_points(corners, cv2.invertAffineTransform(matrix))
    height, width = image.shape[:2]
    low = np.clip(np.floor(corners.min(0)).astype(int) - 8, 0, (width - 1, height - 1))
    high = np.clip(np.ceil(corners.max(0)).astype(int) + 9, low + 1, (width, height))
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ low
    return matrix, image[low[1] : high[1], low[0] : high[0]]


def _compose(outer: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """The (2, 3) matrix that applies `inner`, then `outer`."""
    return (np.vstack([outer, [0, 0, 1]]) @ np.vstack([inner, [0, 0, 1]]))[:2]


@functools.lru_cache(maxsize=4)
def head_parts(size: int, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of an aligned face may speak for the head, and in which parts.

    Returns:
        trust: (size, size) float32 in [0, 1]: most where bone lies under thin skin, least where
            mouth and lids move, none off the face.
        parts: (6, size, size) bool: nose, upper and lower face, rim, right and left half.
    """
    y, x = np.mgrid[:size, :size].astype(np.float32)
    one = EYE_DISTANCE * image_size  # from here on in eye distances from the eyes' midpoint
    x = (x - (size - 1) / 2) / one
    y = (y - (size - image_size) / 2 - EYE_LEVEL * image_size) / one
    side = np.abs(x)
    nose = (side < 0.3) & (y > -0.05) & (y < 0.75)
    trust = np.full((size, size), 0.5, np.float32)
    trust[(y < -0.08) | (y > 1.45) | nose] = 0.7  # forehead and brows, jaw, nose
    trust[np.hypot(x / 0.7, (y - 1.1) / 0.33) < 1] = 0.2  # mouth
    trust[np.hypot(x / 0.98, (y - 0.5) / 1.3) >= 1] = 0.0
    rim = (y > 1.2) | (side > 0.6)
    return trust, np.stack([nose, y < 0, y > 0.5, rim, x < -0.1, x > 0.1])


def region_boxes(landmarks: np.ndarray, size: int) -> np.ndarray:
    """Boxes of the nine action-unit regions.

    Args:
        landmarks: (478, 2) px of an aligned image.
        size: side S of that image, px.
    Returns:
        (9, 4) float32 y1, x1, y2, x2 as fractions of the image, in [0, 1]; rows as schema.REGIONS.
    """
    one = np.linalg.norm(landmarks[[33, 133]].mean(0) - landmarks[[362, 263]].mean(0))
    boxes = []
    for name in schema.REGIONS:
        index, room = _EXTENT[name]
        points, room = landmarks[list(index)], one * np.array(room)
        (x1, y1), (x2, y2) = points.min(0) - room, points.max(0) + room
        boxes.append((y1, x1, y2, x2))
    # A pixel's centre lies half a pixel from its edge: px -0.5 is fraction 0.
    return np.clip((np.array(boxes) + 0.5) / size, 0, 1).astype(np.float32)
