"""Action units move what they are named after, on the side they are named for."""

import numpy as np
import pytest

from pipelines.synthetic import anatomy, motion

PERSON = anatomy.sample(3)
AT = anatomy.anchors(PERSON)


def shift(units, anchor, sign=1, amplitude=0.75):
    rows = motion.scaled_bumps(PERSON, units, amplitude)
    return motion.evaluate(rows, np.float32(AT[anchor]) * [sign, 1])


@pytest.mark.parametrize(
    ("number", "anchor", "outward", "down"),
    [
        (1, "brow_inner", 0, -1),
        (2, "brow_outer", 0, -1),
        (4, "brow_inner", -1, 1),
        (5, "lid_upper", 0, -1),
        (6, "cheek", 0, -1),
        (7, "lid_lower", 0, -1),
        (9, "nose_wing", 0, -1),
        (10, "lip_upper", 0, -1),
        (12, "mouth_corner", 1, -1),
        (14, "mouth_corner", 1, 0),
        (15, "mouth_corner", 0, 1),
        (17, "chin_boss", 0, -1),
        (20, "mouth_corner", 1, 0),
        (24, "lip_upper", 0, 1),
        (24, "lip_lower", 0, -1),
    ],
)
def test_unit_moves_its_part_of_the_face(number, anchor, outward, down):
    for sign in (1, -1):
        dx, dy = shift([motion.Unit(number, "", 1.0)], anchor, sign)
        size = np.hypot(dx, dy)
        assert size > 0
        if outward:
            assert sign * outward * dx > 0.25 * size
        if down:
            assert down * dy > 0.25 * size


def test_every_unit_exists_and_emotions_name_known_units():
    assert set(motion.ACTION_UNITS) == {1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 24}
    used = {n for sets in motion.EMOTIONS.values() for numbers in sets for n in numbers}
    assert used == set(motion.ACTION_UNITS)
    assert {s[0] for sets in motion.ACTION_UNITS.values() for s in sets} <= set(AT)


def test_one_sided_unit_leaves_the_other_side_still():
    for number, anchor in ((12, "mouth_corner"), (2, "brow_outer"), (14, "mouth_corner")):
        left, right = (
            np.linalg.norm(shift([motion.Unit(number, "L", 1.0)], anchor, s)) for s in (1, -1)
        )
        assert left > 0 and right < 0.01 * left
        right = np.linalg.norm(shift([motion.Unit(number, "R", 1.0)], anchor, -1))
        assert right > 0


def mean_motion(person, units, amplitude):
    field = motion.evaluate(
        motion.scaled_bumps(person, units, amplitude), motion.face_grid(motion.ALIGNED_SIZE)
    )
    size = np.linalg.norm(field, axis=-1) * motion.ALIGNED_EYE_DISTANCE
    return size.mean(), size.max()


def test_amplitude_is_the_mean_motion_of_the_face_in_px():
    mean, _ = mean_motion(PERSON, [motion.Unit(12, "", 1.0), motion.Unit(6, "", 1.0)], 0.5)
    assert mean == pytest.approx(0.5, rel=0.02)


def test_motion_stays_within_its_limits_for_any_clip():
    rng = np.random.default_rng(0)
    for seed, emotion in enumerate(list(motion.EMOTIONS) * 4):
        person = anatomy.sample(seed % 5)
        units = motion.draw_units(rng, emotion)
        mean, peak = mean_motion(person, units, 0.75)
        assert 0.01 < mean < 0.75 * 1.05
        assert peak < 0.75 * motion.PEAK_LIMIT * 1.05
        steep = motion.evaluate(motion.scaled_bumps(person, units, 30.0), motion.face_grid())
        slopes = [np.diff(steep, axis=axis) * motion.ALIGNED_EYE_DISTANCE for axis in (0, 1)]
        assert max(np.abs(s).max() for s in slopes) < motion.STEEPEST * 1.25


def test_drawn_clips_overlap_between_classes_and_are_one_sided_at_times():
    rng = np.random.default_rng(1)
    drawn = {e: [motion.draw_units(rng, e) for _ in range(200)] for e in motion.EMOTIONS}
    numbers = {e: {u.number for units in clips for u in units} for e, clips in drawn.items()}
    assert 14 in numbers["negative"] & numbers["positive"]
    assert 1 in numbers["negative"] & numbers["surprise"]
    sided = [any(u.side for u in units) for units in drawn["positive"]]
    assert 0.1 < np.mean(sided) < 0.3
    assert all(any(u.side for u in units) for units in drawn["contempt"])


def test_people_move_the_same_unit_differently():
    units = [motion.Unit(12, "", 1.0)]
    first, second = (motion.bumps(anatomy.sample(s), units)[0, 2:4] for s in (0, 1))
    assert np.abs(first - second).max() > 0.01


def test_a_blend_adds_a_unit_and_changes_nothing_else():
    for seed in range(50):
        plain = motion.draw_units(np.random.default_rng(seed), "happiness")
        blended = motion.draw_units(np.random.default_rng(seed), "happiness", 2.0)
        *own, added = blended
        assert tuple(own) == plain
        assert added.number not in {unit.number for unit in plain} and 0.6 <= added.weight <= 2.0
