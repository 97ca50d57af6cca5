"""Alignment: the similarity, one resampling, the canonical place of the eyes, boxes, jitter."""

import cartoon
import cv2
import numpy as np
import pytest

from pipelines import schema
from pipelines.faces import align, landmarks
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan


@pytest.fixture(scope="module")
def face():
    return cartoon.face()


@pytest.fixture(scope="module")
def points(face):
    return landmarks.detect(face)


def test_fit_similarity_recovers_a_known_one():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(7, 2)) * 50
    true = np.array([[0.8, -0.3, 12.0], [0.3, 0.8, -5.0]])
    found = align.fit_similarity(source, align.transform_points(source, true))
    np.testing.assert_allclose(found, true, atol=1e-9)


def test_fit_similarity_is_least_squares():
    """Agrees with OpenCV's partial affine fit of all points, which is not exact on these."""
    rng = np.random.default_rng(1)
    source = (rng.normal(size=(12, 2)) * 50).astype(np.float32)
    target = (source * 0.5 + rng.normal(size=(12, 2))).astype(np.float32)
    found = align.fit_similarity(source, target)
    error = ((align.transform_points(source, found) - target) ** 2).sum()
    for delta in (1e-3, -1e-3):
        for change in ([[1, 0, 0], [0, 1, 0]], [[0, -1, 0], [1, 0, 0]], [[0, 0, 9], [0, 0, 0]]):
            other = found + delta * np.array(change)
            assert ((align.transform_points(source, other) - target) ** 2).sum() > error


def test_warp_puts_points_where_the_matrix_says():
    image = np.zeros((200, 300), np.uint8)
    cv2.circle(image, (140, 90), 6, 255, -1)
    matrix = np.array([[0.5, 0.1, -20.0], [-0.1, 0.5, 30.0]])
    warped = align.warp(image, matrix, 128).astype(float)
    y, x = np.mgrid[:128, :128]
    centroid = [(warped * x).sum() / warped.sum(), (warped * y).sum() / warped.sum()]
    expected = align.transform_points(np.array([140.0, 90.0]), matrix)
    np.testing.assert_allclose(centroid, expected, atol=0.05)


def test_warp_does_not_alias():
    """Stripes finer than the result's pixels become grey, not a moiré."""
    image = np.tile(np.uint8([0, 255]), (300, 150))
    warped = align.warp(image, np.array([[0.35, 0, 0], [0, 0.35, 0]]), 96)
    assert warped.std() < 8


def test_the_eyes_come_to_their_place(face):
    clip = align.align_clip([face, face], image_size=128, margin=8)
    assert clip.frames.shape == (2, 144, 144, 1) and clip.frames.dtype == np.uint8
    right, left = clip.landmarks[[33, 133]].mean(0), clip.landmarks[[362, 263]].mean(0)
    assert np.linalg.norm(left - right) == pytest.approx(0.4 * 128, rel=0.06)
    np.testing.assert_allclose((left + right) / 2, [71.5, 8 + 0.22 * 128], atol=3)
    assert abs(left[1] - right[1]) < 1


def test_a_turned_and_larger_head_gives_the_same_picture(face):
    matrix = cv2.getRotationMatrix2D((320, 240), 12, 1.2)
    turned = cv2.warpAffine(face, matrix, (640, 480), None, cv2.INTER_CUBIC)
    first, second = (align.align_clip([image]) for image in (face, turned))
    difference = np.abs(first.frames.astype(int) - second.frames)[0, 20:120, 25:120]
    assert difference.mean() < 6
    assert np.abs(first.landmarks - second.landmarks).mean() < 1.5


def test_the_matrices_take_the_head_motion_out(face, points):
    move = cv2.getRotationMatrix2D((320, 240), 0.8, 1.005)
    move[:, 2] += (2.5, -1.5)
    moved = cv2.warpAffine(face, move, (640, 480), None, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    clip = align.align_clip([face, moved], landmarks=points)
    np.testing.assert_array_equal(clip.matrices[0], clip.matrix)
    here = align.transform_points(points, clip.matrices[0])
    there = align.transform_points(align.transform_points(points, move), clip.matrices[1])
    assert np.linalg.norm(there - here, axis=1).mean() < 0.1
    still = align.align_clip([face, moved], landmarks=points, rigid=False)
    np.testing.assert_array_equal(still.matrices[1], still.matrix)
    there = align.transform_points(align.transform_points(points, move), still.matrices[1])
    assert np.linalg.norm(there - here, axis=1).mean() > 1


def test_the_onset_may_be_any_frame_and_frames_may_come_one_by_one(face, points):
    shifted = np.roll(face, 3, axis=1)
    clip = align.align_clip(iter([shifted, face, shifted]), onset=1, landmarks=points)
    first = align.align_clip([face, shifted], landmarks=points)
    np.testing.assert_array_equal(clip.frames[1], first.frames[0])
    np.testing.assert_array_equal(clip.frames[0], first.frames[1])


def test_regions_hold_their_landmarks_left_and_right_being_the_subjects(points):
    placed = align.transform_points(points, align.face_matrix(points))
    boxes = align.region_boxes(placed, 144)
    assert boxes.shape == (9, 4) and boxes.dtype == np.float32
    assert (boxes[:, 2:] > boxes[:, :2]).all() and boxes.min() >= 0 and boxes.max() <= 1
    inside = {
        "brow_right": 105,
        "brow_left": 334,
        "glabella": 9,
        "eye_right": 159,
        "eye_left": 386,
        "nose": 4,
        "mouth_right": 61,
        "mouth_left": 291,
        "chin": 152,
    }
    for (y1, x1, y2, x2), name in zip(boxes * 144 - 0.5, schema.REGIONS):
        x, y = placed[inside[name]]
        assert x1 < x < x2 and y1 < y < y2, name
    right, left = boxes[schema.REGIONS.index("eye_right")], boxes[schema.REGIONS.index("eye_left")]
    assert right[3] < left[1]  # the subject's right is on the image's left


def test_mirrored_landmarks_give_the_mirrored_boxes(points):
    placed = align.transform_points(points, align.face_matrix(points))
    swap = np.arange(478)
    pairs = [(33, 263), (133, 362), (61, 291), (159, 386), (145, 374), (98, 327), (129, 358)]
    pairs += [(70, 300), (63, 293), (105, 334), (66, 296), (107, 336), (46, 276), (55, 285)]
    for a, b in [*pairs, (50, 280)]:
        swap[a], swap[b] = b, a
    mirrored = (placed * [-1, 1] + [143, 0])[swap]
    boxes, other = align.region_boxes(placed, 144), align.region_boxes(mirrored, 144)
    expected = boxes[list(schema.MIRRORED_REGIONS)][:, [0, 3, 2, 1]] * [1, -1, 1, -1] + [0, 1, 0, 1]
    np.testing.assert_allclose(other, expected, atol=1e-5)


def test_noise_moves_the_aligned_pixels_by_less_than_a_tenth(face):
    """One still face, detected 50 times under sensor noise of 3 grey levels."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(50):
        noisy = np.clip(face + rng.normal(0, 3, face.shape), 0, 255).astype(np.uint8)
        matrix = align.face_matrix(landmarks.detect_steadily(noisy))
        found.append(align.transform_points(grid(), cv2.invertAffineTransform(matrix)))
    scale = np.hypot(matrix[0, 0], matrix[1, 0])
    jitter = (np.array(found) - np.mean(found, axis=0)) * scale  # aligned px
    assert np.sqrt((jitter**2).sum(-1).mean()) < 0.1


def grid(step=10):
    y, x = np.mgrid[10:130:step, 20:124:step]
    return np.stack([x, y], -1).reshape(-1, 2).astype(float)


@pytest.mark.slow
def test_the_noise_of_a_camera_moves_rendered_faces_by_less_than_a_tenth():
    """Five people, each aligned 50 times under sensor noise of 1 grey level."""
    config = plan.SynthesisConfig(noise=0)
    for subject in range(1, 6):
        face = next(clips.render(plan.draw_spec(config, subject, 0, "surprise"), [0]))
        rng, found = np.random.default_rng(subject), []
        for _ in range(50):
            noisy = np.clip(np.rint(face + rng.normal(0, 1, face.shape)), 0, 255).astype(np.uint8)
            matrix = align.face_matrix(landmarks.detect_steadily(noisy))
            found.append(align.transform_points(grid(), cv2.invertAffineTransform(matrix)))
        jitter = (np.array(found) - np.mean(found, axis=0)) * np.hypot(*matrix[:, 0])  # aligned px
        assert np.sqrt((jitter**2).sum(-1).mean()) < 0.1, subject


@pytest.mark.slow
def test_frames_near_the_onset_steady_its_landmarks():
    """Two people, each aligned 50 times under sensor noise of 3 grey levels, the head drifting."""
    config = plan.SynthesisConfig(noise=0, drift=2)
    for subject in (1, 2):
        spec = plan.draw_spec(config, subject, 0, "surprise")
        frames = list(clips.render(spec, [0, 1, 2]))
        rng, found = np.random.default_rng(subject), []
        for _ in range(50):
            noisy = [
                np.clip(np.rint(frame + rng.normal(0, 3, frame.shape)), 0, 255).astype(np.uint8)
                for frame in frames
            ]
            matrix = align.align_clip(noisy).matrix
            found.append(align.transform_points(grid(), cv2.invertAffineTransform(matrix)))
        jitter = (np.array(found) - np.mean(found, axis=0)) * np.hypot(*matrix[:, 0])  # aligned px
        assert np.sqrt((jitter**2).sum(-1).mean()) < 0.095, subject  # 0.115 from one frame


def test_a_frame_without_a_face_near_the_onset_is_passed_over(face):
    empty = np.full_like(face, 128)
    alone, beside = align.align_clip([face]), align.align_clip([face, empty, face])
    back = cv2.invertAffineTransform(alone.matrix)
    moved = align.transform_points(align.transform_points(grid(), back), beside.matrix) - grid()
    assert np.linalg.norm(moved, axis=1).max() < 0.3  # px: the same face, from another crop
    assert len(beside.frames) == 3


@pytest.mark.parametrize(
    "turns, note",
    [
        (1, "the face lay on its side: frames turned by 270°"),
        (2, "the face stood on its head: frames turned by 180°"),
        (3, "the face lay on its side: frames turned by 90°"),
    ],
)
def test_frames_stored_in_another_turn_give_the_same_clip(face, turns, note):
    moved = [np.roll(face, shift, axis=1) for shift in (0, 1, 2)]
    upright = align.align_clip(moved, onset=1)
    stored = [np.ascontiguousarray(np.rot90(image, turns)) for image in moved]
    clip = align.align_clip(iter(stored), onset=1)
    assert (upright.note, clip.note) == ("", note)
    difference = np.abs(clip.frames.astype(int) - upright.frames)
    assert difference.max() <= 4 and difference.mean() < 0.05  # landmarks are rounded
    np.testing.assert_allclose(clip.landmarks, upright.landmarks, atol=1e-3)
    # The matrices are for pixels as stored.
    right_eye = landmarks.turn_points(np.array([[273.0, 221.0]]), turns, face.shape)
    expected = align.transform_points(np.array([[273.0, 221.0]]), upright.matrix)
    np.testing.assert_allclose(align.transform_points(right_eye, clip.matrix), expected, atol=1e-3)
    np.testing.assert_array_equal(clip.matrices[1], clip.matrix)
    known = align.align_clip(stored, 1, landmarks=landmarks.detect_steadily(stored[1]))
    assert known.turned == clip.turned == 4 - turns


def test_heads_of_rendered_people_are_held_still():
    """A pure similarity between onset and apex leaves less than a tenth of a pixel."""
    config = plan.SynthesisConfig(amplitude_px=0, drift=3)
    for subject in (1, 2, 3):
        spec = plan.draw_spec(config, subject, 0, "surprise")
        aligned = align.align_clip(clips.render(spec, [0, spec.num_frames - 1]))
        drift = clips.drift_path(spec)[-1][:2]
        onset = align.transform_points(grid(), cv2.invertAffineTransform(aligned.matrix))
        moved = align.transform_points(onset, drift)
        left = align.transform_points(moved, aligned.matrices[1]) - grid()
        before = align.transform_points(moved, aligned.matrix) - grid()
        assert np.linalg.norm(left, axis=1).mean() < 0.1
        assert np.linalg.norm(before, axis=1).mean() > 0.5
