"""The picture of why: differences on one scale, bars and words that are those of the answer."""

import dataclasses

import cv2
import numpy as np
import pytest

from me_keras.layers.warp import dense_warp
from me_keras.prediction import explanation


@pytest.fixture(scope="module")
def found(predictor, frames):
    return predictor.explain(predictor(frames, fps=100))


@pytest.fixture(scope="module")
def drawn(found):
    return explanation.draw(found)


def panel(drawn, title):
    return next(axes for axes in drawn.axes if title in axes.get_title("left"))


def test_the_warped_apex_is_the_layers(found):
    picture = found.picture
    rng = np.random.default_rng(0)
    moved = rng.normal(0, 2, picture.displacement.shape).astype(np.float32)
    picture = dataclasses.replace(picture, displacement=moved)
    expected = dense_warp(picture.apex[None, ..., None], moved[None])[0, ..., 0]
    # OpenCV rounds positions to 1/32 px.
    np.testing.assert_allclose(explanation.warped_back(picture), expected, atol=0.04)


def test_both_differences_are_on_one_scale_in_grey_levels(found, drawn):
    before, after = panel(drawn, "b  apex"), panel(drawn, "c  warped apex")
    picture = found.picture
    np.testing.assert_allclose(
        before.images[0].get_array(), 255 * (picture.apex - picture.onset), atol=1e-4
    )
    left = 255 * (explanation.warped_back(picture) - picture.onset)
    np.testing.assert_allclose(after.images[0].get_array(), left, atol=1e-4)
    low, high = before.images[0].get_clim()
    assert before.images[0].get_clim() == after.images[0].get_clim() and low == -high
    assert "grey levels" in before.get_title("right")


def test_occlusion_and_attention_of_each_region(found, drawn):
    axes = panel(drawn, "what the class rests on")
    widths = [bar.get_width() for bar in axes.patches]
    np.testing.assert_allclose(widths[:9], 100 * found.picture.occlusion, atol=1e-4)
    np.testing.assert_allclose(widths[9:18], 100 * found.picture.attention, atol=1e-4)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:2] == ["right brow", "left brow"]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "points" in legend[0] and "%" in legend[1]


def test_the_table_and_the_units_are_the_reading(found, drawn):
    said = [text.get_text() for text in panel(drawn, "motion of the regions").texts]
    for region in found.reading.regions:
        assert f"{region.length:.2f}" in said and region.direction in said
    axes = panel(drawn, "likely action units")
    widths = [bar.get_width() for bar in axes.patches]
    units = found.reading.units[: explanation.UNITS]
    assert widths == pytest.approx([unit.score for unit in units])


def test_a_still_face_has_no_units_and_no_occlusion_is_no_bar(found):
    picture = dataclasses.replace(found.picture, occlusion=None)
    still = dataclasses.replace(found, explained=0.0, picture=picture)
    drawn = explanation.draw(still)
    axes = panel(drawn, "likely action units")
    assert "no motion above noise" in axes.texts[0].get_text() and not axes.patches
    assert len(panel(drawn, "what the class rests on").patches) == 9
    assert drawn.texts[0].get_text().endswith("no motion above noise")


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_files(found, tmp_path, suffix):
    path = tmp_path / f"why.{suffix}"
    explanation.save(found, path)
    content = path.read_bytes()
    explanation.save(found, path)
    assert path.read_bytes() == content and len(content) > 10_000  # the same each time
    if suffix == "png":
        image = cv2.imread(str(path))
        assert image.shape[1] == 1600 and (image[:, -4:] == 255).all()
