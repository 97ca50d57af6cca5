"""manifest.json of a prepared folder: what it holds, with which parameters it was made.

Its keys: `format`, `dataset`, `kind` ("frames", or "precomputed" for ready-made motion),
`parameters`, `source` (digest of the copy's files and labels), `digest` (of the records),
`versions`, `frame_size` (px, with the margin), `image_size`, `margin`, `classes` (names of the
labels), `regions`, `clips` (an entry per record) and `skipped` (clips that could not be used).
"""

from __future__ import annotations

import json
import pathlib

from pipelines.schema import DataError

NAME = "manifest.json"
FORMAT = 2  # 2: landmarks of the onset frame steadied by those of the frames after it
REMEDY = "run python -m pipelines.prepare again"


def read_manifest(folder) -> dict | None:
    """The manifest of a prepared folder, of whatever format; None if there is none."""
    try:
        manifest = json.loads((pathlib.Path(folder) / NAME).read_text())
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and isinstance(manifest.get("format"), int)
    return manifest if ours else None


def checked_manifest(folder) -> dict:
    """The manifest of a prepared folder that this version can read.

    Raises:
        DataError: no or unreadable manifest, another format, or no clip.
    """
    path = pathlib.Path(folder) / NAME
    try:
        manifest = json.loads(path.read_text())
    except OSError:
        missing = f"{folder}: no {NAME}, so not a prepared database"
        raise DataError(f"{missing}; make one with python -m pipelines.prepare") from None
    except ValueError as error:
        raise DataError(f"{path}: not JSON ({error}); {REMEDY}") from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise DataError(f"{path}: format {found}, expected {FORMAT}; {REMEDY}")
    if not manifest.get("clips"):
        raise DataError(f"{path}: holds no clip; check the data root, {REMEDY}")
    return manifest


def write_manifest(folder, manifest: dict) -> None:
    """Writes the manifest into a folder that is being made."""
    (pathlib.Path(folder) / NAME).write_text(json.dumps(manifest, indent=1) + "\n")


def difference(manifest: dict, dataset: str, parameters: dict) -> str:
    """How a prepared folder differs from the one that is wanted, in words; "" if it does not.

    Args:
        parameters: what the prepared form depends on beside the database, by option name.
    """
    if manifest["format"] != FORMAT:
        return f"format {manifest['format']}, where this version reads {FORMAT}"
    if manifest.get("dataset") != dataset:
        return f"--dataset {manifest.get('dataset')}, not {dataset}"
    made = manifest.get("parameters", {})
    for name in sorted({*made, *parameters}):
        if made.get(name) != parameters.get(name):
            return f"{_flag(name, made.get(name))}, not {_flag(name, parameters.get(name))}"
    return ""


def _flag(name, value):
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words} {value}"
