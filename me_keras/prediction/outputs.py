"""The files that predictions are written to: looked at before any work, and written after it."""

from __future__ import annotations

import os
import pathlib
import sys

import numpy as np

from me_keras.prediction import events, explanation, figure, regions, table
from me_keras.prediction.options import TEXTS
from pipelines import files
from pipelines.schema import OptionError

FIGURES = ("figure", "explain")


def check_places(options) -> None:
    """Raises OptionError if a file of `OutputOptions` cannot be written where it is to be."""
    for name in (*TEXTS, *FIGURES, "events", "save_pair"):
        path, flag = getattr(options, name), "--" + name.replace("_", "-")
        if path in (None, "-"):
            continue
        path = pathlib.Path(path)
        folder = path if name == "save_pair" and path.is_dir() else path.parent
        if name != "save_pair" and path.is_dir():
            raise OptionError(f"{flag} {path}: a folder, not a file")
        if name == "save_pair" and path.exists() and not path.is_dir():
            raise OptionError(f"{flag} {path}: a file, not a folder")
        if not folder.is_dir():
            raise OptionError(f"{flag} {path}: cannot be written: no folder {folder}; make it")
        if not os.access(folder, os.W_OK):
            raise OptionError(f"{flag} {path}: cannot be written: no right to write in {folder}")


def write(options, predictions, failed, tracks=None) -> None:
    """Writes what `OutputOptions` ask for, figures and then events last.

    Args:
        predictions: dict of source to `Prediction`.
        failed: dict of source to what is wrong with it.
        tracks: dict of source to its `regions.FrameMotion`s, for `regions`.
    Raises:
        OSError: a file cannot be written; it names it.
        DataError: annotations of events need times that are unknown.
    """
    found = list(predictions.values())
    texts = [(options.json, table.as_json(found, failed)), (options.csv, table.as_csv(found))]
    if options.regions:
        texts.append((options.regions, regions.as_csv(tracks or {})))
    for path, text in texts:
        if path == "-":
            sys.stdout.write(text)
        elif path:
            files.write_whole(path, text)
    names = _names([*predictions, *failed])
    if options.save_pair:
        for source, prediction in predictions.items():
            _save_pair(prediction.picture, pathlib.Path(options.save_pair), names[source])
    for option in FIGURES:
        if not getattr(options, option):
            continue
        for source, prediction in predictions.items():
            place = _of_clip(getattr(options, option), names[source])
            (figure if option == "figure" else explanation).save(prediction, place)
    if options.events:
        for source, prediction in predictions.items():
            place = _of_clip(options.events, names[source])
            files.write_whole(place, events.as_file(prediction, place))


def _of_clip(path, name):
    """The file of a clip: NAME.png, or of several NAME-<clip>.png."""
    path = pathlib.Path(path)
    return path.with_name(f"{path.stem}-{name}{path.suffix}") if name else path


def _names(sources):
    """What the files of each source are called after, all different; "" of a single one."""
    if len(sources) == 1:
        return dict.fromkeys(sources, "")
    stems = [pathlib.Path(source).stem for source in sources]
    unique = len(set(stems)) == len(stems)
    return {s: stem if unique else f"{stem}-{i}" for i, (s, stem) in enumerate(zip(sources, stems))}


def _save_pair(picture, folder, name):
    """The aligned faces as PNG, to the bit what the model was given."""
    import cv2

    for part in ("onset", "apex"):
        image = np.round(getattr(picture, part) * 255).astype(np.uint8)
        path = folder / (f"{name}-{part}.png" if name else f"{part}.png")
        files.write_whole(path, cv2.imencode(".png", image)[1].tobytes())
