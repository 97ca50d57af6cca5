"""Version folders of an exported model: `<base>/<integer>/`, each there whole or not at all.

TensorFlow Serving serves the highest integer and skips every other name, so a version is written
under a hidden name and renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import typing

from pipelines import files
from pipelines.schema import DataError

_REMEDY = "make one with python -m me_keras.export"
_HIDDEN = ".tmp"


def numbers(base) -> list[int]:
    """Version numbers under `base`, rising; none if there is no such folder."""
    return sorted(_folders(pathlib.Path(base)))


def newest_version(base) -> pathlib.Path:
    """The folder of the highest version under `base`; a version folder itself is taken as it is.

    Raises:
        DataError: no such folder, or no version in it.
    """
    base = pathlib.Path(base)
    if (base / "saved_model.pb").is_file():
        return base
    if not base.is_dir():
        raise DataError(f"{base}: no such folder; {_REMEDY}")
    found = _folders(base)
    if not found:
        raise DataError(f"{base}: no version of a model in it, a folder named 1, 2, …; {_REMEDY}")
    return found[max(found)]


def check_free(base, version: int | None = None) -> None:
    """Raises DataError if `base` is no folder, or holds this version already."""
    base = pathlib.Path(base)
    if base.exists() and not base.is_dir():
        raise DataError(f"{base}: a file, not a folder of versions: choose another --out")
    if version in numbers(base):
        raise DataError(
            f"{base / str(version)} exists, and a version is never overwritten: "
            "choose another --version, or none for the next"
        )


@contextlib.contextmanager
def new_version(base, version: int | None = None) -> typing.Iterator[tuple[pathlib.Path, int]]:
    """Gives a hidden folder to write into, which becomes `<base>/<version>` if all goes well.

    Args:
        base: folder of all versions; made if it is not there.
        version: integer; None for the one after the highest.
    Yields:
        tuple of the hidden folder and the version number.
    Raises:
        DataError: the version exists, or the folder cannot be made.
    """
    base = pathlib.Path(base)
    if version is None:
        version = max(numbers(base), default=0) + 1
    check_free(base, version)
    partial = files.hidden(base, f"{_HIDDEN}-{version}", f"{_HIDDEN}*", base)
    try:
        yield partial, version
        try:
            os.rename(partial, base / str(version))  # fails where another export was faster
        except OSError as error:
            check_free(base, version)
            raise DataError(f"{base / str(version)}: cannot be made ({error.strerror})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _folders(base):
    """dict of version number to its folder."""
    folders = [path for path in base.iterdir() if path.is_dir()] if base.is_dir() else []
    return {int(p.name): p for p in folders if p.name.isascii() and p.name.isdigit()}
