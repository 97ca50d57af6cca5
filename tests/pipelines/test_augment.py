import cv2
import numpy as np
import pytest
import tensorflow as tf
from prepared_fixture import BOXES

from pipelines import augment, schema
from pipelines.options import AugmentationOptions

STILL = AugmentationOptions(mirror=0, shift=0, gain=0, contrast=0, tone=0, flicker=0)
LIVELY = AugmentationOptions(shift=0.125, gain=0.3, contrast=0.3, tone=0.3, flicker=0.1)


def both_ways(function, *args):
    """The result of `function`, the same run eagerly and inside tf.data."""
    eager = function(*args)
    dataset = tf.data.Dataset.from_tensors(0).map(lambda _: function(*args))
    for one, other in zip(tf.nest.flatten(eager), tf.nest.flatten(next(iter(dataset)))):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)
    return eager


def draw_of(batch, **changes):
    """The draw that does nothing, but for `changes`: a value for all samples, or one each."""
    draw = augment.nothing(batch)
    for name, value in changes.items():
        old = getattr(draw, name)
        draw = draw._replace(**{name: tf.cast(tf.broadcast_to(value, old.shape), old.dtype)})
    return draw


@pytest.fixture
def pair():
    return tf.constant(np.random.default_rng(0).integers(0, 256, (3, 2, 20, 20), np.uint8))


def test_a_draw_stays_in_its_ranges_and_repeats_for_its_seed():
    draw = both_ways(augment.sample, tf.constant([1, 2]), 4000, LIVELY, 16)
    for again, first in zip(augment.sample(tf.constant([1, 2]), 4000, LIVELY, 16), draw):
        np.testing.assert_array_equal(again, first)
    assert np.abs(augment.sample(tf.constant([1, 3]), 4000, LIVELY, 16).gain - draw.gain).max() > 0
    for name, width in (("gain", 0.3), ("contrast", 0.3), ("flicker", 0.1)):
        value = getattr(draw, name).numpy()
        assert 1 - width <= value.min() < 1 - 0.99 * width < 1 + 0.99 * width < value.max()
        assert value.max() <= 1 + width
    assert 0.45 < draw.mirror.numpy().mean() < 0.55


def test_all_shifts_are_equally_likely():
    shift = augment.sample(tf.constant([0, 0]), 20000, LIVELY, 16).shift.numpy()
    values, counts = np.unique(shift[:, 0], return_counts=True)
    assert values.tolist() == [-2, -1, 0, 1, 2]
    assert counts.min() > 3700 and counts.max() < 4300
    assert abs(np.corrcoef(shift.T)[0, 1]) < 0.03


def test_a_still_configuration_draws_nothing():
    for drawn, nothing in zip(augment.sample([3, 4], 5, STILL, 16), augment.nothing(5)):
        np.testing.assert_allclose(drawn, nothing, atol=1e-7)


def test_frames_left_as_they_are_are_the_centre(pair):
    onset, apex = both_ways(augment.apply_to_frames, pair, augment.nothing(3), 16)
    assert onset.shape == (3, 16, 16, 1) and onset.dtype == tf.float32
    np.testing.assert_allclose(onset[..., 0], pair[:, 0, 2:18, 2:18] / 255, atol=1e-6)
    np.testing.assert_allclose(apex[..., 0], pair[:, 1, 2:18, 2:18] / 255, atol=1e-6)


def test_both_frames_are_shifted_and_mirrored_alike(pair):
    draw = draw_of(3, shift=[[0, 0], [2, -1], [-2, 2]], mirror=[False, False, True])
    onset, apex = both_ways(augment.apply_to_frames, pair, draw, 16)
    for frames, channel in ((onset, 0), (apex, 1)):
        source = pair[:, channel].numpy() / 255
        np.testing.assert_allclose(frames[1, ..., 0], source[1, 4:20, 1:17], atol=1e-6)
        np.testing.assert_allclose(frames[2, ..., 0], source[2, 0:16, 4:20][:, ::-1], atol=1e-6)


def test_exposure_follows_its_formula(pair):
    draw = draw_of(3, gain=1.2, contrast=0.7, tone=0.3, flicker=0.9)
    onset, apex = both_ways(augment.apply_to_frames, pair, draw, 20)
    x = pair.numpy() / 255
    x = x + 0.3 * x * (1 - x)
    x = 1.2 * ((x - 0.5) * 0.7 + 0.5)
    np.testing.assert_allclose(onset[..., 0], np.clip(x[:, 0], 0, 1), atol=1e-5)
    np.testing.assert_allclose(apex[..., 0], np.clip(0.9 * x[:, 1], 0, 1), atol=1e-5)


def test_noise_differs_between_frames_and_has_its_deviation():
    frames = tf.fill((2, 4, 64, 64, 1), 0.5)
    noisy = both_ways(augment.add_noise, frames, tf.constant([1, 2]), 0.05).numpy() - 0.5
    assert noisy.std() == pytest.approx(0.05, rel=0.05)
    assert abs(np.corrcoef(noisy[0].ravel(), noisy[1].ravel())[0, 1]) < 0.05


def test_boxes_follow_the_crop():
    box = np.tile(np.float32([0.25, 0.5, 0.75, 0.9]), (1, 9, 1))  # px 5, 10, 15, 18 of 20
    moved = both_ways(augment.apply_to_boxes, box, draw_of(1, shift=[2, -1]), 20, 16)
    # The crop starts at row 2 + 2, column 2 - 1; what leaves it is cut off.
    np.testing.assert_allclose(moved[0, 0], [1 / 16, 9 / 16, 11 / 16, 1], atol=1e-6)


def test_boxes_enclose_what_they_enclosed_in_the_frames():
    """Each region is painted, augmented, found again: its box must be the augmented box."""
    size, image_size = 80, 64
    boxes = np.round(BOXES * size) / size
    draw = augment.sample(tf.constant([5, 6]), 9, LIVELY, image_size)
    frames = np.zeros((9, 2, size, size), np.uint8)
    for region, (y1, x1, y2, x2) in enumerate(np.round(boxes * size).astype(int)):
        frames[region, :, y1:y2, x1:x2] = 255
    still = draw_of(9, shift=draw.shift, mirror=draw.mirror)
    onset, _ = both_ways(augment.apply_to_frames, tf.constant(frames), still, image_size)
    moved = both_ways(augment.apply_to_boxes, np.tile(boxes, (9, 1, 1)), draw, size, image_size)
    assert 0 < np.sum(draw.mirror) < 9
    for region in range(9):
        ys, xs = np.nonzero(onset[region, ..., 0].numpy() > 0.5)
        found = np.array([ys.min(), xs.min(), ys.max() + 1, xs.max() + 1]) / image_size
        mirrored = draw.mirror[region]
        row = schema.MIRRORED_REGIONS[region] if mirrored else region
        np.testing.assert_allclose(moved[region, row], found, atol=1e-5)


def test_mirrored_boxes_change_sides():
    boxes = np.tile(BOXES, (1, 1, 1))
    moved = augment.apply_to_boxes(boxes, draw_of(1, mirror=True), 16, 16)[0]
    right, left = (schema.REGIONS.index(f"mouth_{side}") for side in ("right", "left"))
    y1, x1, y2, x2 = BOXES[left]
    np.testing.assert_allclose(moved[right], [y1, 1 - x2, y2, 1 - x1], atol=1e-6)


def test_mirrored_motion_is_the_motion_of_the_mirrored_frames():
    image = cv2.GaussianBlur(np.random.default_rng(1).random((64, 64), np.float32), (0, 0), 2)
    ys, xs = np.mgrid[:64, :64].astype(np.float32)
    # `apex[p + (2, 1)]` shows `onset[p]`
    apex = cv2.remap(image, xs - 2, ys - 1, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    pair = tf.constant((np.stack([image, apex])[None] * 255).astype(np.uint8))
    motion = tf.tile(tf.constant([[[[2.0, 1.0, 0.5]]]]), (1, 64, 64, 1))
    draw = draw_of(1, mirror=True, shift=[3, -2])
    onset, apex = (frame[0, ..., 0].numpy() for frame in augment.apply_to_frames(pair, draw, 48))
    u, v, strain = both_ways(augment.apply_to_motion, motion, draw, 48, 3)[0, 20, 20].numpy()
    assert (u, v, strain) == (-2, 1, 0.5)
    np.testing.assert_allclose(
        apex[10 + int(v) : 30 + int(v), 10 + int(u) : 30 + int(u)], onset[10:30, 10:30], atol=0.01
    )


def test_motion_is_cut_like_frames_and_zero_beyond_the_margin():
    motion = np.random.default_rng(2).normal(size=(2, 8, 8, 3)).astype(np.float32)
    draw = draw_of(2, shift=[[0, 0], [2, -1]])
    moved = both_ways(augment.apply_to_motion, motion, draw, 8, 2).numpy()
    np.testing.assert_array_equal(moved[0], motion[0])
    np.testing.assert_array_equal(moved[1, :6, 1:], motion[1, 2:, :7])
    assert not moved[1, 6:].any() and not moved[1, :, 0].any()


def test_motion_vectors_are_scaled_and_turned_scalars_only_scaled():
    motion = tf.tile(tf.constant([[[[2.0, 0.0, 0.5]]]]), (1, 4, 4, 1))
    draw = draw_of(1, motion_gain=1.5, motion_turn=np.pi / 2)
    moved = both_ways(augment.apply_to_motion, motion, draw, 4, 0)
    np.testing.assert_allclose(moved[0, 0, 0], [0, 3, 0.75], atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_images_keep_their_sign_when_mirrored_and_are_not_turned(channels):
    motion = tf.random.stateless_normal((1, 4, 4, channels), [0, 0])
    draw = draw_of(1, mirror=True, motion_gain=1.5, motion_turn=1.0)
    moved = both_ways(augment.apply_to_motion, motion, draw, 4, 0)
    np.testing.assert_array_equal(moved, 1.5 * motion[:, :, ::-1])


@pytest.mark.parametrize(
    "values, message",
    [
        ({"mirror": 1.5}, r"mirror must lie in \[0, 1\], got 1.5"),
        ({"gain": 1.0}, r"gain must lie in \[0, 1\), got 1.0"),
        ({"noise": -0.1}, r"noise must lie in \[0, 1\), got -0.1"),
        ({"shift": 0.6}, r"shift must lie in \[0, 0.5\], got 0.6"),
    ],
)
def test_a_value_out_of_range_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        AugmentationOptions(**values)
