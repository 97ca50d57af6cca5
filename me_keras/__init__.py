"""FRL-DGT for micro-expression recognition in TensorFlow/Keras: the library.

`evaluate(options)` trains and scores leave-one-subject-out, `search(options)` tunes, `export_model`
writes a model for TensorFlow Serving, `Predictor(model)(clip)` answers a clip, `build_model` makes
a `keras.Model` to fit, `load_model` reads one. Nothing is loaded before it is used: `--help` of
every command answers at once.
"""

import importlib

from pipelines import __version__, stack

_PUBLIC = {
    "Options": "me_keras.options",
    "evaluate": "me_keras.evaluation.run",
    "search": "me_keras.tuning.search",
    "export_model": "me_keras.exporting.export_model",
    "Predictor": "me_keras.prediction.predictor",
    "load_model": "me_keras.models.recognizer",
}
__all__ = [*_PUBLIC, "build_model", "__version__"]


def build_model(name="frl_dgt", **arguments):
    """Builds a model by name: `me_keras.models.build`."""
    stack.check()
    from me_keras import models

    return models.build(name, **arguments)


def __getattr__(name):
    """What `_PUBLIC` names; `OptionError` where the installed packages cannot work together."""
    if name in _PUBLIC:
        stack.check()
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'me_keras' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *__all__])
