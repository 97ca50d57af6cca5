"""The databases this package reads: name -> module, imported only when asked for.

Each module has `read(root, skipped=None) -> list[Clip]` and `HELP`, a paragraph that says where to
apply for the database and which layout is expected. `PRECOMPUTED = True` marks a module whose clips
hold one image of ready-made motion in place of frames. A module of several databases takes a
mapping from database to folder for a root as well, or that mapping as texts ("smic=DIR").
"""

from __future__ import annotations

import importlib

from pipelines import schema

DATABASES = {
    "synthetic": "pipelines.databases.synthetic",
    "smic": "pipelines.databases.smic",
    "smic-flow": "pipelines.databases.smic_flow",
    "casme2": "pipelines.databases.casme2",
    "samm": "pipelines.databases.samm",
    "casme3": "pipelines.databases.casme3",
    "mmew": "pipelines.databases.mmew",
    "4dme": "pipelines.databases.fourdme",
    "dfme": "pipelines.databases.dfme",
    "casme": "pipelines.databases.casme",
    "megc2019": "pipelines.databases.megc2019",
    "megc2019-flow": "pipelines.databases.megc2019_flow",
}


def load(name: str):
    """Imports the module of the database `name`. Raises DataError if it is unknown."""
    if name not in DATABASES:
        raise schema.DataError(f"unknown dataset {name!r}: choose one of {', '.join(DATABASES)}")
    return importlib.import_module(DATABASES[name])
