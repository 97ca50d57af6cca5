"""A film, a stand-in model and what is measured of it, which the tests of the page share."""

import cv2
import pytest
import stand_in

from me_keras.prediction import model as models
from me_keras.webpage import measurement
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan

SIZE = 64
FPS = 50.0


def _write(path, frames, fps=FPS, codec="FFV1"):
    size = frames[0].shape[1], frames[0].shape[0]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, size)
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()
    return path


@pytest.fixture(scope="session")
def write_film():
    """write_film(path, frames, fps, codec): a film of frames (h, w, 3) uint8 RGB, and its path."""
    return _write


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A SavedModel that is no network; see `stand_in`."""
    return stand_in.write(tmp_path_factory.mktemp("web_models") / "frl_dgt", size=SIZE)


@pytest.fixture(scope="session")
def model(model_folder):
    return models.open_model(model_folder)


@pytest.fixture(scope="session")
def frames():
    """12 frames of a surprised face."""
    spec = plan.draw_spec(plan.SynthesisConfig(frame_size=(320, 240)), 9, 0, "surprise")
    return list(clips.render(spec))


@pytest.fixture(scope="session")
def film(frames, tmp_path_factory):
    return _write(tmp_path_factory.mktemp("web_films") / "clip.avi", frames)


@pytest.fixture(scope="session")
def found(model, film):
    """The measurement of the film."""
    return measurement.measure(model, film, 10.0)


@pytest.fixture(scope="session")
def long_found(model, frames, tmp_path_factory):
    """That of a film of several windows."""
    path = _write(
        tmp_path_factory.mktemp("web_long") / "long.avi", [*frames, *frames[::-1]], fps=25.0
    )
    return measurement.measure(model, path, 10.0)
