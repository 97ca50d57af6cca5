"""The picture: regions on the face, arrows where and how the face moved, scales with units."""

import dataclasses

import cv2
import numpy as np
import pytest

from me_keras.interpretation import drawing
from me_keras.motion_figures import STILL_PX, face_mask
from me_keras.prediction import alignment, figure, result
from pipelines import schema
from pipelines.faces import align, landmarks
from pipelines.synthetic import clip as clips

SIZE, MARGIN = 128, 8
WHERE = alignment.Alignment(SIZE, MARGIN)
CLASSES = ("negative", "positive", "surprise")


@pytest.fixture(scope="module")
def truth(spec, frames):
    """The answer a perfect model would give of the synthetic clip."""
    pair = alignment.align_pair([frames[0], frames[spec.apex]], WHERE, spot=False)
    inputs = alignment.model_inputs([pair], SIZE)
    matrix = align.face_matrix(landmarks.detect_steadily(frames[0]), SIZE, 0)
    moved = clips.aligned_displacement(spec, matrix, SIZE)
    attention = np.arange(1, 10, dtype=np.float32) / 45
    length = np.linalg.norm(moved, axis=-1)[face_mask(SIZE)]
    picture = result.Picture(
        inputs["onset"][0, ..., 0], inputs["apex"][0, ..., 0], moved, inputs["regions"][0],
        schema.REGIONS, attention,
    )  # fmt: skip
    return result.Prediction(
        first=0, last=len(frames) - 1, onset=0, apex=spec.apex, seconds=None, classes=CLASSES,
        probabilities=(0.1, 0.2, 0.7), gain=0.7, explained=0.8,
        mean_displacement=float(length.mean()), max_displacement=float(length.max()),
        source="clip.avi", picture=picture, windows=(None,),
    )  # fmt: skip


def along(prediction, *changes):
    """The prediction as that of a recording, a window per change."""
    fields = [f.name for f in dataclasses.fields(result.Window)]
    facts = {name: getattr(prediction, name) for name in fields}
    windows = []
    for i, change in enumerate(changes):
        times = dict.fromkeys(("first", "onset"), 0.25 * i) | {"last": 0.25 * i + 0.5}
        windows.append(result.Window(**{**facts, "seconds": times, **change}))
    seconds = {**windows[0].seconds, "apex": 0.1}
    return dataclasses.replace(prediction, seconds=seconds, windows=tuple(windows))


def panel(drawn, title):
    titles = {axes.get_title("left"): axes for axes in drawn.axes}
    return next(axes for name, axes in titles.items() if title in name)


def with_gid(axes, gid):
    return [a for a in axes.get_children() if (a.get_gid() or "").startswith(gid)]


def test_regions_are_inside_the_face(truth, frames):
    axes = panel(figure.draw(truth), "action-unit regions")
    boxes = with_gid(axes, "region ")
    assert {box.get_gid().split()[1] for box in boxes} == set(schema.REGIONS)
    points = landmarks.detect(frames[0])
    points = align.transform_points(points, align.face_matrix(points, SIZE, 0))
    (left, top), (right, bottom) = points.min(0) - 4, points.max(0) + 4
    top = max(top, -0.5)
    for box in boxes:
        (x, y), wide, tall = box.get_xy(), box.get_width(), box.get_height()
        assert left <= x and x + wide <= right and top - 8 <= y and y + tall <= bottom, box
        y1, x1, y2, x2 = truth.picture.regions[schema.REGIONS.index(box.get_gid().split()[1])]
        np.testing.assert_allclose((x, y), (x1 * SIZE - 0.5, y1 * SIZE - 0.5), atol=1e-4)
        np.testing.assert_allclose((wide, tall), ((x2 - x1) * SIZE, (y2 - y1) * SIZE), atol=1e-4)


def test_the_most_attended_region_is_boldest_and_shares_add_up(truth):
    drawn = figure.draw(truth)
    boxes = with_gid(panel(drawn, "action-unit regions"), "region ")
    widths = {box.get_gid().split()[1]: box.get_linewidth() for box in boxes}
    assert sorted(widths, key=widths.get) == list(schema.REGIONS)  # as their attention rises
    axes = panel(drawn, "attention")
    shares = [bar.get_width() for bar in axes.patches]
    assert sum(shares) == pytest.approx(1, abs=1e-6)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:3] == ["right brow", "left brow", "glabella"] and len(names) == 9
    assert [text.get_text() for text in axes.texts][-1] == "20.0%"


def test_arrows_stand_where_the_face_moved_and_point_as_it_moved(truth):
    (arrows,) = with_gid(panel(figure.draw(truth), "displacement"), "arrows")
    x, y = arrows.X.astype(int), arrows.Y.astype(int)
    moved = figure._for_the_eye(truth.picture).displacement
    assert len(x) > 5
    np.testing.assert_allclose(np.stack([arrows.U, arrows.V], -1), moved[y, x])
    length = np.linalg.norm(moved, axis=-1)
    inside = face_mask(SIZE)
    assert inside[y, x].all() and (length[y, x] >= STILL_PX).all()
    step = SIZE // drawing.ARROWS
    grid = np.zeros_like(inside)
    grid[step // 2 :: step, step // 2 :: step] = True
    strong = length >= 0.3 * length[inside].max()
    assert np.isin(np.flatnonzero(grid & strong & inside), y * SIZE + x).all()  # none is missing


def test_arrows_are_drawn_the_way_the_picture_is_upright(truth):
    """On the screen: a face that only moves down has arrows that point down."""
    down = np.zeros((SIZE, SIZE, 2), np.float32)
    down[..., 1] = 1.0
    picture = dataclasses.replace(truth.picture, displacement=down)
    drawn = figure.draw(dataclasses.replace(truth, picture=picture))
    axes = panel(drawn, "displacement")
    (arrows,) = with_gid(axes, "arrows")
    assert axes.yaxis_inverted() and arrows.angles == "xy"  # y grows downwards, and so do arrows
    colour = axes.images[0].get_array()[64, 64]
    assert colour[0] > colour[2] and colour[1] > colour[2]  # the wheel's yellow is down


def test_scales_have_units_and_never_blow_noise_up(truth):
    drawn = figure.draw(truth)
    heat = with_gid(panel(drawn, "magnitude"), "magnitude")[0]
    length = np.linalg.norm(truth.picture.displacement, axis=-1)
    inside = face_mask(SIZE)
    assert np.abs(heat.get_array() - length)[inside].mean() < 0.05 * length[inside].max()
    assert heat.get_clim()[0] == 0 and heat.get_clim()[1] >= truth.max_displacement * 0.9
    assert panel(drawn, "magnitude").get_title("right") == "px"
    weak = dataclasses.replace(truth.picture, displacement=0.02 * truth.picture.displacement)
    still = dataclasses.replace(
        truth, picture=weak, explained=0.0, notes=("no motion above noise",)
    )
    drawn = figure.draw(still)
    assert with_gid(panel(drawn, "magnitude"), "magnitude")[0].get_clim()[1] == drawing.FINEST
    assert len(with_gid(panel(drawn, "displacement"), "arrows")[0].X) == 0
    said = [text.get_text() for text in drawn.texts]
    assert said[0] == "clip.avi: no motion above noise" and said[-2] == "no motion above noise"


def test_probabilities_are_those_of_the_answer(truth):
    drawn = figure.draw(truth)
    axes = panel(drawn, "probability")
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([0.1, 0.2, 0.7])
    assert drawn.texts[0].get_text() == "clip.avi: surprise, 70%"
    assert not any("point per window" in axes.get_title("left") for axes in drawn.axes)


def test_the_timeline(truth):
    changes = [{"probabilities": (0.2 * i, 0.5, 0.5 - 0.2 * i)} for i in range(3)]
    changes += [{"explained": 0.0}, {"problem": "no face", "probabilities": ()}]
    axes = panel(figure.draw(along(truth, *changes)), "point per window")
    assert axes.get_xlabel() == "seconds" and axes.get_xlim() == (0.0, 1.5)
    lines = {i: line for i, line in enumerate(axes.lines)}
    np.testing.assert_allclose(lines[0].get_xdata(), 0.25 + 0.25 * np.arange(5))
    np.testing.assert_allclose(lines[0].get_ydata(), [0, 0.2, 0.4, 0.1, np.nan])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == [*CLASSES, "no answer"]


def test_the_generators_grid_does_not_show_where_the_displacement_is_small(truth):
    """Depth to space leaves a pattern of 4 px: drawn is what is under it."""
    grid = np.tile(np.float32([1, 1, -1, -1]), SIZE // 4)
    checkerboard = 0.1 * (grid[:, None] * grid)[..., None] * np.ones(2, np.float32)
    plain = np.full((SIZE, SIZE, 2), 0.3, np.float32)
    picture = dataclasses.replace(truth.picture, displacement=plain + checkerboard)
    drawn = figure._for_the_eye(picture).displacement
    np.testing.assert_allclose(drawn[4:-4, 4:-4], 0.3, atol=1e-6)


def test_attention_is_shown_against_an_equal_share(truth):
    drawn = figure.draw(truth)
    axes = panel(drawn, "attention")
    (line,) = with_gid(axes, "equal share")
    assert line.get_xdata()[0] == pytest.approx(1 / 9)
    red, blue = axes.patches[-1].get_facecolor(), axes.patches[0].get_facecolor()
    assert red[0] > red[2] and blue[2] > blue[0]  # the most and the least attended
    texts = " ".join(text.get_text() for text in drawn.texts)
    first = truth.reading.units[0]
    assert f"likely action units: {first.number} {first.name}" in texts
    assert "share of the difference between onset and apex that is motion" in texts


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_files(tmp_path, truth, suffix):
    path = tmp_path / "new" / f"answer.{suffix}"
    figure.save(truth, path)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    if suffix == "png":
        image = cv2.imread(str(path))
        assert image.shape[1] == 1600 and 900 < image.shape[0] < 1300
        assert (image[:, -8:] == 255).all() and (image[-8:] == 255).all()  # nothing is cut off
