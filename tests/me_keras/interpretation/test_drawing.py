"""What the figures share: inches, arrows, files that are the same each time."""

import numpy as np
import pytest

from me_keras.interpretation import drawing


def test_axes_are_placed_in_inches_from_the_top():
    sheet = drawing.Sheet(10.0, 5.0)
    box = sheet.axes(1.0, 0.5, 2.0, 3.0).get_position()
    assert box.bounds == pytest.approx((0.1, 0.3, 0.2, 0.6))
    assert sheet.text(1.0, 0.5, "x").get_position() == pytest.approx((0.1, 0.9))


def test_smoothing_keeps_a_mean_and_takes_the_blocks_out():
    grid = np.tile(np.float32([1, 1, -1, -1]), 16)
    field = 0.3 + 0.1 * (grid[:, None] * grid)[..., None] * np.ones(2, np.float32)
    np.testing.assert_allclose(drawing.smoothed(field)[4:-4, 4:-4], 0.3, atol=1e-6)


@pytest.mark.parametrize(
    "unit, length, arrows", [("px", 0.1, False), ("px", 0.5, True), ("", 0.1, True)]
)
def test_arrows_stand_where_motion_is_above_noise(unit, length, arrows):
    axes = drawing.Sheet(3.0, 3.0).axes(0.1, 0.1, 2.0, 2.0)
    field = np.full((64, 64, 2), length / np.sqrt(2), np.float32)
    enlarged = drawing.flow(axes, field, 1.0, "title", unit=unit)
    assert (enlarged is not None) == arrows
    if arrows:
        assert enlarged == pytest.approx(1.5 * 64 / drawing.ARROWS)
    (disc,) = [text.get_text() for text in axes.child_axes[0].texts]
    assert disc == f"1 {unit}".strip()


def test_names_as_people_say_them():
    assert drawing.spoken("mouth_left") == "left mouth" and drawing.spoken("chin") == "chin"


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_the_same_picture_is_the_same_file(tmp_path, suffix):
    def content(name):
        sheet = drawing.Sheet(3.0, 3.0)
        drawing.grey(sheet.axes(0.1, 0.5, 2.0, 2.0), np.eye(8), "title")
        drawing.save(sheet.figure, tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert content(f"a.{suffix}") == content(f"b.{suffix}")
