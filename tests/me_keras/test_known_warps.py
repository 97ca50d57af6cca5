import cv2
import numpy as np
import pytest
import tensorflow as tf

from me_keras import known_warps
from me_keras.known_warps import Draws


def stream(number):
    return tf.constant([5, number], tf.int64)


@pytest.fixture(scope="module")
def warps():
    """Frames, and onset, apex and displacement made of them, without noise and change of light."""
    rng = np.random.default_rng(0)
    noise = rng.random((8, 64, 64)).astype(np.float32)
    frames = np.stack([cv2.GaussianBlur(image, (0, 0), 2.0) for image in noise])[..., None]
    frames = 0.5 + 3.0 * (frames - 0.5)
    patch = pytest.MonkeyPatch()
    for name in ("NOISE", "LIGHT", "BLUR"):
        patch.setattr(known_warps, name, 0.0)
    made = [value.numpy() for value in known_warps.known_warps(tf.constant(frames), stream(1))]
    patch.undo()
    return frames, *made


def test_the_displacement_takes_the_apex_to_the_onset(warps):
    _, onset, apex, half = warps
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    for first, second, small in zip(onset[..., 0], apex[..., 0], half):
        full = cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC)
        warped = cv2.remap(second, columns + full[..., 0], rows + full[..., 1], cv2.INTER_CUBIC)
        inside = np.abs(warped - first)[10:-10, 10:-10]
        still = np.abs(second - first)[10:-10, 10:-10].mean()
        assert inside.mean() < 0.1 * still + 0.002


def test_the_displacement_is_that_of_the_place_it_starts_from(warps, monkeypatch):
    """Compared with the fixed point itself; the field, taken as it is, would be far off."""
    found = {}
    for steps in (0, known_warps.FIXED_POINT_STEPS, 25):
        monkeypatch.setattr(known_warps, "FIXED_POINT_STEPS", steps)
        each = [known_warps.known_warps(tf.constant(warps[0]), stream(n))[2] for n in range(4)]
        found[steps] = np.concatenate(each)
    none, ours, exact = found.values()
    assert np.abs(none - exact).max() > 0.3
    assert np.abs(ours - exact).max() < 0.1 and np.abs(ours - exact).mean() < 0.002


def test_motion_is_small_smooth_and_of_many_sizes(warps):
    half = np.concatenate(
        [
            known_warps.known_warps(tf.constant(warps[0]), stream(number))[2].numpy()
            for number in range(16)
        ]
    )  # (128, 32, 32, 2)
    largest = np.abs(half).max(axis=(1, 2, 3))
    assert 0.15 < largest.min() < 0.5 and 2.0 < largest.max() < 5.5
    steps = [np.abs(np.diff(half, axis=axis)).max() / 2 for axis in (1, 2)]
    assert max(steps) < 0.75  # 0.4 px per px where the field starts, more where it arrives
    assert np.abs(half.mean(axis=(1, 2))).max() > 0.5  # whole heads move as well


def test_both_frames_are_blurred_alike(warps):
    """Sharpness must not tell which frame moved."""
    _, onset, apex, _ = warps
    sharp = [np.abs(np.diff(frames[:, 8:-8, 8:-8], axis=2)).mean() for frames in (onset, apex)]
    assert sharp[1] == pytest.approx(sharp[0], rel=0.03)


def test_noise_and_light_differ_between_the_frames():
    flat = tf.fill((16, 32, 32, 1), 0.5)
    onset, apex, _ = known_warps.known_warps(flat, stream(3))
    light = (tf.reduce_mean(apex, (1, 2, 3)) / tf.reduce_mean(onset, (1, 2, 3))).numpy()
    assert 0.005 < np.std(light) < 0.05
    grain = np.std(onset, axis=(1, 2, 3))
    assert grain.min() < 0.002 and 0.006 < grain.max() < 0.013
    apart = np.corrcoef((onset - apex)[0].numpy().ravel(), (onset + apex)[0].numpy().ravel())
    assert abs(apart[0, 1]) < 0.1


def test_equal_streams_draw_equal_numbers_and_others_others():
    frames = tf.random.stateless_uniform((2, 32, 32, 1), (0, 0))
    first, again, other = (known_warps.known_warps(frames, stream(n))[2] for n in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.05


def test_draws():
    draw = Draws(stream(0))
    uniform, normal = draw.uniform((20_000,), 2.0, 4.0), draw.normal((20_000,))
    assert 2.0 <= np.min(uniform) and np.max(uniform) < 4.0
    assert np.mean(uniform) == pytest.approx(3.0, abs=0.02)
    assert np.std(normal) == pytest.approx(1.0, abs=0.02)
    octaves = np.log2(draw.log_uniform((20_000,), 1.0, 8.0))
    np.testing.assert_allclose(np.histogram(octaves, 3, (0, 3))[0], 20_000 / 3, rtol=0.06)
