"""The databases this package reads: name -> module, imported only when asked for.

Each module has `read(root, skipped=None) -> list[Clip]` and `HELP`, a paragraph that says where to
apply for the database and which layout is expected. `PRECOMPUTED = True` marks a module whose clips
hold one image of ready-made motion in place of frames.
"""

from __future__ import annotations

import importlib

from pipelines import schema

DATABASES = {
    "synthetic": "pipelines.databases.synthetic",
    "smic": "pipelines.databases.smic",
    "smic-flow": "pipelines.databases.smic_flow",
    "casme2": "pipelines.databases.casme2",
}


def load(name: str):
    """Imports the module of the database `name`. Raises DataError if it is unknown."""
    if name not in DATABASES:
        raise schema.DataError(f"unknown dataset {name!r}: choose one of {', '.join(DATABASES)}")
    return importlib.import_module(DATABASES[name])
