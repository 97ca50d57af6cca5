"""The databases this package reads: name -> module, imported only when asked for.

To add one: a module here that makes a `database.Database` called DATABASE, a line below, and a
protocol in `protocols.table`.
"""

from __future__ import annotations

import importlib
import typing

from pipelines import schema

if typing.TYPE_CHECKING:
    from pipelines.databases.database import Database

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


def load(name: str) -> Database:
    """The database called `name`. Raises DataError if there is none."""
    if name not in DATABASES:
        raise schema.DataError(f"unknown dataset {name!r}: choose one of {', '.join(DATABASES)}")
    return importlib.import_module(DATABASES[name]).DATABASE
