"""What the page computes of a film: the prediction, where the face is, how every frame moved."""

from __future__ import annotations

import dataclasses
import pathlib
import typing

import numpy as np

from me_keras.motion_figures import face_mask
from me_keras.prediction import faces, regions, sources
from me_keras.prediction.displacement_only import names_classes
from me_keras.prediction.options import ClipOptions
from me_keras.prediction.predictor import Predictor
from me_keras.prediction.result import Film, Picture, Prediction
from me_keras.webpage import limits
from pipelines.schema import DataError

# What the messages of the command name, as it is called on the page.
IN_WORDS = {
    "--face largest": "“Of several faces”",
    ": raise --max-frames": "",
    "; all of them with --json": "",
    "with --fps": "as frames per second",
    "--fps": "frames per second",
    ", or give a folder of images": "",
    "--window": "the window",
}
READING, ALIGNING = "reading the film", "finding and aligning the face"
ASKING, DRAWING = "measuring how the face moved", "drawing"
STEPS = (READING, ALIGNING, ASKING, DRAWING)
Going = typing.Callable[[str], None]  # told which of `STEPS` begins; raises to end it


@dataclasses.dataclass(frozen=True, eq=False)
class Measurement:
    """What is shown of a film.

    Attributes:
        prediction: `Prediction`; its source is the name of the film.
        names_classes: whether the model tells classes apart.
        face: (h, w, 3) uint8 RGB, the onset as filmed. landmarks: (478, 2) px on it.
        fields: (n, S, S, 2) float32 px, displacement from the onset to each frame of the film of
            `prediction.picture`, the onset itself first.
    """

    prediction: Prediction
    names_classes: bool
    face: np.ndarray
    landmarks: np.ndarray
    fields: np.ndarray

    @property
    def picture(self) -> Picture:
        """That of the prediction, which always holds one here."""
        picture: typing.Any = self.prediction.picture
        return picture

    @property
    def film(self) -> Film:
        """The aligned frames of the picture."""
        film: typing.Any = self.picture.film
        return film

    @property
    def lengths(self) -> np.ndarray:
        """How far the face moved in each frame, mean over the face: (n,) px."""
        inside = face_mask(self.fields.shape[1])
        return np.linalg.norm(self.fields, axis=-1)[:, inside].mean(axis=1)


class _Telling:
    """A model that says so before it is asked."""

    def __init__(self, model, going):
        self._model, self._going = model, going

    def __getattr__(self, name):
        return getattr(self._model, name)

    def ask(self, inputs):
        """As `Model.ask`."""
        self._going(ASKING)
        return self._model.ask(inputs)


def measure(
    model,
    path,
    seconds: float,
    fps: float | None = None,
    face: str = "only",
    going: Going = lambda _: None,
) -> Measurement:
    """Looks at a film.

    Args:
        model: `prediction.model.Model`.
        path: of a video. seconds: its length at most.
        fps: frames per second as filmed; None: as the file says.
        face: which of several faces, as `ClipOptions.face`.
        going: called with each of `STEPS` that begins; what it raises ends the work.
    Raises:
        DataError: no film, too long, no face in it, or several; one line that names the film, not
            its path.
        OptionError: `fps` is not positive.
    """
    path = pathlib.Path(path)
    options = ClipOptions(fps=fps, face=face)
    telling: typing.Any = _Telling(model, going)
    try:
        going(READING)
        limits.check(path, seconds, fps)
        footage = sources.open_source(path, fps)
        going(ALIGNING)
        prediction = Predictor(telling)(path, **vars(options))
        fields = regions.displacements(telling, prediction)
        (onset,) = footage.read([prediction.onset])
        landmarks = _landmarks(onset, face)
    except DataError as error:
        raise DataError(_told(str(error), path)) from None
    return Measurement(
        dataclasses.replace(
            prediction, source=path.name, notes=tuple(_told(n, path) for n in prediction.notes)
        ),
        names_classes(model),
        onset,
        landmarks,
        fields,
    )


def _landmarks(onset, face):
    """The landmarks of the face that was looked at, (478, 2) px of the onset."""
    from pipelines.faces import landmarks

    part = faces.Chooser(face).box(0, onset, "the onset")
    if part is None:
        return landmarks.detect(onset)
    rows, columns = part
    return landmarks.detect(onset[part]) + np.array([columns.start, rows.start], np.float32)


def _told(problem, path):
    """A problem as the page says it: no paths of the server, no flags of a command."""
    problem = problem.replace(str(path), path.name)
    for words, ours in IN_WORDS.items():
        problem = problem.replace(words, ours)
    return problem
