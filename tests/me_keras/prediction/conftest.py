"""Synthetic clips and a stand-in model that the tests of predictions share."""

import pytest
import stand_in

from me_keras import Predictor
from me_keras.prediction import model as models
from pipelines.synthetic import clip as clips
from pipelines.synthetic import plan

SIZE = 64


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A SavedModel that is no network; see `stand_in`."""
    return stand_in.write(tmp_path_factory.mktemp("saved_models") / "frl_dgt", size=SIZE)


@pytest.fixture(scope="session")
def model(model_folder):
    return models.open_model(model_folder)


@pytest.fixture(scope="session")
def spec():
    """What makes the clip: 12 frames of a surprised face, its apex and its true displacement."""
    return plan.draw_spec(plan.SynthesisConfig(frame_size=(320, 240)), 9, 0, "surprise")


@pytest.fixture(scope="session")
def frames(spec):
    return list(clips.render(spec))


@pytest.fixture(scope="session")
def predictor(model_folder):
    return Predictor(model_folder)
