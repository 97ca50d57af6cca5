import dataclasses
import time

import cv2
import numpy as np
import pytest
from prepared_fixture import BOXES, write_prepared
from skimage.feature import local_binary_pattern

from me_keras import features
from pipelines.prepared import open_prepared
from pipelines.schema import MIRRORED_REGIONS, DataError

FLOW = (features.motion_maps, features.region_flow_histograms)


def with_motion(path, maps, image_size=None, **clip):
    """A prepared database of the maps (n, S, S, 3)."""
    image_size = image_size or maps.shape[1]
    clips = [{"subject": 1, "label": 0, "motion": motion, **clip} for motion in np.asarray(maps)]
    margin = (maps.shape[1] - image_size) // 2
    return open_prepared(write_prepared(path, clips, image_size, margin, "precomputed"))


def with_frames(path, *frames, image_size, margin=0, **clip):
    clips = [{"subject": 1, "label": 0, "frames": each, **clip} for each in frames]
    return open_prepared(write_prepared(path, clips, image_size, margin))


def mirror_image(prepared):
    """The database of the mirrored faces, made by hand."""
    y1, x1, y2, x2 = np.moveaxis(prepared.regions[:, MIRRORED_REGIONS], -1, 0)
    changed = {"regions": np.stack([y1, 1 - x2, y2, 1 - x1], -1)}
    if prepared.motion is None:
        changed["frames"] = prepared.frames[:, :, ::-1].copy()
    else:
        changed["motion"] = prepared.motion[:, :, ::-1] * np.float32([-1, 1, 1])
    return dataclasses.replace(prepared, **changed)


# Motion maps


def test_a_map_is_centred_scaled_blurred_and_thinned_out(tmp_path, rng):
    maps = rng.normal(3, 2, (2, 28, 28, 3)).astype(np.float32)
    found = features.motion_maps(with_motion(tmp_path / "p", maps))
    assert found.shape == (2, 14 * 14 * 3) and found.dtype == np.float32
    kernel = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    for motion, row in zip(maps, found):
        planes = []
        for channel in np.moveaxis(motion.astype(float), -1, 0):
            plane = (channel - np.median(channel)) / channel.std()
            plane = np.pad(plane, 4, "reflect")
            windows = np.lib.stride_tricks.sliding_window_view(plane, (9, 9))
            planes.append((windows * kernel).sum((2, 3))[::2, ::2])
        expected = np.stack(planes, -1)
        np.testing.assert_allclose(row, (expected / expected.std()).ravel(), atol=1e-4)


def test_a_map_has_neither_amplitude_nor_zero_and_a_blank_channel_stays_blank(tmp_path, rng):
    maps = rng.normal(size=(1, 28, 28, 3)).astype(np.float32)
    maps[..., 2] = 7
    first = features.motion_maps(with_motion(tmp_path / "a", maps))
    second = features.motion_maps(with_motion(tmp_path / "b", maps * (2, 5, 1) + (1, -1, 4)))
    np.testing.assert_allclose(first, second, atol=1e-4)
    assert not first.reshape(14, 14, 3)[..., 2].any()
    still = features.motion_maps(with_motion(tmp_path / "c", np.zeros((1, 28, 28, 3))))
    assert not still.any()


def test_the_margin_is_cut_off_and_a_large_map_averaged_down(tmp_path, rng):
    small = rng.normal(size=(1, 28, 28, 3)).astype(np.float32)
    large = np.pad(small.repeat(4, 1).repeat(4, 2), ((0, 0), (8, 8), (8, 8), (0, 0)), "symmetric")
    found = features.motion_maps(with_motion(tmp_path / "large", large, image_size=112))
    expected = features.motion_maps(with_motion(tmp_path / "small", small))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_first_map_of_a_clip_counts_and_one_channel_is_enough(tmp_path, rng):
    four = rng.normal(size=(4, 28, 28, 3)).astype(np.float16)  # as a motion bank holds them
    prepared = with_motion(tmp_path / "p", four[::2])
    bank = dataclasses.replace(prepared, motion=four, maps_per_clip=2)
    for describe in FLOW:
        np.testing.assert_array_equal(describe(bank), describe(prepared))
    difference = dataclasses.replace(prepared, motion=prepared.motion[..., 1:2])
    found = features.motion_maps(difference)
    assert found.shape == (2, 14 * 14)
    mirrored = dataclasses.replace(difference, motion=difference.motion[:, :, ::-1])
    np.testing.assert_allclose(
        features.motion_maps(difference, mirrored=True), features.motion_maps(mirrored), atol=1e-5
    )
    with pytest.raises(DataError, match="mdmo needs a flow, dx and dy"):
        features.region_flow_histograms(difference)


# The main direction of each region


def directions(prepared, mirrored=False):
    return features.region_flow_histograms(prepared, mirrored).reshape(-1, 9, 3)


def test_the_fullest_direction_stands_for_a_region(tmp_path):
    flow = np.zeros((1, 20, 20, 3), np.float32)
    boxes = np.tile(np.float32([0.5, 0.5, 0.6, 0.6]), (9, 1))
    boxes[0], boxes[1] = (0, 0, 0.5, 0.5), (0, 0.5, 0.5, 1)
    flow[0, :6, :10, :2] = (1, 0.1)  # 60 vectors to the right …
    flow[0, :6, :5, :2] = (1, -0.3)  # … of two lengths and near directions
    flow[0, 6:10, :10, :2] = (-50, 0)  # 40 far longer ones to the left
    flow[0, :2, 10:, :2] = (0, 2)  # 20 down; the rest of the region is still
    main = directions(with_motion(tmp_path / "p", flow, regions=boxes))[0]
    expected = np.array([(1, -0.1, np.hypot(1, 0.1)), (0, 2, 2)]) / 2  # the longest has length 1
    np.testing.assert_allclose(main[:2], expected, atol=1e-6)
    assert not main[2:].any()


def test_bins_are_centred_on_eight_directions_and_equally_full_ones_go_by_length(tmp_path):
    boxes = np.tile(np.float32([0, 0, 1, 1]), (9, 1))
    angles = np.deg2rad([-20, 20, 25, 65, 160, -160, 170, 90])
    lengths = np.array([1, 1, 3, 3, 1, 1, 1, 1])
    flow = np.zeros((1, 8, 8, 3), np.float32)
    flow[0, 0, :, 0], flow[0, 0, :, 1] = lengths * np.cos(angles), lengths * np.sin(angles)
    flow[0, 0, 6] = 0  # without the third to the left, three directions are equally full
    main = directions(with_motion(tmp_path / "a", flow, regions=boxes))[0, 0]
    np.testing.assert_allclose(main, (np.sqrt(0.5), np.sqrt(0.5), 1), atol=1e-6)
    flow[0, 0, 6, :2] = np.cos(angles[6]), np.sin(angles[6])
    main = directions(with_motion(tmp_path / "b", flow, regions=boxes))[0, 0]
    mean = np.array([np.cos(angles[4:7]).mean(), np.sin(angles[4:7]).mean()])
    np.testing.assert_allclose(main, (*mean / np.hypot(*mean), 1), atol=1e-6)


def test_a_still_face_has_no_direction_and_a_tiny_region_one_pixel(tmp_path):
    assert not directions(with_motion(tmp_path / "still", np.zeros((1, 28, 28, 3)))).any()
    flow = np.zeros((1, 10, 10, 3))
    flow[0, -1, -1, :2] = (3, 4)
    corner = np.tile(np.float32([1, 1, 1, 1]), (9, 1))
    main = directions(with_motion(tmp_path / "corner", flow, regions=corner))
    np.testing.assert_allclose(main[0], [(0.6, 0.8, 1)] * 9, atol=1e-6)


# LBP-TOP


@pytest.mark.parametrize("axes", [(1, 2), (0, 2), (0, 1)])
def test_patterns_are_those_of_scikit_image_on_each_plane(axes, rng):
    clip = rng.integers(0, 2**16, (7, 9, 11)).astype(np.uint16)  # hardly two alike
    found = features.binary_patterns(clip.astype(np.float32), *axes)
    assert found.dtype == np.uint8 and found.shape == (5, 7, 9)
    third = ({0, 1, 2} - set(axes)).pop()
    planes = np.moveaxis(clip, third, 0)
    expected = np.stack([local_binary_pattern(plane, 8, 1)[1:-1, 1:-1] for plane in planes[1:-1]])
    np.testing.assert_array_equal(np.moveaxis(found, third, 0), expected)


def test_equal_neighbours_count_as_not_below():
    flat = np.full((3, 3, 3), 0.1, np.float32)
    assert features.binary_patterns(flat, 1, 2) == 255
    flat[1, 1, 1] = 0.2
    assert features.binary_patterns(flat, 1, 2) == 0


def test_patterns_of_two_changes_at_most_have_a_bin_each():
    texts = [f"{code:08b}" for code in range(256)]
    changes = [sum(a != b for a, b in zip(text, text[1:] + text[0])) for text in texts]
    bins = features.PATTERN
    assert features.NUM_PATTERNS == 59
    assert sorted(bins[np.array(changes) <= 2]) == list(range(58))
    assert set(bins[np.array(changes) > 2]) == {58}


def test_histograms_of_frames_onset_to_offset(tmp_path, rng):
    frames = rng.integers(0, 256, (8, 24, 24)).astype(np.uint8)
    prepared = with_frames(tmp_path / "p", frames, image_size=20, margin=2, onset=1, offset=5)
    found = features.lbp_top(prepared)
    assert found.shape == (1, 25 * 3 * 59) and found.dtype == np.float32
    histograms = found.reshape(5, 5, 3, 59)
    np.testing.assert_allclose(histograms.sum(-1), 1, atol=1e-6)
    clip = frames[1:6, 2:-2, 2:-2].astype(np.float32)
    for plane, axes in enumerate([(1, 2), (0, 2), (0, 1)]):
        bins = features.PATTERN[features.binary_patterns(clip, *axes)]  # (3, 18, 18)
        # 18 inner rows and columns in five blocks: edges at 3.6, 7.2, 10.8, 14.4
        block = bins[:, 7:11, 14:]
        expected = np.bincount(block.ravel(), minlength=59) / block.size
        np.testing.assert_allclose(histograms[2, 4, plane], expected, atol=1e-6)


def test_a_clip_too_short_has_zeros_and_a_database_of_such_is_refused(tmp_path, rng):
    long, short = (rng.integers(0, 256, (t, 12, 12)).astype(np.uint8) for t in (3, 2))
    found = features.lbp_top(with_frames(tmp_path / "a", short, long, image_size=12))
    assert not found[0].any() and found[1].any()
    with pytest.raises(DataError, match="three frames or more: .*b has none"):
        features.lbp_top(with_frames(tmp_path / "b", short, image_size=12))


def test_a_clip_takes_well_under_a_second(rng):
    clip = rng.integers(0, 256, (32, 128, 128)).astype(np.uint8)
    start = time.process_time()
    features._block_histograms(clip)
    assert time.process_time() - start < 1


# All


@pytest.mark.parametrize("describe", [*FLOW, features.lbp_top])
def test_mirrored_is_the_description_of_the_mirrored_face(describe, tmp_path, rng):
    if describe is features.lbp_top:
        frames = rng.integers(0, 256, (2, 5, 24, 24)).astype(np.uint8)
        prepared = with_frames(tmp_path / "p", *frames, image_size=20, margin=2)
    else:
        maps = np.stack([cv2.GaussianBlur(rng.normal(size=(36, 36, 3)), (0, 0), 2) for _ in "ab"])
        prepared = with_motion(tmp_path / "p", maps, image_size=32, regions=BOXES)
    other = mirror_image(prepared)
    plain, mirrored = describe(prepared), describe(prepared, mirrored=True)
    assert np.abs(plain - mirrored).max() > 0.01
    np.testing.assert_allclose(describe(other), mirrored, atol=1e-5)
    np.testing.assert_allclose(describe(other, mirrored=True), plain, atol=1e-5)
    relabelled = dataclasses.replace(prepared, labels=np.array([-1, -1]))
    np.testing.assert_array_equal(describe(relabelled), plain)


def test_what_is_missing_is_said_in_a_line(tmp_path, rng):
    frames = with_frames(tmp_path / "f", np.zeros((4, 12, 12), np.uint8), image_size=12)
    for describe in FLOW:
        with pytest.raises(DataError, match="needs motion: .* holds frames"):
            describe(frames)
    with pytest.raises(DataError, match="lbp_top needs frames: .* holds motion"):
        features.lbp_top(with_motion(tmp_path / "m", rng.normal(size=(1, 28, 28, 3))))
