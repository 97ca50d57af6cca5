"""The weights of the displacement generator that come with the package.

`python -m me_keras.pretrain` makes them, from rendered faces alone: no person and no database is in
them, so no held-out subject can be.
"""

import pathlib
import zipfile

import numpy as np

from pipelines.schema import DataError

PATH = pathlib.Path(__file__).with_name("weights") / "displacement.npz"
REMEDY = "install the package anew, or train from nothing with --dgm-init none"


def load(model, path=PATH):
    """Puts them into a model's displacement generator.

    Args:
        model: `Recognizer` or `DisplacementModel`.
        path: of the file.
    Raises:
        DataError: the file is missing or damaged, or was made for other filters.
    """
    generator = model.get_layer("displacement_generator")
    weights = _read(path)
    wanted, found = ([tuple(w.shape) for w in ws] for ws in (generator.weights, weights))
    if wanted != found:
        raise DataError(
            f"{path} holds weights for other --filters than {' '.join(map(str, generator.filters))}"
            ": leave --filters out, or train from nothing with --dgm-init none"
        )
    generator.set_weights(weights)


def _read(path):
    try:
        with open(path, "rb") as opened, np.load(opened) as file:
            return [file[f"{i:02d}"] for i in range(len(file.files))]
    except FileNotFoundError:
        raise DataError(f"{path} is missing: {REMEDY}") from None
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        raise DataError(f"{path} is damaged: {REMEDY}") from None


def save(model, path=PATH):
    """Writes the weights of a model's displacement generator."""
    from pipelines import files

    weights = model.get_layer("displacement_generator").get_weights()
    with files.whole_file(pathlib.Path(path)) as file:
        np.savez_compressed(file, **{f"{i:02d}": weight for i, weight in enumerate(weights)})
