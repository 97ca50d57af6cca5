"""Answers: numbers of the stand-in model by hand, windows in order, the one that is shown."""

import concurrent.futures

import numpy as np
import pytest
import stand_in

from me_keras import Predictor
from me_keras.motion_figures import face_mask
from me_keras.prediction import alignment, result
from me_keras.prediction import predictor as predictors
from pipelines import flow
from pipelines.schema import DataError, OptionError


@pytest.fixture(scope="module")
def prediction(frames, predictor):
    return predictor(frames, fps=50)


def test_one_window_is_the_answer(prediction, spec, frames, model):
    assert prediction.onset == 0 and abs(prediction.apex - spec.apex) <= 1
    assert prediction.seconds == {
        "first": 0.0, "last": (len(frames) - 1) / 50, "onset": 0.0, "apex": prediction.apex / 50
    }  # fmt: skip
    assert len(prediction.windows) == 1 and prediction.model == model.name
    assert sum(prediction.probabilities) == pytest.approx(1, abs=1e-5)
    assert prediction.predicted == prediction.classes[np.argmax(prediction.probabilities)]


def test_figures_are_those_of_the_face(prediction, frames, model):
    """The stand-in's displacement is the change of brightness: computed here from the frames."""
    size = model.alignment.image_size
    pair = alignment.align_pair(frames, model.alignment)
    inputs = alignment.model_inputs([pair], size)
    moved = stand_in.displacement(inputs["onset"], inputs["apex"])[0]
    length = np.hypot(moved[..., 0], moved[..., 1])[face_mask(size)]
    assert prediction.mean_displacement == pytest.approx(length.mean(), rel=1e-4)
    assert prediction.max_displacement == pytest.approx(length.max(), rel=1e-4)
    np.testing.assert_array_equal(prediction.picture.onset, inputs["onset"][0, ..., 0])
    np.testing.assert_array_equal(prediction.picture.regions, inputs["regions"][0])
    np.testing.assert_allclose(prediction.picture.displacement, moved, rtol=1e-4)


def test_frames_that_are_given_are_taken(frames, predictor):
    found = predictor(frames, onset_frame=2, apex_frame=6)
    assert (found.onset, found.apex) == (2, 6) and found.seconds is None


def test_the_window_with_most_motion_is_shown_and_a_rise_before_its_fall(spec, frames, predictor):
    still = [frames[0]] * 14
    film = [*still, *frames, *still]
    found = predictor(film, fps=10, window=0.9, stride=0.3)
    assert [(w.first, w.last) for w in found.windows[:3]] == [(0, 9), (3, 12), (6, 15)]
    starts, apex = 14, 14 + spec.apex
    assert found.onset < apex <= found.apex + 2 and found.first <= starts + 4  # not its fall
    assert found.mean_displacement >= 0.5 * max(w.mean_displacement for w in found.windows)
    assert not found.windows[0].moved and "no motion above noise" in found.windows[0].notes[-1]


@pytest.fixture(scope="module")
def recording(spec, frames):
    """Thirty frames per second: a still face, an expression that comes and goes, a still face."""
    rise = frames[: spec.apex + 1]
    return [*[frames[0]] * 20, *rise, *rise[-2::-1], *[frames[0]] * 20]


def test_the_event_of_a_recording(spec, recording, predictor):
    found = predictor(recording, fps=30)
    (event,) = found.events
    assert abs(event.start - 20) <= 1 and abs(event.end - (20 + 2 * spec.apex)) <= 1
    assert abs(event.apex - (20 + spec.apex)) <= 1
    assert event.seconds["start"] == pytest.approx(event.start / 30, abs=1e-6)
    assert any(found.windows[index].moved for index in event.windows)
    pair = predictor(recording, onset_frame=event.start, apex_frame=event.apex)
    assert event.predicted == pair.predicted  # the model was asked about these two
    assert event.probability == pytest.approx(max(pair.probabilities), abs=0.02)
    assert event.moved and event.moved[0].length >= event.moved[-1].length > 0.2
    assert any("30 frames per second" in note for note in found.notes)


def test_the_event_of_a_clip_is_the_clip_without_what_is_still(spec, recording, predictor):
    film = recording[10:]
    (event,) = predictor(film, fps=100).events
    assert event.start >= 9 and abs(event.apex - (10 + spec.apex)) <= 1 and event.windows == (0,)
    assert abs(event.end - (10 + 2 * spec.apex)) <= 1
    assert predictor([film[0]] * 12, fps=100).events == ()


def test_a_recording_without_a_face_for_a_while(recording, predictor):
    """Said once, by frames and seconds; on either side all goes on."""
    wall = np.full_like(recording[0], 128)
    found = predictor([*recording, *[wall] * 40, *recording], fps=30)
    assert len(found.events) == 2
    (gap,) = found.gaps
    start = len(recording)
    assert gap.first == start and 0 <= gap.last - (start + 39) <= 8 and gap.reason == "no face"
    assert gap.seconds["first"] == pytest.approx(start / 30, abs=1e-5)
    assert f"no face {gap}" in found.notes


def test_skipped_frames_are_said(frames, predictor):
    film = [image for image in frames for _ in range(4)]
    notes = predictor(film, max_frames=12).notes
    assert f"{4 * len(frames) - 12} of {4 * len(frames)} frames skipped" in notes[0]


def test_one_of_two_faces(recording, predictor):
    """The face at the left moves, that at the right does not."""
    film = [np.concatenate([frame, recording[0]], axis=1) for frame in recording]
    left, right = (predictor(film[20:32], face=side) for side in ("left", "right"))
    assert left.max_displacement > 2
    assert right.max_displacement < 0.2


def test_windows_without_a_face_are_listed_and_the_others_answered(frames, predictor):
    wall = np.full_like(frames[0], 128)
    film = [wall, wall, wall, *frames]
    found = predictor(film, fps=10, window=0.3, stride=0.2)
    problems = ["no face" in window.problem for window in found.windows]
    assert problems == [window.first < 3 for window in found.windows] and any(problems)
    assert found.windows[0].predicted == "" and found.first >= 3
    with pytest.raises(DataError, match="no window can be used; the first: no face"):
        predictor([wall] * 6, fps=10, window=0.2)
    with pytest.raises(DataError, match="^no face found"):
        predictor([wall] * 6)


def test_more_windows_than_a_batch(frames, predictor, monkeypatch):
    monkeypatch.setattr(predictors.models, "BATCH", 2)
    found = predictor(frames, fps=10, window=0.4, stride=0.1)
    assert len(found.windows) == len(frames) - 4
    for window in found.windows[::3]:
        alone = predictor(frames[window.first : window.last + 1])
        assert window.apex == window.first + alone.apex
        np.testing.assert_allclose(window.probabilities, alone.probabilities, atol=1e-6)


def test_few_frames_of_a_long_window_are_looked_at(frames, predictor):
    film = [image for image in frames for _ in range(4)]
    found = predictor(film, max_frames=12)
    whole = predictor(frames)
    assert abs(found.apex / 4 - whole.apex) <= 1


def test_a_pair_of_arrays_is_onset_and_apex(frames, predictor, prediction):
    pair = predictor([frames[0], frames[prediction.apex]])
    np.testing.assert_allclose(pair.probabilities, prediction.probabilities, atol=0.05)
    with pytest.raises(DataError, match="motion needs two"):
        predictor(frames[:1])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"window": -1.0}, "window must lie in"),
        ({"fps": 0.0}, "fps must lie in"),
        ({"stride": float("nan")}, "stride must lie in"),
        ({"max_frames": 2}, "max_frames must be at least 3"),
        ({"face": "both"}, "face must be one of only, largest"),
    ],
)
def test_options_are_checked(frames, predictor, options, message):
    with pytest.raises(OptionError, match=message):
        predictor(frames, **options)


def test_a_model_that_is_open_may_be_given(frames, model, prediction):
    again = Predictor(model)(frames)
    assert again.probabilities == prediction.probabilities


def test_from_several_threads_at_once(frames, model_folder, prediction):
    """A predictor, and the face detector behind it, is shared by all threads."""
    with Predictor(model_folder) as fresh, concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: fresh(frames, fps=50), range(8)))
    for other in found:
        assert other.apex == prediction.apex
        np.testing.assert_allclose(other.probabilities, prediction.probabilities, atol=1e-6)


@pytest.mark.parametrize("motion", ["farneback", "difference"])
def test_a_model_on_motion_maps_gets_them_from_the_frames(frames, motion, monkeypatch):
    """With a displacement by optical flow beside the answer, to see whether the face moved."""
    where = alignment.Alignment(stand_in.SIZE * 4, stand_in.MARGIN, motion=motion)

    class OnMotion(predictors.models.Model):
        def close(self):
            pass

        def _call(self, inputs, signature):
            asked.append((signature, inputs))
            batch = len(inputs["motion"])
            return {
                "probabilities": np.tile(np.float32([0.2, 0.5, 0.3]), (batch, 1)),
                "classes": np.tile(np.array(stand_in.CLASSES), (batch, 1)),
                "predicted": np.full(batch, "positive"),
                "attention": np.full((batch, 9), 1 / 9, np.float32),
            }

    asked: list = []
    made = OnMotion("made", stand_in.make_contract(), where)
    monkeypatch.setattr(predictors.models, "open_model", lambda *_: made)
    found = Predictor("anything")(frames)
    ((signature, inputs),) = asked
    assert signature == "serving_regions" and set(inputs) == {"motion", "regions"}
    assert inputs["motion"].shape == (1, 64, 64, flow.MOTIONS[motion].channels)
    assert found.predicted == "positive" and found.moved and 0.2 < found.explained < 1
    assert found.picture.displacement.shape == (64, 64, 2)
    still = Predictor("anything")([frames[0], frames[0] ^ 1])
    assert not still.moved and "no motion above noise" in still.notes[-1]


def test_which_window_is_shown():
    """By hand: a fall as strong as the rise before it, another expression elsewhere, a doubt."""

    def shown(*windows):
        best = predictors._Best()
        for name, first, motion, *doubtful in windows:
            facts = {"explained": 1.0, "mean_displacement": motion, "max_displacement": motion}
            facts["doubtful"] = bool(doubtful)
            best.add(result.Window(first, first + 9, first, None, None, (), **facts), name)
        return best.picture

    assert shown(("still", 0, 0.1), ("rise", 5, 0.8), ("fall", 12, 1.0)) == "rise"
    assert shown(("slight", 5, 0.4), ("rise", 10, 1.0), ("fall", 15, 0.9)) == "rise"
    assert shown(("other", 0, 0.8), ("rise", 10, 1.0)) == "rise"  # no frame in common
    assert shown(("doubtful", 5, 3.0, "a head that moved"), ("rise", 10, 1.0)) == "rise"
    assert shown(("doubtful", 5, 3.0, "a head that moved")) == "doubtful"
