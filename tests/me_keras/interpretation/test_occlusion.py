"""Occlusion: what is put to rest, and a fall that can be computed by hand."""

import keras
import numpy as np
import pytest

from me_keras.interpretation import occlusion

SIZE = 50
BOXES = np.array([[0.1, 0.1, 0.3, 0.5], [0.5, 0.5, 0.9, 0.9], [0.0, 0.6, 0.2, 1.0]], np.float32)


@pytest.fixture
def frames():
    rng = np.random.default_rng(0)
    onset, apex = rng.random((2, 4, SIZE, SIZE, 1), np.float32)
    return {"onset": onset, "apex": apex, "regions": np.tile(BOXES, (4, 1, 1))}


def inside(box, room=0.0):
    y1, x1, y2, x2 = box + np.array([-room, -room, room, room])
    y, x = np.meshgrid(*[(np.arange(SIZE) + 0.5) / SIZE] * 2, indexing="ij")
    return (y >= y1) & (y <= y2) & (x >= x1) & (x <= x2)


def test_the_apex_is_the_onset_inside_the_box_and_itself_beyond_the_edge(frames):
    found = occlusion.at_rest(frames, frames["regions"][:, 0])
    within, beyond = inside(BOXES[0]), ~inside(BOXES[0], occlusion.EDGE)
    np.testing.assert_allclose(found["apex"][:, within], frames["onset"][:, within], atol=1e-6)
    np.testing.assert_array_equal(found["apex"][:, beyond], frames["apex"][:, beyond])
    assert found["onset"] is frames["onset"] and found["regions"] is frames["regions"]
    edge = occlusion.soft_boxes(BOXES[:1], SIZE)[0, :, 20, 0]  # straight down through the box
    assert edge.max() == 1 and ((edge > 0) & (edge < 1)).sum() >= 2


def test_what_stands_for_no_motion():
    rng = np.random.default_rng(1)
    flow = rng.random((2, SIZE, SIZE, 3)).astype(np.float32) + [[[[0.5, 0.2, 0.0]]]]
    regions = np.tile(BOXES, (2, 1, 1))
    found = occlusion.at_rest({"motion": flow, "regions": regions}, regions[:, 1])["motion"]
    within = inside(BOXES[1])
    for clip in range(2):
        rest = np.median(flow[clip].reshape(-1, 3), axis=0)
        np.testing.assert_allclose(found[clip][within], np.tile(rest, (within.sum(), 1)), atol=1e-6)
    images = rng.random((2, SIZE, SIZE, 2)).astype(np.float32)  # no flow: rest is 0
    found = occlusion.at_rest({"motion": images, "regions": regions}, regions[:, 1])["motion"]
    np.testing.assert_allclose(found[:, within], 0, atol=1e-6)


def test_the_fall_by_hand(frames):
    """Two classes; the odds are linear in how much the middle of box 1 changed."""
    spot = inside(BOXES[1], -0.1)
    weights = np.array([3.0, -3.0])

    def ask(inputs):
        change = np.abs(inputs["apex"] - inputs["onset"])[:, spot].mean((1, 2))  # (b,)
        odds = np.exp(change[:, None] * weights)
        return odds / odds.sum(1, keepdims=True)

    falls = occlusion.occlusion(ask, frames)
    before = ask(frames)
    assert falls.shape == (4, 3) and falls.dtype == np.float32
    np.testing.assert_allclose(falls[:, 1], before[:, 0] - 0.5, atol=1e-6)  # nothing has moved
    np.testing.assert_allclose(falls[:, [0, 2]], 0, atol=1e-6)
    own = occlusion.occlusion(ask, frames, frames["regions"][:, 1:2])
    np.testing.assert_array_equal(own, falls[:, 1:2])

    # Negative where the class gains: motion speaks for the other one.
    def against(inputs):
        change = 0.2 * np.abs(inputs["apex"] - inputs["onset"])[:, spot].mean((1, 2))
        return np.stack([0.6 - change, 0.4 + change], axis=-1)

    before = against(frames)
    np.testing.assert_allclose(
        occlusion.occlusion(against, frames)[:, 1], before[:, 0] - 0.6, atol=1e-6
    )
    assert (before[:, 0] > before[:, 1]).all() and (before[:, 0] < 0.6).all()


def test_a_keras_model_is_asked_for_its_probabilities():
    inputs = {name: keras.Input((3,), name=name) for name in ("a", "regions")}
    logits = keras.layers.Dense(4, name="logits")(inputs["a"])
    model = keras.Model(inputs, {"logits": logits, "kept": inputs["regions"]})
    given = {name: np.random.default_rng(2).random((5, 3), np.float32) for name in inputs}
    found = occlusion.probabilities_of(model, batch_size=2)(given)
    expected = keras.layers.Softmax()(model(given)["logits"])
    np.testing.assert_allclose(found, np.asarray(expected), atol=1e-6)
