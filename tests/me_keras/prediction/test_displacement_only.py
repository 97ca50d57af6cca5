"""The generator that ships as a model: what it answers, and that it names no class."""

import numpy as np
import pytest

from me_keras import pretrained
from me_keras.motion_figures import face_mask
from me_keras.prediction import displacement_only
from me_keras.prediction.displacement_only import NO_CLASS, DisplacementOnly, names_classes
from pipelines.schema import REGIONS, DataError

pytestmark = pytest.mark.usefixtures("short_solves")


@pytest.fixture(scope="module")
def shipped(short_solves):
    return DisplacementOnly()


def inputs(count):
    """Soft noise that moves two pixels to the right, as `alignment.model_inputs` makes inputs."""
    import cv2

    rng = np.random.default_rng(0)
    onset = cv2.GaussianBlur(rng.random((128, 128), np.float32), (0, 0), 3)
    onset = (onset - onset.min()) / np.ptp(onset)
    pair = [np.stack([image[..., None]] * count) for image in (onset, np.roll(onset, 2, axis=1))]
    return {
        "onset": pair[0], "apex": pair[1], "regions": np.zeros((count, len(REGIONS), 4), np.float32)
    }  # fmt: skip


def test_it_answers_motion_and_names_no_class(shipped, capsys):
    asked = inputs(3)
    found = shipped.ask(asked)
    assert "loading TensorFlow and displacement only" in capsys.readouterr().err
    moved = found["displacement"]
    assert moved.shape == (3, 128, 128, 2) and moved.dtype == np.float32
    inside = face_mask(128)
    right, down = np.median(moved[0][inside], axis=0)
    assert right == pytest.approx(2, abs=1.0) and abs(down) < 0.5
    length = np.linalg.norm(moved, axis=-1)[:, inside]
    np.testing.assert_allclose(found["displacement_mean_px"], length.mean(1), rtol=1e-4)
    np.testing.assert_allclose(found["displacement_max_px"], length.max(1), rtol=1e-4)
    assert (found["motion_explained"] > 0.3).all()
    np.testing.assert_array_equal(found["probabilities"], np.ones((3, 1)))
    np.testing.assert_allclose(found["attention"], np.full((3, len(REGIONS)), 1 / len(REGIONS)))
    assert shipped.classes == (NO_CLASS,) and not names_classes(shipped)


def test_it_is_loaded_once(shipped, monkeypatch):
    shipped.load()
    monkeypatch.setattr(displacement_only, "_answers", lambda *_: pytest.fail("loaded again"))
    shipped.load()


def test_other_models_name_classes(model):
    assert names_classes(model)


def test_damaged_weights_are_said(monkeypatch, tmp_path):
    def damaged(model):
        raise DataError(f"{tmp_path} is damaged")

    monkeypatch.setattr(pretrained, "load", damaged)
    with pytest.raises(DataError, match="is damaged"):
        DisplacementOnly().load()
