"""A portrait of a clip's onset frame: how far its eyes are apart, and how left differs from right.

No face is symmetric. What is left when the mirrored face is taken from the face (parting, moles,
shadows) changes its sign, and nothing else, when a picture is mirrored: its correlation between two
clips of one subject is then negative.
"""

from __future__ import annotations

import dataclasses
import functools

import cv2
import numpy as np

from pipelines.faces import align, landmarks

SIDE = 64  # of the face that is compared, px


@dataclasses.dataclass(frozen=True)
class Portrait:
    """A face as found on an onset frame."""

    eye_distance: float  # between the eyes' centres, px of the frame
    asymmetry: np.ndarray  # (SIDE, SIDE) float32 of norm 1: the aligned face less its mirror image

    def likeness(self, other: Portrait) -> float:
        """Correlation in [-1, 1] of the asymmetries: negative if one of the two is mirrored."""
        return float(np.vdot(self.asymmetry, other.asymmetry))


def portrait(image: np.ndarray, name: str = "the image") -> Portrait:
    """Finds the face in an image (h, w, 3) uint8 RGB. Raises NoFace, which is a DataError."""
    points = landmarks.detect(image, name)
    eyes = points[[33, 133]].mean(0) - points[[362, 263]].mean(0)
    aligned = align.warp(image, align.face_matrix(points, SIDE, 0), SIDE).astype(np.float32)
    face = cv2.GaussianBlur(aligned, (0, 0), 1)  # half a pixel of misalignment must not count
    face = face - cv2.GaussianBlur(face, (0, 0), 8)  # nor should the light's direction
    face = face * _inside()
    asymmetry = face - face[:, ::-1]
    return Portrait(
        float(np.linalg.norm(eyes)), asymmetry / max(float(np.linalg.norm(asymmetry)), 1e-6)
    )


@functools.lru_cache(maxsize=1)
def _inside():
    """(SIDE, SIDE) float32: 1 on the face, 0 off it and at the image's edge."""
    trust, _ = align.head_parts(SIDE, SIDE)
    return (np.minimum(trust, trust[:, ::-1]) > 0).astype(np.float32)
