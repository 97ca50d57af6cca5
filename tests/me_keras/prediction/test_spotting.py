"""The rule on paths made by hand: what is found, how sharply, and what is told apart."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from me_keras.prediction import spotting
from pipelines.schema import REGIONS

RATE = 100
MOUTH, EYES, BROWS = (
    [REGIONS.index(name) for name in names]
    for names in (("mouth_left", "mouth_right", "chin"), ("eye_left", "eye_right"),
                  ("brow_left", "brow_right", "glabella"))
)  # fmt: skip


def path(*acts, seconds=4.0, noise=0.01):
    """A path with acts (start, end, rows, (dx, dy)): out to the middle and back, smoothly."""
    t = np.arange(int(seconds * RATE)) / RATE
    places = np.random.default_rng(0).normal(0, noise, (len(t), 9, 2))
    for start, end, rows, pull in acts:
        phase = np.clip((t - start) / (end - start), 0, 1)
        bump = np.where((phase > 0) & (phase < 1), np.sin(np.pi * phase) ** 2, 0.0)
        places[:, rows] += bump[:, None, None] * np.array(pull)
    return spotting.Path(np.arange(len(t)) + 1000, places), t


def kinds(*acts, **options):
    return [m.kind for m in spotting.movements(*path(*acts, **options))]


def test_start_apex_and_end_are_sharp():
    (found,) = spotting.movements(*path((1.0, 1.4, BROWS, (0.0, -0.8))))
    assert found.kind == "micro" and abs(found.apex - 1120) <= 2
    # A bump of this shape is over 12 % of its height from 11 % of its time on.
    assert abs(found.start - 1104.5) <= 2 and abs(found.end - 1135.5) <= 2
    assert found.length == pytest.approx(0.8, abs=0.05)
    assert found.lasted == pytest.approx((found.end - found.start) / RATE)


def test_each_of_several_is_found_and_none_in_noise():
    acts = [(0.5, 0.9, BROWS, (0.0, -0.5)), (2.0, 2.3, MOUTH[:1], (0.6, -0.3))]
    first, second = spotting.movements(*path(*acts))
    assert abs(first.apex - 1070) <= 2 and abs(second.apex - 1215) <= 2
    assert spotting.movements(*path(noise=0.03)) == []
    assert spotting.movements(*path((1.0, 1.4, BROWS, (0.0, -0.06)))) == []  # below LEAST_PX


def test_the_threshold_is_px_and_the_window_the_longest():
    weak = path((1.0, 1.4, BROWS, (0.0, -0.06)), noise=0.003)
    assert spotting.movements(*weak) == []
    assert len(spotting.movements(*weak, least=0.04)) == 1
    slow = path((1.0, 2.0, BROWS, (0.0, -1.0)))
    assert "micro" not in [m.kind for m in spotting.movements(*slow)]
    (found,) = spotting.movements(*slow, longest=1.0)
    assert found.kind == "micro" and found.lasted == pytest.approx(0.78, abs=0.05)


def test_blinks_are_lids_that_go_down_quickly_and_together():
    assert kinds((1.0, 1.25, EYES, (0.0, 0.6))) == ["blink"]
    assert kinds((1.0, 1.25, EYES, (0.0, -0.6))) == ["micro"]  # lids that go up
    assert kinds((1.0, 1.25, EYES[:1], (0.0, 0.6))) == ["micro"]  # one eye
    assert kinds((1.0, 1.25, EYES, (0.0, 0.3)), (1.0, 1.25, BROWS, (0.0, 0.5))) == ["micro"]


def test_talking_is_a_mouth_that_moves_again_and_again():
    syllables = [
        (1.0 + 0.2 * i, 1.2 + 0.2 * i, MOUTH, (0.0, 0.5 + 0.1 * (i % 2))) for i in range(6)
    ]
    assert set(kinds(*syllables)) == {"talking"}
    assert kinds(syllables[0]) == ["micro"]
    apart = [(0.5 + i, 0.8 + i, MOUTH, (0.0, 0.6)) for i in range(3)]
    assert kinds(*apart) == ["micro"] * 3
    brows = (3.2, 3.5, BROWS, (0.0, -0.5))
    assert kinds(*syllables, brows)[-1] == "micro"


def test_a_face_that_goes_and_stays_or_turns_is_none():
    held, t = path()
    held.places[150:, BROWS] += (0.0, -1.0)
    drifting, _ = path()
    drifting.places[:] += np.linspace(0, 6, len(t))[:, None, None]
    turning, _ = path((1.0, 1.3, BROWS[:2], (0.0, -0.3)))  # what a turn leaves is no pure return
    step = gaussian_filter1d((t > 1.1).astype(float), 8)
    turning.places[:] += 1.5 * step[:, None, None]
    for moved in (held, drifting, turning):
        assert spotting.movements(moved, t) == []


def test_windows_are_chained_whatever_each_calls_its_first_place():
    whole, t = path((1.0, 1.4, BROWS, (0.0, -0.8)), noise=0.0)
    starts = range(0, 351, 25)
    parts = [
        spotting.Path(whole.frames[s : s + 50], whole.places[s : s + 50] - whole.places[s])
        for s in starts
    ]
    (chained,) = spotting.chain(parts)
    np.testing.assert_array_equal(chained.frames, whole.frames)
    np.testing.assert_allclose(chained.places, whole.places, atol=1e-12)
    first, second = spotting.chain(parts[:3] + parts[5:])  # a face that was away
    assert first.frames[-1] == 1099 and second.frames[0] == 1125
    assert spotting.chain([]) == []


def test_movements_that_overlap_are_cut_between_their_apexes():
    places = [(0, 10, 30), (22, 40, 50), (50, 60, 70)]
    made = [spotting.Movement(*place, 0.3, 1.0, "micro") for place in places]
    found = [(m.start, m.apex, m.end) for m in spotting.apart(made)]
    assert found == [(0, 10, 26), (26, 40, 50), (50, 60, 70)]


def test_too_few_frames_hold_no_movement():
    short = spotting.Path(np.arange(2), np.zeros((2, 9, 2)))
    assert spotting.movements(short, np.array([0.0, 0.1])) == []


def test_extent_of_a_clip_that_stays_at_its_apex():
    places = np.zeros((10, 9, 2))
    places[:, BROWS, 1] = -np.array([0, 0, 0, 0.5, 1, 1, 1, 1, 1, 1])[:, None]
    start, end = spotting.extent(places, 6, places[6])
    assert start == 2 and end >= 6


def test_places_are_the_mean_displacement_of_each_box():
    """A pattern that moves by a pixel in one half of the face."""
    import cv2

    rng = np.random.default_rng(0)
    noise = cv2.GaussianBlur(rng.normal(128, 300, (144, 160)), (0, 0), 3).clip(0, 255)
    still, moved = noise[:, 8:152], noise[:, 7:151]
    film = np.stack([still, np.concatenate([moved[:72], still[72:]])]).astype(np.uint8)
    boxes = np.array([[0.1, 0.1, 0.3, 0.9]] * 5 + [[0.7, 0.1, 0.9, 0.9]] * 4)
    places = spotting.region_places(film, boxes)
    assert places.shape == (2, 9, 2) and not places[0].any()
    np.testing.assert_allclose(places[1, :5], [[1, 0]] * 5, atol=0.15)
    np.testing.assert_allclose(places[1, 5:], 0, atol=0.1)
    field = np.zeros((10, 10, 2))
    field[2:4, 5:9] = 3.0
    means = spotting.region_means(field, np.array([[0.2, 0.5, 0.4, 0.9], [0.0, 0.0, 1.0, 1.0]]))
    np.testing.assert_allclose(means, [[3, 3], [0.24, 0.24]])
