"""The head's motion: recovered, and not confused with an expression or with light."""

import cartoon
import cv2
import numpy as np
import pytest

from pipelines.faces import align, rigid

SIZE = 144


@pytest.fixture(scope="module")
def onset():
    points = np.float32([[273, 221], [367, 221]])  # where the cartoon's eyes are
    target = np.float32([[46.4, 36.2], [97.6, 36.2]])
    return align.warp(cartoon.face(), align.fit_similarity(points, target), SIZE)


@pytest.fixture(scope="module")
def motion(onset):
    return rigid.RigidMotion(onset, *align.head_parts(SIZE, 128))


def grid():
    x, y = np.meshgrid(np.arange(SIZE), np.arange(SIZE))
    return np.stack([x, y], -1).astype(np.float64)


def face_mean(vectors):
    """Mean length over the face of vectors (S, S, 2)."""
    trust, _ = align.head_parts(SIZE, 128)
    return np.linalg.norm(vectors, axis=-1)[trust > 0].mean()


def similarity(degrees, scale, shift):
    matrix = cv2.getRotationMatrix2D((71.5, 71.5), degrees, scale)
    matrix[:, 2] += shift
    return matrix


def move(image, matrix, rng, noise=1.0, light=1.0):
    moved = cv2.warpAffine(
        image.astype(np.float32), matrix, (SIZE, SIZE), None, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE
    )
    return np.clip(moved * light + rng.normal(0, noise, moved.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    "degrees, scale, shift",
    [(0, 1, (0.3, -0.2)), (0.5, 1.004, (1, 1)), (-2, 0.98, (-3, 2)), (3, 1.04, (5, -5))],
)
def test_a_similarity_is_recovered(onset, motion, degrees, scale, shift):
    matrix = similarity(degrees, scale, shift)
    found = motion.estimate(move(onset, matrix, np.random.default_rng(0), light=0.95))
    left = align.transform_points(align.transform_points(grid(), matrix), found) - grid()
    assert face_mean(left) < 0.1  # px


def test_a_still_head_stays(onset, motion):
    found = motion.estimate(move(onset, np.eye(2, 3), np.random.default_rng(0), noise=2.0))
    assert face_mean(align.transform_points(grid(), found) - grid()) < 0.03


@pytest.mark.parametrize("place", [(52, 92), (92, 92), (50, 24), (72, 118)])
def test_an_expression_is_not_taken_for_the_head(onset, motion, place):
    """A local motion of 1.5 px on top of the head's keeps over 90 % of its amplitude."""
    rng = np.random.default_rng(0)
    bump = np.exp(-((grid() - place) ** 2).sum(-1) / (2 * 9**2))[..., None] * [0.45, -1.43]
    source = np.float32(grid() - bump)
    smile = cv2.remap(onset, source[..., 0], source[..., 1], cv2.INTER_CUBIC)
    matrix = similarity(0.6, 1.003, (0.8, -0.5))
    found = motion.estimate(move(smile, matrix, rng))
    left = align.transform_points(align.transform_points(grid() + bump, matrix), found) - grid()
    x, y = place
    kept = np.linalg.norm(left[y, x]) / np.linalg.norm(bump[y, x])
    assert 0.9 < kept < 1.1
    assert face_mean(left - bump) < 0.1


def test_a_face_without_texture_gives_no_motion():
    flat = np.full((SIZE, SIZE), 128, np.uint8)
    found = rigid.RigidMotion(flat, *align.head_parts(SIZE, 128)).estimate(flat)
    np.testing.assert_allclose(found, np.eye(2, 3), atol=1e-6)
