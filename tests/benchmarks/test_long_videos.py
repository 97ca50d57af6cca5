"""The rendered long videos: what they hold, and that it is seen at its time and nowhere else."""

import dataclasses

import numpy as np
import pytest

from benchmarks import long_videos
from pipelines.faces import landmarks


def test_acts_come_one_after_another_with_room_between():
    videos = [long_videos.draw(3, number) for number in range(30)]
    for video in videos:
        acts = video.acts
        ends = [0.0, *(act.end for act in acts)]
        starts = [*(act.start for act in acts), video.spec.num_frames / video.fps]
        assert all(start - end >= long_videos.GAP - 0.02 for start, end in zip(starts, ends))
        for act in acts:
            low, high = long_videos.ACTS[act.kind][1]
            assert low <= act.end - act.start <= high
        assert 1 <= len(video.events) <= 3
        assert [act.kind for act in acts].count("turn") == 1
    assert long_videos.draw(3, 4) == videos[4] != long_videos.draw(4, 4)
    firsts = {video.acts[0].kind for video in videos}
    assert len(firsts) == 4  # in any order


def test_what_does_not_fit_is_left_out():
    video = long_videos.draw(3, 0, seconds=2.0)
    assert len(video.events) >= 1 and video.acts[-1].end < 2.3


def of(kind, **changes):
    """Frames of a video with one act, a half second in; without noise unless asked."""
    video = long_videos.draw(3, 1)
    lasts = 1.2 if kind in ("turn", "speech") else 0.3
    spec = dataclasses.replace(
        video.spec, num_frames=round((lasts + 0.6) * 20), noise=0.0, flicker=0.0, drift=0.0
    )
    acts = (long_videos.Act(kind, 0.3, 0.3 + lasts),)
    made = long_videos.LongVideo(spec, 20.0, acts)
    return [frame.astype(float).mean(-1) for frame in long_videos.render(made)]


@pytest.mark.parametrize("kind", list(long_videos.ACTS))
def test_an_act_is_seen_while_it_lasts_and_then_all_is_as_before(kind):
    frames = of(kind)
    change = np.array([np.abs(frame - frames[0]).mean() for frame in frames])
    last = round((0.3 + (1.2 if kind in ("turn", "speech") else 0.3)) * 20)
    assert change[:7].max() == 0 and change[last + 1 :].max() < 1e-3
    assert change[7:last].max() > 0.03


def test_lids_close_over_the_eyes_and_nothing_else_moves():
    frames = of("blink")
    closed = max(frames, key=lambda frame: np.abs(frame - frames[0]).sum())
    rgb = np.repeat(frames[0][..., None], 3, -1).astype(np.uint8)
    points = landmarks.detect(rgb)
    rows, columns = np.nonzero(np.abs(closed - frames[0]) > 8)
    one = np.linalg.norm(points[[33, 133]].mean(0) - points[[362, 263]].mean(0))
    eyes = [points[list(corners)].mean(0) for corners in ((33, 133), (362, 263))]
    away = [np.hypot(columns - x, rows - y) for x, y in eyes]
    assert len(rows) > 20 and np.minimum(*away).max() < 0.45 * one
    assert all((distance < 0.3 * one).any() for distance in away)


def test_a_turn_moves_the_nose_farther_than_the_rim():
    points = np.array([[[0.0, 0.4], [1.2, 0.4], [3.0, 0.4]]], np.float32)
    nose, rim, room = long_videos._turned(np.deg2rad(8), points)[0, :, 0]
    assert nose > 1.5 * abs(rim) and room == 0
