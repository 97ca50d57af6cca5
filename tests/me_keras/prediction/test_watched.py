"""What is kept of a recording: paths, frames without a face, and how both are said."""

import types

import numpy as np
import pytest

from me_keras.prediction import watched
from me_keras.prediction.alignment import SeveralFaces
from me_keras.prediction.result import Gap
from me_keras.prediction.spotting import Movement
from pipelines.schema import DataError


@pytest.fixture
def recording():
    return watched.Watched(types.SimpleNamespace(seconds=np.arange(100) / 50))


def pair(seen, doubtful=False):
    film = np.random.default_rng(0).integers(0, 255, (len(seen), 32, 32)).astype(np.uint8)
    regions = np.tile([0.2, 0.2, 0.8, 0.8], (9, 1))
    return types.SimpleNamespace(film=film, regions=regions, seen=tuple(seen), doubtful=doubtful)


def test_frames_without_a_face_are_runs(recording):
    recording.add(range(0, 20), pair(range(15)))  # the face leaves at 15
    recording.add_lost(range(10, 20), DataError("no face found"))
    recording.add_lost(range(20, 30), DataError("no face found"))
    recording.add(range(30, 50), pair(range(20)))
    recording.add_lost(range(50, 60), SeveralFaces("2 faces"))
    first, second = recording.gaps
    assert (first.first, first.last, first.reason) == (15, 29, "no face")
    assert first.seconds == {"first": 0.3, "last": 0.58}
    assert (second.first, second.last, second.reason) == (50, 59, "several faces")
    assert [len(path.frames) for path in recording.paths] == [15, 20]


def test_nothing_is_lost_and_a_doubtful_window_has_no_path(recording):
    recording.add(range(0, 6, 2), pair(range(3), doubtful=True))
    assert recording.gaps == () and recording.paths == []
    assert recording.movements(0.1, 0.5) == []
    still = watched.Watched(types.SimpleNamespace(seconds=None))
    still.add_lost([3, 4], DataError("no face"))
    assert still.gaps == (Gap(3, 4, None, "no face"),)


def test_few_gaps_are_named_and_many_are_counted():
    gaps = [Gap(10 * i, 10 * i + i, None, "no face") for i in range(1, 6)]
    assert watched.gap_notes(gaps[:2]) == ["no face frames 10 to 11", "no face frames 20 to 22"]
    (note,) = watched.gap_notes(gaps)
    assert note.startswith("no face in 5 places, 20 frames in all, the longest frames 50 to 55")
    assert watched.gap_notes([]) == []


def test_what_is_no_event_is_counted():
    made = [Movement(0, 1, 2, 0.1, 0.5, kind) for kind in ("blink", "micro", "blink", "talking")]
    assert watched.movement_notes(made) == ["not counted as events: 2 blinks, 1 syllable"]
    assert watched.movement_notes(made[1:2]) == []
