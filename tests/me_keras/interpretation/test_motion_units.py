"""The read-out: regions by hand, every action unit by its own template and by the renderer's."""

import json

import numpy as np
import pytest
from scipy.optimize import lsq_linear

from me_keras.average_face import AVERAGE_REGIONS
from me_keras.interpretation import motion_units
from me_keras.motion_figures import face_mask
from pipelines.schema import REGIONS
from pipelines.synthetic import anatomy, motion

BOXES = np.array(AVERAGE_REGIONS)
SIZE = 128


def moved(name, dx, dy, size=SIZE):
    """A field that is (dx, dy) in the box of a region and 0 elsewhere."""
    field = np.zeros((size, size, 2), np.float32)
    y1, x1, y2, x2 = np.round(BOXES[REGIONS.index(name)] * size).astype(int)
    field[y1:y2, x1:x2] = dx, dy
    return field


def of_region(reading, name):
    return next(region for region in reading.regions if region.name == name)


@pytest.mark.parametrize(
    "region, way, words",
    [
        ("mouth_left", (1, 0), "out"),  # the subject's left is on the image's right
        ("mouth_right", (1, 0), "in"),
        ("mouth_right", (-1, -1), "up and out"),
        ("mouth_left", (-1, 1), "down and in"),
        ("brow_right", (0, -1), "up"),
        ("brow_left", (0.3, 1), "down"),
        ("nose", (1, 0), "left"),
        ("nose", (-1, 0), "right"),
        ("chin", (-1, -1), "up and right"),
        ("chin", (1, 1), "down and left"),
    ],
)
def test_directions_in_words(region, way, words):
    found = of_region(motion_units.read(moved(region, *way), BOXES), region)
    assert found.direction == words
    assert (found.dx, found.dy) == pytest.approx(way, abs=0.06)
    assert found.length == pytest.approx(np.hypot(*way), rel=0.06)


def test_a_region_by_hand():
    """Rows 2 and 3 of 8 lie in the box, columns 4 to 7: their mean."""
    field = np.arange(8 * 8 * 2, dtype=np.float32).reshape(8, 8, 2)
    (found,) = motion_units.region_motions(field, [(0.25, 0.5, 0.5, 1.0)], ["mouth_left"])
    inside = field[2:4, 4:8].reshape(-1, 2)
    assert (found.dx, found.dy) == pytest.approx(tuple(inside.mean(0)))
    assert found.length == pytest.approx(np.hypot(*inside.T).mean())


def test_parts_that_move_against_one_another_are_mixed_and_what_is_short_is_still():
    field = moved("chin", 0, 1.0)
    y1, _, y2, _ = np.round(BOXES[REGIONS.index("chin")] * SIZE).astype(int)
    field[(y1 + y2) // 2 : y2] *= -1
    reading = motion_units.read(field, BOXES)
    assert of_region(reading, "chin").direction == "mixed"
    assert of_region(reading, "chin").length == pytest.approx(1, abs=0.06)
    assert of_region(reading, "brow_left").direction == "still"


def test_what_the_head_moved_is_taken_out():
    field = moved("brow_left", 0, -2.0)
    shifted = field + np.float32([1.5, -0.7])
    plain, held = (motion_units.read(each, BOXES) for each in (field, shifted))
    for a, b in zip(plain.regions, held.regions):
        assert (b.dx, b.dy, b.length) == pytest.approx((a.dx, a.dy, a.length), abs=1e-5)
        assert a.direction == b.direction
    assert [unit.code for unit in held.units] == [unit.code for unit in plain.units]


@pytest.mark.parametrize("number", motion_units.UNITS)
@pytest.mark.parametrize("side", ["R", "L", ""])
def test_a_units_own_template_is_that_unit(number, side):
    fields = motion_units.templates(BOXES, SIZE)[list(motion_units.UNITS).index(number)]
    field = 1.3 * {"R": fields[0], "L": fields[1], "": fields.sum(0)}[side]
    first, *others = motion_units.read(field, BOXES).units
    assert (first.number, first.side) == (number, side)
    assert first.score > 0.9 and sum(unit.score for unit in others) < 0.1
    assert first.length == pytest.approx(1.3, rel=0.08)  # a broad smile passes in part for the head


def test_templates_move_the_skin_as_the_coding_system_says():
    """By hand from the manual: AU 1 raises the inner brow, AU 4 lowers it, AU 12 goes obliquely."""
    rows = {number: row for row, number in enumerate(motion_units.UNITS)}
    fields = motion_units.templates(BOXES, 64)
    mean = fields.mean((2, 3))  # (14, 2, 2), right side first
    assert (mean[rows[1], :, 1] < 0).all() and (mean[rows[2], :, 1] < 0).all()
    assert (mean[rows[4], :, 1] > 0).all() and (mean[rows[15], :, 1] > 0).all()
    assert (mean[rows[12], :, 1] < 0).all()
    assert mean[rows[12], 0, 0] < 0 < mean[rows[12], 1, 0]  # outwards on both sides
    assert mean[rows[4], 1, 0] < 0 < mean[rows[4], 0, 0]  # inwards
    assert abs(mean[rows[20], 1, 1]) < 1e-9 < mean[rows[20], 1, 0]
    np.testing.assert_allclose(
        fields[:, 0, :, ::-1] * [-1, 1], fields[:, 1], atol=1e-9
    )  # a symmetric face


def test_strengths_are_those_of_another_solver():
    rng = np.random.default_rng(0)
    field = rng.normal(size=(32, 32, 2)).astype(np.float32)
    strength, share = motion_units.fit(field, BOXES)
    face = face_mask(32)
    matrix = motion_units.templates(BOXES, 32)[:, :, face].reshape(28, -1).T
    seen = field[face].ravel()
    expected = lsq_linear(matrix, seen, (0, np.inf), tol=1e-12).x
    np.testing.assert_allclose(strength.ravel(), expected, atol=1e-5)
    explained = 1 - ((matrix @ expected - seen) ** 2).sum() / (seen**2).sum()
    assert share.sum() == pytest.approx(explained, abs=1e-4) and (share >= 0).all()


@pytest.mark.parametrize("number", motion.ACTION_UNITS)
def test_the_renderers_units_are_among_the_first_two(number):
    """Other widths and anchors than ours, on ten people."""
    hits = 0
    for subject in range(10):
        person = anatomy.sample(1000 + subject)
        rows = motion.scaled_bumps(person, [motion.Unit(number, "", 1.0)], 0.75)
        field = motion.evaluate(rows, motion.face_grid(SIZE)) * motion.ALIGNED_EYE_DISTANCE
        units = motion_units.read(field, BOXES).units[:2]
        hits += number in [unit.number for unit in units]
    assert hits >= 9


def test_a_flow_of_another_unit_gives_the_same_words():
    """A flow image published in [0, 1], 28 px: no px, the same directions and units."""
    person = anatomy.sample(3)
    rows = motion.scaled_bumps(person, [motion.Unit(1, "", 1.0), motion.Unit(2, "L", 1.0)], 0.75)
    field = motion.evaluate(rows, motion.face_grid(28)) * motion.ALIGNED_EYE_DISTANCE
    px = motion_units.read(field, BOXES, scale=128 / 28)
    published = motion_units.read(0.5 + 0.01 * field, BOXES, in_px=False)
    assert [unit.code for unit in published.units] == [unit.code for unit in px.units]
    assert {unit.number for unit in px.units[:2]} == {1, 2}
    assert next(unit for unit in px.units if unit.number == 2).side == "L"
    words = [region.direction for region in published.regions]
    assert words[:2] == ["up", "up"] and words[-1] == "still"
    quiet = motion_units.read(0.01 * field, BOXES, scale=128 / 28)  # in px that is nothing
    assert quiet.units == () and {r.direction for r in quiet.regions} == {"still"}


def test_a_broad_smile_leaves_the_forehead_still():
    """The median of the face is not the head's motion where most of the face moves."""
    field = motion_units.templates(BOXES, SIZE)[list(motion_units.UNITS).index(12)].sum(0)
    reading = motion_units.read(2 * field, BOXES)
    assert of_region(reading, "brow_left").direction == "still"
    assert of_region(reading, "mouth_left").direction == "up and out"


def test_no_motion_is_no_unit():
    reading = motion_units.read(np.zeros((SIZE, SIZE, 2)), BOXES, in_px=False)
    assert reading.units == () and all(r.direction == "still" for r in reading.regions)


def test_json():
    reading = motion_units.read(moved("mouth_left", 1.0, -1.0), BOXES)
    record = json.loads(json.dumps(reading.to_json()))
    assert record["regions"]["mouth_left"]["direction"] == "up and out"
    assert record["regions"]["mouth_left"]["dx_px"] == pytest.approx(1, abs=0.06)
    first = record["action_units"][0]
    assert (first["unit"], first["name"], first["side"]) == (12, "lip corner puller", "L")
    assert 0 < first["score"] <= 1
    unit = reading.units[0]
    assert (unit.code, str(unit)) == ("L12", "12 lip corner puller left")
