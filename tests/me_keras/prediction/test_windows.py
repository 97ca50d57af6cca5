"""Windows: they cover a recording, know their frames, and read each frame once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from me_keras.prediction import sources
from me_keras.prediction.windows import Span, plan, read_windows, spread
from pipelines.schema import DataError


def footage(count=10, fps=10.0, seconds=None):
    reads = []

    def read(indices):
        for index in indices:
            reads.append(index)
            yield np.full((1, 1, 3), index, np.uint8)

    times = np.arange(count) / fps if seconds is None and fps else seconds
    made = sources.Footage("clip", count, times, read, tuple(map(str, range(count))))
    return made, reads


def spans(*args, window=0.5, stride=0.25, **known):
    return plan(footage(*args)[0], window, stride, **known)


def test_a_clip_as_long_as_the_window_is_one():
    assert spans(6, 10.0) == [(0, 5)]  # 0.5 s from the first frame to the last
    assert spans(7, 10.0) == [(0, 5), (1, 6)]


def test_without_times_or_with_window_0_a_clip_is_one():
    assert spans(500, None) == [(0, 499)]
    assert spans(500, 100.0, window=0, stride=0) == [(0, 499)]


def test_windows_of_a_recording_by_hand():
    # frames at 0, 0.1, …, 2.0 s
    assert spans(21, 10.0, window=0.6, stride=0.5) == [(0, 6), (5, 11), (10, 16), (14, 20)]


def test_uneven_times_count_not_frames():
    times = np.array([0, 0.1, 0.2, 0.7, 0.8, 0.9, 1.0])  # frames were lost after 0.2 s
    found = plan(footage(7, seconds=times)[0], 0.3, 0.3)
    assert found == [(0, 2), (3, 5), (3, 6)]  # none over the gap: it would hold one frame


@given(
    st.lists(st.floats(0.004, 0.4), min_size=1, max_size=200), st.floats(0.1, 2), st.floats(0.3, 1)
)
def test_windows_cover_every_motion_shorter_than_their_overlap(steps, window, share):
    times = np.cumsum([0.0, *steps])
    stride = share * window
    try:
        found = plan(footage(len(times), seconds=times)[0], window, stride)
    except DataError:
        assert min(steps) > window - stride - 1e-5
        return
    assert all(times[b] - times[a] <= window + 1e-5 for a, b in found)
    assert found == sorted(set(found))
    for a in range(len(times) - 1):  # two frames near enough lie in one window together
        if times[a + 1] - times[a] <= window - stride - 1e-5:
            assert any(first <= a and a + 1 <= last for first, last in found)


def test_known_frames():
    assert spans(100, 10.0, onset=20, apex=31) == [(20, 31)]
    assert spans(100, 10.0, onset=20) == [(20, 25)]
    assert spans(100, 10.0, onset=98) == [(98, 99)]
    assert spans(100, 10.0, apex=50) == [(45, 50)]
    assert spans(100, 10.0, apex=3) == [(0, 3)]
    assert spans(100, None, apex=50) == [(0, 50)]
    assert spans(100, None, onset=50) == [(50, 99)]


@pytest.mark.parametrize(
    "known, message",
    [
        ({"apex": 10}, "--apex-frame 10: clip has frames 0 to 9"),
        ({"onset": -1}, "--onset-frame -1: clip has frames 0 to 9"),
        ({"onset": 5, "apex": 5}, "--apex-frame 5 is not after --onset-frame 5"),
        ({"onset": 9}, "no frame after the onset"),
        ({"apex": 0}, "no frame before the apex"),
    ],
)
def test_frames_that_are_not_there(known, message):
    with pytest.raises(DataError, match=message):
        spans(10, 10.0, **known)


def test_frames_too_far_apart():
    with pytest.raises(DataError, match="1.00 s apart.*raise --window"):
        spans(5, 1.0)


def test_spread_keeps_both_ends():
    assert spread(Span(4, 7), 32) == [4, 5, 6, 7]
    assert spread(Span(10, 110), 5) == [10, 35, 60, 85, 110]


def test_every_frame_is_read_once_and_in_its_window():
    made, reads = footage(30)
    windows = [[0, 4, 8], [2, 4, 10], [3, 12], [20, 21]]
    images = [[int(i[0, 0, 0]) for i in w] for w in read_windows(made, windows)]
    assert images == windows
    assert reads == [0, 2, 3, 4, 8, 10, 12, 20, 21]
