"""Faces: found as they are, near the border, small, and not where there is none."""

from concurrent import futures

import cartoon
import cv2
import numpy as np
import pytest

from pipelines import schema
from pipelines.faces import landmarks
from pipelines.synthetic import clip, plan


@pytest.fixture(scope="module")
def face():
    return cartoon.face()


def eye_centres(points):
    return points[[33, 133]].mean(0), points[[362, 263]].mean(0)


def test_landmarks_lie_on_the_drawn_features(face):
    points = landmarks.detect(face)
    assert points.shape == (478, 2) and points.dtype == np.float32
    right, left = eye_centres(points)  # the subject's right eye is on the image's left
    np.testing.assert_allclose(right, [320 - 47, 240 - 18.8], atol=8)
    np.testing.assert_allclose(left, [320 + 47, 240 - 18.8], atol=8)


def test_landmarks_follow_a_shift(face):
    moved = np.roll(face, (13, 31), (0, 1))
    shift = landmarks.detect(moved) - landmarks.detect(face)
    np.testing.assert_allclose(shift.mean(0), [31, 13], atol=1.0)


def test_a_face_that_fills_the_image_is_found(face):
    tight = face[200:360, 250:390]
    assert not landmarks._faces(tight)  # not without a border around it
    points = landmarks.detect(tight) + [250, 200]
    assert np.abs(points - landmarks.detect(face))[[33, 133, 362, 263]].mean() < 4


def test_a_small_face_in_a_large_image_is_found():
    large = cartoon.face((960, 1280), scale=0.6)
    assert not landmarks._faces(large)  # not before the image is cut
    right, left = eye_centres(landmarks.detect(large))
    np.testing.assert_allclose(right, [640 - 28.2, 480 - 11.3], atol=5)
    np.testing.assert_allclose(left, [640 + 28.2, 480 - 11.3], atol=5)


def test_the_largest_of_several_faces_is_taken():
    small = cartoon.face((480, 320), seed=1, scale=0.5)
    both = np.concatenate([small, cartoon.face((480, 480), seed=2, scale=1.0)], axis=1)
    assert landmarks.detect(both)[:, 0].min() > 320
    first, second = landmarks.detect_all(both)
    np.testing.assert_array_equal(first, landmarks.detect(both))
    assert second[:, 0].max() < 320


def test_no_face_names_the_file():
    empty = np.full((240, 320, 3), 128, np.uint8)
    with pytest.raises(landmarks.NoFace, match="no face found in s01/img1.bmp"):
        landmarks.detect(empty, "s01/img1.bmp")
    assert issubclass(landmarks.NoFace, schema.DataError)


def test_nothing_is_printed(face, capfd):
    landmarks.face_mesh.cache_clear()
    landmarks.detect(face)
    assert capfd.readouterr() == ("", "")


def test_steady_detection_agrees_and_jitters_less(face):
    rng = np.random.default_rng(0)
    noisy = [
        np.clip(face + rng.normal(0, 4, face.shape), 0, 255).astype(np.uint8) for _ in range(8)
    ]
    plain = np.stack([landmarks.detect(image) for image in noisy])
    steady = np.stack([landmarks.detect_steadily(image) for image in noisy])
    assert np.abs(steady.mean(0) - plain.mean(0)).mean() < 2  # px, at 94 px between the eyes
    assert steady.std(0).mean() < 0.5 * plain.std(0).mean()


def test_steady_detection_does_not_depend_on_the_image_size(face):
    large = cv2.resize(face, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    points = (landmarks.detect_steadily(large) + 0.5) / 1.5 - 0.5
    assert np.abs(points - landmarks.detect_steadily(face)).mean() < 1


def test_another_look_finds_the_same_face_and_nothing_where_there_is_none(face):
    found = landmarks.detect_steadily(face)
    looks = landmarks.look_again(face, found)
    assert len(looks) == 3 and len(landmarks.look_again(face, found, [1])) == 1
    for look in looks:
        assert np.abs(look - found).mean() < 1.5  # px, at 94 px between the eyes
    np.testing.assert_allclose(np.mean(looks, axis=0), found, atol=0.5)
    assert landmarks.look_again(np.full_like(face, 128), found) == []


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_face_on_its_head_or_side_is_found_where_it_is(face, turns):
    expected = landmarks.turn_points(landmarks.detect_steadily(face), turns, face.shape)
    stored = np.ascontiguousarray(np.rot90(face, turns))
    np.testing.assert_allclose(landmarks.detect_steadily(stored), expected, atol=0.01)
    assert landmarks.quarter_turns(expected) == 4 - turns
    assert landmarks.quarter_turns(landmarks.detect_all(stored)[0]) == 4 - turns
    # Tight around the face, where it is found less surely.
    tight = np.ascontiguousarray(np.rot90(face[100:400, 200:440], turns))
    assert landmarks.quarter_turns(landmarks.detect(tight)) == 4 - turns


def test_rendered_people_on_their_head_are_never_taken_for_upright():
    options = plan.SynthesisConfig(seed=5, frame_size=(320, 240))
    for subject in range(1, 9):
        image = next(clip.render(plan.draw_spec(options, subject, 0, "surprise"), [0]))
        upright = landmarks.detect_steadily(image)
        assert landmarks.quarter_turns(upright) == 0
        found = landmarks.detect_steadily(np.ascontiguousarray(image[::-1, ::-1]))
        assert np.abs(landmarks.turn_points(found, 2, image.shape) - upright).max() < 0.5


def test_points_turn_as_images_do(face):
    marked = np.zeros((4, 7), int)
    marked[1, 5] = 1
    for turns in range(-2, 6):
        (x, y), *_ = landmarks.turn_points(np.array([[5, 1]]), turns, marked.shape)
        assert np.rot90(marked, turns)[y, x] == 1


def test_threads_take_turns(face):
    """Four threads at once once ended the process."""
    expected = landmarks.detect_steadily(face)
    with futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(landmarks.detect_steadily, [face] * 16))
    for points in found:
        np.testing.assert_array_equal(points, expected)
