"""What is computed of a film, against the predictor, and how a film that cannot be is refused."""

import pathlib

import numpy as np
import pytest

from me_keras import Predictor
from me_keras.motion_figures import face_mask
from me_keras.webpage import measurement
from pipelines.faces import landmarks
from pipelines.schema import DataError, OptionError


def test_the_answer_is_the_predictors(found, model_folder, film):
    with Predictor(model_folder) as predictor:
        expected = predictor(film)
        tracks = predictor.track(expected)
    answer = found.prediction
    assert answer.source == "clip.avi" and answer.probabilities == expected.probabilities
    assert (answer.onset, answer.apex) == (expected.onset, expected.apex)
    assert found.film.numbers == tuple(track.frame for track in tracks)
    assert found.names_classes


def test_every_frame_has_its_displacement(found):
    apex = found.film.numbers.index(found.prediction.apex)
    assert found.fields.shape == (len(found.film.frames), 64, 64, 2)
    assert not found.fields[0].any()
    np.testing.assert_allclose(found.fields[apex], found.picture.displacement, atol=1e-5)
    length = np.hypot(*np.moveaxis(found.fields[apex], -1, 0))[face_mask(64)].mean()
    assert found.lengths[apex] == pytest.approx(length, rel=1e-4)
    assert found.lengths[apex] == pytest.approx(found.prediction.mean_displacement, rel=1e-4)


def test_the_face_found_is_that_of_the_onset(found, frames):
    np.testing.assert_array_equal(found.face, frames[found.prediction.onset])
    np.testing.assert_allclose(found.landmarks, landmarks.detect(found.face), atol=1e-3)


def test_each_step_is_told_and_may_end_it(model, film):
    told = []
    measurement.measure(model, film, 10.0, going=told.append)
    assert list(dict.fromkeys(told)) == list(measurement.STEPS[:-1])

    def leave(step):
        if step == measurement.ASKING:
            raise KeyError(step)

    with pytest.raises(KeyError):
        measurement.measure(model, film, 10.0, going=leave)


def test_of_two_faces_one_is_chosen(model, frames, tmp_path, write_film):
    both = [np.concatenate([frame, frame], axis=1) for frame in frames]
    path = write_film(tmp_path / "two.avi", both)
    with pytest.raises(DataError, match="^two.avi frame 0: 2 faces; .*with “Of several faces”$"):
        measurement.measure(model, path, 10.0)
    found = measurement.measure(model, path, 10.0, face="right")
    assert found.landmarks[:, 0].min() > 320 and found.face.shape == (240, 640, 3)


def test_what_cannot_be_used_is_a_sentence_without_paths_and_flags(
    model, frames, tmp_path, write_film
):
    text = tmp_path / "text.mp4"
    text.write_text("no film")
    wall = write_film(tmp_path / "wall.avi", [np.full_like(frames[0], 128)] * 6)
    cases = {
        text: "^text.mp4: holds no frame .* convert it",
        wall: "^no face found in wall.avi frame 0",
        tmp_path / "absent.avi": "^absent.avi: no such file",
    }
    for path, message in cases.items():
        with pytest.raises(DataError, match=message) as caught:
            measurement.measure(model, path, 10.0)
        assert str(tmp_path) not in str(caught.value) and "--" not in str(caught.value)
    with pytest.raises(DataError, match="lasts over 0.05 s"):
        measurement.measure(model, wall, 0.05)
    with pytest.raises(OptionError, match="fps must lie in"):
        measurement.measure(model, wall, 10.0, fps=-1.0)


def test_notes_name_no_flags(found):
    told = measurement._told("3 of 5 frames skipped: raise --max-frames", pathlib.Path("x.avi"))
    assert told == "3 of 5 frames skipped"
    assert not any("--" in note for note in found.prediction.notes)
