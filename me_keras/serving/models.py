"""The versions of a model: found on disk, swapped without a gap, asked for by number or label.

As TensorFlow Serving under deploy/: the two highest version folders are loaded, the highest
answers, and a new version is loaded and warmed up before an old one goes. One that cannot be loaded
leaves the others in place, and is tried again when its files change.
"""

from __future__ import annotations

import gc
import pathlib
import time
import weakref
from typing import Any, Callable

from tensorflow_serving.apis.get_model_metadata_pb2 import (
    GetModelMetadataResponse,
    SignatureDefMap,
)
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse, ModelVersionStatus

from me_keras.exporting import versions
from me_keras.serving.errors import CODES, ServingError, invalid
from pipelines.progress import say
from pipelines.schema import DataError

KEPT = 2  # versions in memory, as deploy/tf_serving/models.config


class Models:
    """The versions of one model.

    Args:
        base: folder of the versions, or one version folder, which is then served for good.
        name: the model's name to clients.
        load: function of a version folder's path that gives a `LoadedModel`.
        labels: label -> version; those versions stay loaded too.
    """

    def __init__(self, base, name: str, load: Callable, labels: dict[str, int] | None = None):
        self.base = pathlib.Path(base).absolute()
        self.name = name
        self.labels = labels or {}
        self._load = load
        # Both are replaced as a whole where versions go: other threads read them.
        self._loaded: dict[int, Any] = {}
        self._status: dict[int, ModelVersionStatus] = {}
        self._refused: dict[int, tuple] = {}  # version -> fingerprint of what could not be loaded
        self._unloaded: weakref.WeakSet = weakref.WeakSet()

    def start(self) -> None:
        """Loads the versions to serve; raises DataError where the newest is not to be had."""
        newest = versions.newest_version(self.base)
        if not (newest.name.isascii() and newest.name.isdigit()):
            raise DataError(f"{newest}: a version's folder must be named by a number: rename it")
        if not self._take(int(newest.name), newest):
            raise DataError(self._status[int(newest.name)].status.error_message)
        self.poll()

    def find(self, spec) -> tuple[int, Any]:
        """The number that a `ModelSpec` means, and the model, which lives while it is held.

        Raises:
            ServingError: another model's name, an unknown label, or a version not loaded.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        loaded = self._loaded if spec.name == self.name else {}
        asked = self._number(spec)
        number = max(loaded, default=None) if asked is None else asked
        if number not in loaded:
            wanted = f"Latest({spec.name})" if asked is None else f"Specific({spec.name}, {asked})"
            raise ServingError("NOT_FOUND", f"Servable not found for request: {wanted}")
        return number, loaded[number]

    def metadata(self, spec) -> GetModelMetadataResponse:
        """The signatures of the version that a `ModelSpec` means; raises as `find` does."""
        number, model = self.find(spec)
        answer = GetModelMetadataResponse()
        answer.model_spec.name = self.name
        answer.model_spec.version.value = number
        answer.metadata["signature_def"].Pack(SignatureDefMap(signature_def=model.definitions))
        return answer

    def status(self, spec) -> GetModelStatusResponse:
        """The versions known, the highest first, or the one that a `ModelSpec` means.

        Raises:
            ServingError: another model's name, an unknown label, or a version never seen.
        """
        number = self._number(spec)
        known = self._status if spec.name == self.name else {}
        found = [known[n] for n in sorted(known, reverse=True) if number in (None, n)]
        if not found:
            what = "any versions" if number is None else f"version {number}"
            raise ServingError("NOT_FOUND", f"Could not find {what} of model {spec.name}")
        return GetModelStatusResponse(model_version_status=found)

    def poll(self) -> None:
        """Looks once for versions that came or went: loads those, then lets these go."""
        folders = self._folders()
        kept: list[int] = []
        for number in sorted(folders, reverse=True):
            if len(kept) < KEPT or number in self.labels.values():
                if number in self._loaded or self._take(number, folders[number]):
                    kept.append(number)
        gone = set(self._loaded) - set(kept)
        if kept:  # else nothing is there for now: what is loaded goes on
            self._unloaded.update(self._loaded[number] for number in gone)
            self._loaded = {number: self._loaded[number] for number in kept}
            for number in gone:
                self._report(number, "END")
        if self._unloaded:  # a SavedModel's functions and variables refer to each other
            gc.collect()

    def _number(self, spec):
        label = spec.version_label
        if not label:
            return spec.version.value if spec.HasField("version") else None
        if label not in self.labels:
            raise invalid(f"Unrecognized servable version label: {label}")
        return self.labels[label]

    def _folders(self):
        if (self.base / "saved_model.pb").is_file():
            return {int(self.base.name): self.base}
        return {number: self.base / str(number) for number in versions.numbers(self.base)}

    def _take(self, number, folder):
        """Loads a version; False if it cannot be, or could not with the files it has."""
        files = _fingerprint(folder)
        if self._refused.get(number) == files:
            return False
        start = time.perf_counter()
        self._report(number, "LOADING")
        try:
            model = self._load(folder)
        except ServingError as error:
            self._refused[number] = files
            self._report(number, "END", error)
            others = ", ".join(map(str, sorted(self._loaded))) or "none"
            say(f"version {number} cannot be served (loaded: {others}): {error.message}")
            return False
        self._loaded = {**self._loaded, number: model}
        self._report(number, "AVAILABLE")
        say(f"version {number} of {self.name} loaded ({time.perf_counter() - start:.1f} s)")
        return True

    def _report(self, number, state, error=None):
        status = ModelVersionStatus(version=number, state=state)
        status.status.error_code = CODES.index(error.code if error else "OK")
        status.status.error_message = error.message if error else ""
        self._status = {**self._status, number: status}


def _fingerprint(folder):
    """Names, sizes and times of the files of a version."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return tuple((str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in files)
