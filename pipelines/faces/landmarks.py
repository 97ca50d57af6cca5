"""Finds a face and its 478 landmarks: MediaPipe FaceMesh, whose models come in its wheel."""

from __future__ import annotations

import functools
import math
import os
import sys
import threading

import numpy as np

from pipelines import schema, silence

NUM_LANDMARKS = 478  # 468 of the mesh, 10 of the irises
MAX_FACES = 4  # looked for; the largest is taken

# The detector wants some room around the face and wants the face to fill a good part of the image:
# where it finds none, it is shown the image with a border (fractions of its size; negative: cut).
_BORDERS = (0.0, 0.25, 0.6, -0.2, -0.3)

# `look_again` shows the network crops of this side, the eyes about this far apart, px, and smooths
# by this fraction of their distance.
_STEADY_SIDE, _STEADY_EYES, _STEADY_BLUR = 224, 70, 0.05

# A face on its head is found all the same, its features anywhere. What tells is another look: of
# three crops about a face that stands upright nearly all show it, and they agree to a fraction of
# its eye distance. Where they do less well than this, the image is looked at in its other turns
# too. On 97 faces of LFW (25 px wide): 94 found right in each of the four turns, 1 turned wrongly.
_AGREE = 0.008

_lock = threading.Lock()  # one detector, one image at a time: MediaPipe's graph is not thread-safe


class NoFace(schema.DataError):
    """No face was found in an image."""


def detect(image: np.ndarray, name: str = "the image") -> np.ndarray:
    """Landmarks of the largest face: the first of `detect_all`."""
    return detect_all(image, name)[0]


def detect_all(image: np.ndarray, name: str = "the image") -> list[np.ndarray]:
    """Landmarks of up to MAX_FACES faces, the largest first; faces on their head or side too.

    May be called from several threads: they take turns.

    Args:
        image: (h, w, 3) uint8 RGB.
        name: what the error message calls the image, a path for instance.
    Returns:
        (478, 2) float32 px each, (x, y); the centre of the image's first pixel is (0, 0).
    Raises:
        NoFace: none found, with the image as it is, with a border, cut or turned.
    """
    turns, faces, _ = _find(image, name)
    return [turn_points(points, -turns, np.rot90(image, turns).shape) for points in faces]


def detect_steadily(image: np.ndarray, name: str = "the image") -> np.ndarray:
    """As `detect`, with a fifth of its jitter: for the onset frame.

    Noise in the image and the place of the crop that the network sees both move the landmarks by
    half a pixel. So the face is found once, smoothed to what the network can use, and shown again
    in three crops whose places are rounded; the mean of the three counts.
    """
    turns, faces, seen = _find(image, name)
    points = np.mean(seen, axis=0).astype(np.float32) if seen else faces[0]
    return turn_points(points, -turns, np.rot90(image, turns).shape)


def quarter_turns(points: np.ndarray) -> int:
    """How often `np.rot90` must turn an image for its face (478, 2) to stand upright: 0 to 3."""
    down = points[152] - points[[33, 133, 362, 263]].mean(0)  # from the eyes to the chin
    return -round(math.atan2(down[0], down[1]) / (math.pi / 2)) % 4


def turn_points(points: np.ndarray, turns: int, shape) -> np.ndarray:
    """Where points (n, 2), px, of an image of this shape are when `np.rot90` has turned it."""
    height, width = shape[:2]
    for _ in range(turns % 4):
        points = np.stack([points[:, 1], width - 1 - points[:, 0]], 1)
        height, width = width, height
    return points


def _find(image, name):
    """tuple of how often to turn the image left, the faces in it then, and looks at the largest."""
    faces = _search(image)
    best = 0, faces, look_again(image, faces[0]) if faces else []
    if _steadiness(best[2]) < (3, -_AGREE):
        for turns in (2, 1, 3):
            turned = np.ascontiguousarray(np.rot90(image, turns))
            others = _search(turned) if faces else _faces(turned)
            seen = look_again(turned, others[0]) if others else []
            if _steadiness(seen) > _steadiness(best[2]):
                best = turns, others, seen
    if len(best[2]) < 2:
        kind = "clear face" if faces else "face"
        raise NoFace(
            f"no {kind} found in {name}: is it one face, seen from the front, upright and lit?"
        )
    return best


def _steadiness(seen):
    """How many looks have found the face, and, as a negative number, how far they are apart."""
    if len(seen) < 2:
        return len(seen), -math.inf
    eyes = seen[0][[33, 133]].mean(0) - seen[0][[362, 263]].mean(0)
    return len(seen), -float(np.std(seen, axis=0).mean() / np.linalg.norm(eyes))


def _search(image):
    height, width = image.shape[:2]
    for fraction in _BORDERS:
        border = round(fraction * height), round(fraction * width)
        faces = _faces(_with_border(image, *border))
        if faces:
            return [points - np.array(border[::-1], np.float32) for points in faces]
    return []


def look_again(image: np.ndarray, face: np.ndarray, places=(0, 1, 2)) -> list[np.ndarray]:
    """Landmarks (478, 2) of a face that is about where `face` is, from each of the crops `places`.

    At the cost of a detection each, for nothing is searched for; crops without a face give none.
    """
    import cv2

    eyes = face[[33, 133]].mean(0), face[[362, 263]].mean(0)
    one = float(np.linalg.norm(eyes[1] - eyes[0]))
    scale = 2.0 ** (np.round(2 * np.log2(_STEADY_EYES / one)) / 2)  # in steps, not to follow noise
    step = _STEADY_EYES / 4 / scale
    centre = np.round((np.mean(eyes, axis=0) + [0, 0.5 * one]) / step) * step
    smooth = cv2.GaussianBlur(image, (0, 0), _STEADY_BLUR * _STEADY_EYES / scale)
    found = []
    for place in places:
        angle = 0.7 + 2.1 * place  # a triangle about the centre
        shift = 0.56 * step * np.array([np.cos(angle), np.sin(angle)])
        corner = centre + shift - _STEADY_SIDE / 2 / scale
        matrix = np.array([[scale, 0, -scale * corner[0]], [0, scale, -scale * corner[1]]])
        crop = cv2.warpAffine(smooth, matrix, (_STEADY_SIDE,) * 2)  # black beyond the image
        faces = [other / scale + corner for other in _faces(crop)]
        found += sorted(faces, key=lambda other: np.abs(other - face).sum())[:1]
    return found


def _faces(image: np.ndarray) -> list[np.ndarray]:
    """The landmarks of all faces in a (h, w, 3) uint8 RGB image, the largest first: (478, 2) px."""
    with _lock, silence.without_stderr():
        result = face_mesh().process(np.ascontiguousarray(image))
    scale = np.array([image.shape[1], image.shape[0]], np.float32)
    # MediaPipe's 0 and 1 are the outer edges of the image; ours are the centres of its pixels.
    faces = [
        np.array([(point.x, point.y) for point in face.landmark], np.float32) * scale - 0.5
        for face in result.multi_face_landmarks or ()
    ]
    return sorted(faces, key=lambda points: np.prod(np.ptp(points, axis=0)), reverse=True)


def _with_border(image: np.ndarray, y: int, x: int) -> np.ndarray:
    """The image with y rows and x columns of black on each side, or, negative, with so many cut."""
    if y < 0:
        return image[-y:y, -x:x]
    return np.pad(image, ((y, y), (x, x), (0, 0))) if y else image


@functools.lru_cache(maxsize=1)
def face_mesh():
    """MediaPipe's detector, made once per process (0.2 s); for one thread at a time."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    # MediaPipe imports TensorFlow if it can, for documentation alone: 3 s and 300 MB per process.
    absent = "tensorflow" not in sys.modules
    if absent:
        sys.modules["tensorflow"] = None  # type: ignore[assignment]
    try:
        from mediapipe.python.solutions import face_mesh
    finally:
        if absent:
            del sys.modules["tensorflow"]
    return face_mesh.FaceMesh(
        static_image_mode=True, max_num_faces=MAX_FACES, refine_landmarks=True
    )
