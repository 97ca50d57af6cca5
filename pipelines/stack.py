"""Which of the two sets of packages is installed, and one line where it cannot work.

"design": TensorFlow 2.15 with Keras 2.15; "current": TensorFlow 2.16 or later with Keras 3. Known
from what is installed and from the environment, in milliseconds: loads neither of the two.
"""

from __future__ import annotations

import functools
import os
import re
import sys

from pipelines.schema import OptionError

TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-macos")  # names of its packages
ANEW = "use the Python of the environment that `make .venv` makes"


def version(*names: str) -> str:
    """The version of the first of these packages that is installed; "" where none is."""
    import importlib.metadata

    for name in names:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return ""


@functools.cache
def installed() -> str:
    """ "design" or "current", by what is installed.

    Raises:
        OptionError: packages that do not work together, or no TensorFlow; what to install.
    """
    tensorflow, keras, numpy = version(*TENSORFLOW), version("keras"), version("numpy")
    if not (tensorflow and keras):
        missing = "keras" if tensorflow else "tensorflow"
        raise OptionError(f"{missing} is not installed for {sys.executable}: {ANEW}")
    if _numbers(tensorflow) < (2, 15):
        raise OptionError(f"tensorflow {tensorflow} is too old, it has to be 2.15 or later: {ANEW}")
    design = _numbers(tensorflow) == (2, 15)
    if design != (_numbers(keras) < (3, 0)):
        wanted = "keras==2.15.0" if design else "keras>=3.10"
        raise OptionError(
            f"keras {keras} does not work with tensorflow {tensorflow}: pip install '{wanted}'"
        )
    if design and _numbers(numpy) >= (2, 0):
        raise OptionError(
            f"numpy {numpy} does not work with tensorflow {tensorflow}: pip install 'numpy<2'"
        )
    return "design" if design else "current"


def _numbers(text):
    """(2, 15) of "2.15.1" and of "2.15rc0"; (0, 0) of what is no version."""
    major, minor = (re.findall(r"\d+", text) + ["0", "0"])[:2]
    return int(major), int(minor)


def check() -> None:
    """Refuses what cannot work, and chooses TensorFlow for Keras: call before either is loaded.

    Sets `KERAS_BACKEND` where it is unset, as Keras' file of settings may name another backend.

    Raises:
        OptionError: as `installed`, or a variable or settings that ask for another Keras.
    """
    installed()
    if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
        raise OptionError(
            "TF_USE_LEGACY_KERAS makes TensorFlow take another Keras: unset TF_USE_LEGACY_KERAS"
        )
    backend = os.environ.get("KERAS_BACKEND") or "tensorflow"  # Keras ignores an empty one, too
    if backend != "tensorflow":
        raise OptionError(f"KERAS_BACKEND is {backend}, it has to be tensorflow: unset it")
    os.environ["KERAS_BACKEND"] = backend
    loaded = getattr(sys.modules.get("keras"), "backend", None)
    if loaded and loaded.backend() != backend:
        raise OptionError(
            f"keras is loaded already, with {loaded.backend()}: set KERAS_BACKEND=tensorflow"
        )
