"""Says what is in two images, a clip or a long video: the emotion, and how the face moved."""

import dataclasses
import os
import pathlib
import sys
from typing import Optional

from me_keras import console
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import DataError

EXAMPLES = """examples:
  python -m me_keras.predict --onset neutral.png --apex peak.png
  python -m me_keras.predict --clip s01_ne_01/ --fps 100 --figure answer.png
  python -m me_keras.predict --clip interview.mp4 --figure answer.png --csv windows.csv
  python -m me_keras.predict --clip a.avi b.avi c/ --json - --server grpc://localhost:8500

A clip is a video, or a folder of images numbered in their names. Without --onset-frame its first
frame is the onset; the apex is spotted. A video longer than --window is answered window by window.
The faces are found and aligned as in training. Exit codes: 0 done, 2 wrong use or unusable data
(of several clips the others are answered), 130 interrupted."""

MODEL = "saved_models/frl_dgt"
FIGURES = (".png", ".pdf", ".svg")
MAX_PIXELS = 2**27  # of an image; a hostile header must not fill the memory


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """Options of the command."""

    onset: Optional[str] = option(None, "image of the face before it moves", metavar="IMAGE")
    apex: Optional[str] = option(None, "image at the height of the expression", metavar="IMAGE")
    clip: Optional[tuple[str, ...]] = option(
        None, "videos, or folders of images", metavar="PATH", nargs="+"
    )
    onset_frame: Optional[int] = option(None, "onset of the clip, counted from 0", metavar="N")
    apex_frame: Optional[int] = option(
        None, "apex of the clip, counted from 0 (default: spotted)", metavar="N"
    )
    fps: Optional[float] = option(
        None,
        "frames per second as filmed, for folders, or for a video made to be played slowly "
        "(default: the container's time stamps)",
    )
    window: float = option(0.5, "seconds; longer videos are answered in windows; 0: never")
    stride: Optional[float] = option(
        None, "seconds from one window to the next (default: half a window)"
    )
    max_frames: int = option(64, "frames looked at in a window, evenly spread")
    face: str = option(
        "only", "what to do with several faces: refuse, or take the largest", ("only", "largest")
    )
    model: str = option(MODEL, "exported model, or one version of it", metavar="DIR")
    server: Optional[str] = option(
        None,
        "ask TensorFlow Serving instead, grpc://HOST:8500 or http://HOST:8501; --model then only "
        "names the model and holds its contract",
        metavar="ADDRESS",
    )
    json: Optional[str] = option(None, "write everything as JSON; - for the terminal", None, "FILE")
    csv: Optional[str] = option(None, "write a row per window; - for the terminal", None, "FILE")
    figure: Optional[str] = option(
        None, "draw the answer (.png, .pdf, .svg); of several clips NAME-<clip>.png", None, "FILE"
    )

    def __post_init__(self):
        pair = self.onset is not None, self.apex is not None
        if self.clip is None and not any(pair):
            raise ValueError("nothing to look at: give --clip, or --onset and --apex")
        if self.clip is not None and any(pair):
            raise ValueError("--clip or --onset and --apex, not both")
        if any(pair) and not all(pair):
            raise ValueError("--onset and --apex belong together: give both")
        if any(pair) and (self.onset_frame, self.apex_frame) != (None, None):
            raise ValueError("--onset-frame and --apex-frame are for --clip")
        for name, low in (("window", 0), ("max_frames", 3)):
            if not getattr(self, name) >= low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        for name in ("fps", "stride"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"{name} must be above 0, got {value}")
        if (self.json, self.csv) == ("-", "-"):
            raise ValueError("--json - and --csv - cannot share the terminal")
        if self.figure and pathlib.Path(self.figure).suffix.lower() not in FIGURES:
            raise ValueError(f"figure must end in {', '.join(FIGURES)}, got {self.figure!r}")


def predict(
    source,
    model=MODEL,
    server=None,
    *,
    onset_frame=None,
    apex_frame=None,
    fps=None,
    window=0.5,
    stride=None,
    max_frames=64,
    face="only",
):
    """Says what is in a clip.

    Args:
        source: path of a video or of a folder of images; a sequence of image paths; or frames
            (t, h, w, 3) uint8 RGB. Two frames are onset and apex.
        model: folder of an exported model, or a `prediction.model.Model` opened before.
        server: address of a server to ask instead, as the option of that name.
        onset_frame, apex_frame: 0-based; None: the first frame, and spotted.
        fps, window, stride, max_frames, face: as the options of these names.
    Returns:
        `prediction.result.Prediction`; `prediction.figure.save` draws it.
    Raises:
        DataError: the source or the model cannot be used; one line with a remedy.
    """
    from me_keras.prediction import answer, sliding, sources
    from me_keras.prediction import model as models

    footage = sources.open_source(source, fps)
    spans = sliding.plan(footage, window, stride or window / 2, onset_frame, apex_frame)
    options = {"max_frames": max_frames, "face": face, "spot": apex_frame is None}
    if isinstance(model, models.Model):
        return answer.answer(footage, model, spans, **options)
    with models.open_model(model, server) as opened:
        return answer.answer(footage, opened, spans, **options)


def predict_pair(onset, apex, **options):
    """Says what is in two image files, as `predict` does.

    Raises:
        DataError: they cannot be read, are not of one size, or are the same image.
    """
    import numpy as np

    from pipelines.faces import frames

    first, second = (frames.read_frame(path) for path in (onset, apex))
    if first.shape != second.shape:
        sizes = [f"{image.shape[1]}x{image.shape[0]}" for image in (first, second)]
        raise DataError(
            f"{apex}: {sizes[1]} px, but the onset {onset} is {sizes[0]} px; take both from one "
            "recording, uncut"
        )
    if np.array_equal(first, second):
        raise DataError(f"{apex}: the same image as the onset {onset}; motion needs two")
    return predict([onset, apex], **options)


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(PredictConfig, argv, "python -m me_keras.predict", __doc__, EXAMPLES)
    console.quiet_tensorflow()
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(MAX_PIXELS))  # before cv2 is loaded
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    return console.guarded(_command, config)


def _command(config):
    from me_keras.prediction import table

    predictions, failed = _predict_all(config)
    if predictions and "-" not in (config.json, config.csv):
        print(table.text(predictions))
    _write(config.json, lambda: table.as_json(predictions, failed))
    _write(config.csv, lambda: table.as_csv(predictions))
    if failed:
        for source, problem in list(failed.items())[:-1]:
            print(f"error: {_said(source, problem)}", file=sys.stderr)
        raise DataError(_said(*list(failed.items())[-1]))


def _predict_all(config):
    """The predictions, and what went wrong by source; the model is opened once."""
    from me_keras.prediction import model as models

    predictions, failed = [], {}
    with models.open_model(config.model, config.server) as model:
        for source in config.clip or [(config.onset, config.apex)]:
            try:
                predictions.append(_predict_one(config, source, model))
            except DataError as error:
                failed[source if config.clip else " ".join(source)] = str(error)
    return predictions, failed


def _predict_one(config, source, model):
    """The prediction of one clip, or of the pair (onset, apex), and its picture."""
    names = ("fps", "window", "stride", "max_frames", "face")
    options = {name: getattr(config, name) for name in names}
    if config.clip:
        frames = {"onset_frame": config.onset_frame, "apex_frame": config.apex_frame}
        prediction = predict(source, model, **frames, **options)
    else:
        prediction = predict_pair(*source, model=model, **options)
    if config.figure:
        _draw(prediction, _figure_path(config, source))
    return prediction


def _said(source, problem):
    """`problem`, with the clip it is about where it does not name it itself."""
    return problem if any(part in problem for part in source.split()) else f"{source}: {problem}"


def _figure_path(config, source):
    path = pathlib.Path(config.figure)
    if not config.clip or len(config.clip) == 1:
        return path
    number = (
        ""
        if len({pathlib.Path(c).stem for c in config.clip}) == len(config.clip)
        else (f"-{config.clip.index(source)}")
    )
    return path.with_name(f"{path.stem}-{pathlib.Path(source).stem}{number}{path.suffix}")


def _draw(prediction, path):
    from me_keras.prediction import figure

    try:
        figure.save(prediction, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror})") from None


def _write(path, make):
    from me_keras.evaluation.files import write_whole

    if path == "-":
        sys.stdout.write(make())
    elif path:
        try:
            write_whole(pathlib.Path(path), make())
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})") from None


if __name__ == "__main__":
    sys.exit(main())
