"""The prepared form of a database: aligned clips as TFRecords and a manifest."""

import importlib
import typing

if typing.TYPE_CHECKING:
    from pipelines.prepared.arrays import Prepared, open_prepared
    from pipelines.prepared.manifest import read_manifest
    from pipelines.prepared.preparing import check_missing, default_folder, ensure_prepared, prepare

__all__ = ["Prepared", "check_missing", "default_folder", "ensure_prepared", "open_prepared"]
__all__ += ["prepare", "read_manifest"]

_MODULES = {"Prepared": "arrays", "open_prepared": "arrays", "read_manifest": "manifest"}


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(name)
    module = _MODULES.get(name, "preparing")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)
