"""Frames against ground truth: the truth must take each frame back to the onset."""

import dataclasses
import json

import cv2
import numpy as np
import pytest

from pipelines.synthetic import clip, motion

STILL = {"drift": 0.0, "flicker": 0.0, "noise": 0.0}


def make(**changes):
    values = {
        "subject": 7,
        "seed": 11,
        "emotion": "happiness",
        "units": (motion.Unit(12, "", 1.0), motion.Unit(6, "L", 0.8)),
        "amplitude": 0.75,
        "num_frames": 9,
        "apex": 4,
        "end_level": 0.4,
        "frame_size": (320, 240),
        "eye_distance": 47.0,
        "pose": (1.03, 4.0, 3.0, -2.5),
        "drift": 1.0,
        "flicker": 0.003,
        "noise": 1.0,
    }
    return clip.ClipSpec(**{**values, **changes})


def pull_back(image, displacement):
    """`image` sampled at p + displacement(p): what the onset should look like."""
    height, width = displacement.shape[:2]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)
    points = (grid + displacement).astype(np.float32)
    return cv2.remap(image.astype(np.float32), points, None, cv2.INTER_CUBIC)


def error(first, second):
    return np.abs(first.astype(np.float64) - second)[20:-20, 60:-60].mean()


@pytest.mark.parametrize("drift", [0.0, 1.5])
def test_truth_takes_every_frame_back_to_the_onset(drift):
    spec = make(**{**STILL, "drift": drift})
    frames = list(clip.render(spec))
    for t in (2, spec.apex, spec.num_frames - 1):
        truth = clip.displacement(spec, t, drift=True)
        unmoved = error(frames[t], frames[0])
        assert error(pull_back(frames[t], truth), frames[0]) < min(0.5, 0.6 * unmoved)
        assert error(pull_back(frames[t], -truth), frames[0]) > 1.3 * unmoved  # the sign matters
        for near in (0.9, 1.1):  # no other size of it fits as well
            assert error(pull_back(frames[t], near * truth), frames[0]) > error(
                pull_back(frames[t], truth), frames[0]
            )


def test_truth_without_drift_is_the_expression_alone():
    spec = make()
    still = clip.displacement(dataclasses.replace(spec, drift=0.0), drift=True)
    assert clip.displacement(spec) == pytest.approx(still, abs=1e-4)
    assert np.abs(clip.displacement(spec, drift=True) - still).max() > 0.1


def test_optical_flow_agrees_with_the_truth():
    spec = make(**STILL, frame_size=(640, 480), eye_distance=94.0)
    onset, apex = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY) for f in clip.render(spec, [0, spec.apex]))
    truth = clip.displacement(spec)
    flows = {
        "Farneback": cv2.calcOpticalFlowFarneback(onset, apex, None, 0.5, 3, 15, 3, 5, 1.1, 0),
        "DIS": cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM).calc(onset, apex, None),
    }
    moving = np.linalg.norm(truth, axis=-1) > 0.5
    for name, flow in flows.items():
        wrong = np.linalg.norm(flow - truth, axis=-1)[moving].mean()
        assert wrong < 0.35 * np.linalg.norm(truth, axis=-1)[moving].mean(), name


def test_no_amplitude_no_motion():
    spec = make(**STILL, amplitude=0.0)
    frames = list(clip.render(spec))
    assert all(np.array_equal(frames[0], frame) for frame in frames[1:])
    assert not clip.displacement(spec).any()
    assert not clip.aligned_displacement(spec, np.eye(2, 3), 64).any()


def test_same_spec_same_frames_also_one_by_one():
    spec = make()
    every = list(clip.render(spec))
    again = next(clip.render(spec, [5]))
    assert np.array_equal(every[5], again)
    other = next(clip.render(dataclasses.replace(spec, seed=12), [5]))
    assert not np.array_equal(every[5], other)


def test_noise_has_the_deviation_asked_for():
    clean = next(clip.render(make(**STILL), [3])).astype(float)
    noisy = next(clip.render(make(**{**STILL, "noise": 3.0}), [3]))
    inner = (clean > 20) & (clean < 235)
    assert (noisy - clean)[inner].std() == pytest.approx(3.0, rel=0.05)


def test_time_course_rises_from_onset_to_apex_and_decays():
    level = clip.time_course(make())
    assert level[0] == 0 and level[4] == 1 and level[-1] == pytest.approx(0.4)
    assert (np.diff(level[:5]) > 0).all() and (np.diff(level[4:]) < 0).all()


def test_drift_starts_at_nothing_and_has_the_size_asked_for():
    assert clip.drift_path(make())[0] == pytest.approx(np.eye(3))
    reach = []
    for seed in range(40):
        spec = make(seed=seed)
        path = clip.drift_path(spec)
        centre = clip.face_to_frame(spec) @ [0, 0.6, 1]
        away = np.linalg.norm((path @ centre - centre)[:, :2], axis=1).max()
        reach.append(away / (spec.eye_distance * spec.pose[0] / 51.2))
    assert 0.3 < np.mean(reach) < 1.0 and max(reach) < 1.6


def test_aligned_truth_is_the_truth_carried_over_by_the_matrix():
    spec = make()
    angle, scale = np.deg2rad(7), 1.2
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[c, -s, -90.0], [s, c, -75.0]])
    aligned = clip.aligned_displacement(spec, matrix, 144)
    whole = clip.displacement(spec)
    for x, y in ((70, 80), (95, 110), (50, 95)):
        a = np.linalg.inv(matrix[:, :2]) @ (np.array([x, y]) - matrix[:, 2])
        u, v = (cv2.getRectSubPix(whole[..., i], (1, 1), a).item() for i in (0, 1))
        expected = matrix[:, :2] @ [u, v]
        assert aligned[y, x] == pytest.approx(expected, abs=0.02)
    assert np.abs(aligned).max() > 1


def test_spec_survives_json():
    spec = make()
    assert clip.ClipSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    assert spec.action_units == ("12", "L6")


def test_backward_map_inverts_the_displacement():
    spec = make(amplitude=1.5)
    field, drift = clip.displacement(spec), clip.drift_path(spec)[6]
    origin = clip._sources(spec, field, 1.0, drift, np.eye(3))
    forward = origin + clip.displacement_at(spec, origin)
    homogeneous = np.concatenate([forward, np.ones_like(forward[..., :1])], axis=-1)
    pixels = (homogeneous @ drift.T)[..., :2]
    grid = np.stack(np.meshgrid(np.arange(320), np.arange(240)), axis=-1)
    assert np.abs(field).max() > 3
    assert np.abs(pixels - grid).max() < 0.05
    assert np.abs(pixels - grid).mean() < 0.002
