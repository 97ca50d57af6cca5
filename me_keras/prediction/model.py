"""The model that answers: a SavedModel on disk, or one that TensorFlow Serving serves."""

from __future__ import annotations

import abc
import pathlib

import numpy as np

from me_keras.prediction.pairs import Alignment
from pipelines import silence
from pipelines.schema import REGIONS, DataError

SIGNATURE = "displacement"  # the signature that tells motion and attention beside probabilities
BATCH, SERVED_BATCH = 16, 4  # pairs asked about at once, here and over the network


class Model(abc.ABC):
    """What both kinds of model share: a contract, and `ask` in batches.

    Attributes:
        name: what results call it.
        contract: dict as `exporting.contract` reads it; None if there is none.
        alignment: `Alignment`.
        classes: names of the classes in the order of the probabilities.
        regions: names of the action-unit regions.
    """

    batch = BATCH

    def __init__(self, name: str, contract: dict | None, alignment: Alignment):
        self.name = name
        self.contract = contract
        self.alignment = alignment
        self.classes = tuple(contract["classes"]) if contract else ()
        self.regions = tuple(contract["regions"]) if contract else REGIONS

    def ask(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Answers about pairs, as `pairs.model_inputs` makes them.

        Returns:
            dict of `probabilities` (b, k), `displacement` (b, S, S, 2) px, `gain` (b,) and
            `attention` (b, 9), float32.
        Raises:
            DataError: the model refuses, or cannot be reached.
        """
        count = len(inputs["onset"])
        parts = [
            self._call({k: v[i : i + self.batch] for k, v in inputs.items()}, SIGNATURE)
            for i in range(0, count, self.batch)
        ]
        if not self.classes:
            one = self._call({k: v[:1] for k, v in inputs.items()}, "serving_regions")
            self.classes = tuple(_text(name) for name in one["classes"][0])
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @abc.abstractmethod
    def close(self):
        """Lets go of the model or the connection; a model is a context manager as well."""

    @abc.abstractmethod
    def _call(self, inputs, signature):
        """The answer of one signature, dict of arrays; raises DataError."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def open_model(path="saved_models/frl_dgt", server: str | None = None) -> Model:
    """The model to ask.

    Args:
        path: folder of an exported model, or one of its versions. With `server`, its contract says
            how faces are aligned; where there is none, the server's own shapes do.
        server: "grpc://host:8500" or "http://host:8501"; None runs the model here.
    Raises:
        DataError: no such model, broken, or the server does not answer.
    """
    return ServedModel(server, path) if server else LocalModel(path)


class LocalModel(Model):
    """The newest version under a folder, run by TensorFlow in this process."""

    def __init__(self, path):
        from me_keras.exporting import contract, versions

        folder = versions.newest_version(path)
        facts = contract.read_contract(folder)
        super().__init__(str(folder), facts, _alignment(facts, folder))
        self._loaded = _load(folder)
        if SIGNATURE not in self._loaded.signatures:
            raise DataError(f"{folder}: no signature {SIGNATURE!r}; {_AGAIN}")

    def close(self):
        """Lets go of the model."""
        self._loaded = None

    def _call(self, inputs, signature):
        import tensorflow as tf

        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        try:
            with silence.without_stderr():
                outputs = self._loaded.signatures[signature](**tensors)
        except tf.errors.OpError as error:
            raise DataError(f"{self.name}: {_first_line(error.message)}") from None
        return {name: values.numpy() for name, values in outputs.items()}


class ServedModel(Model):
    """A model behind TensorFlow Serving, asked over gRPC or REST."""

    batch = SERVED_BATCH  # as JSON a displacement is 0.6 MB

    def __init__(self, address, path):
        from me_keras import serving

        facts, folder = None, pathlib.Path(path)
        if folder.is_dir():
            from me_keras.exporting import contract, versions

            folder = versions.newest_version(path)
            facts = contract.read_contract(folder)
        served = facts["model"] if facts else folder.name
        alignment = _alignment(facts, folder) if facts else None
        self._client = serving.connect(address, model=served)
        try:
            size = _served_size(address, self._client.metadata())
            if alignment and size != alignment.image_size:
                raise DataError(
                    f"{address} serves a model for {size} px faces, {folder} is for "
                    f"{alignment.image_size} px: give the --model that is served there"
                )
        except DataError:
            self.close()
            raise
        super().__init__(f"{served} at {address}", facts, alignment or Alignment(size))

    def close(self):
        self._client.close()

    def _call(self, inputs, signature):
        return self._client.predict(inputs, signature)


_AGAIN = "export the model again with python -m me_keras.export"


def _served_size(address, metadata):
    try:
        return int(metadata["signatures"][SIGNATURE]["inputs"]["onset"]["shape"][1])
    except (KeyError, TypeError, IndexError):
        raise DataError(
            f"{address}: the model there has no signature {SIGNATURE!r} of a fixed size; {_AGAIN}"
        ) from None


def _alignment(contract, folder):
    """The alignment of the contract, if the code here still aligns like that."""
    from pipelines.faces import align

    told = contract["alignment"]
    ours = {"eye_distance": align.EYE_DISTANCE, "eye_level": align.EYE_LEVEL}
    for name, value in ours.items():
        if abs(told.get(name, value) - value) > 1e-9:
            raise DataError(
                f"{folder}: made for faces with {name} {told[name]}, this version aligns them to "
                f"{value}; {_AGAIN}"
            )
    return Alignment(contract["image_size"], told["margin"], told.get("rigid", True))


def _load(folder):
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(folder))
    except Exception as error:  # many kinds, from protobuf's to TensorFlow's own
        raise DataError(
            f"{folder}: cannot be loaded as a SavedModel ({_first_line(error)}); {_AGAIN}"
        ) from None


def _first_line(error):
    return next(iter(str(error).strip().splitlines()), "no reason given")


def _text(value):
    return value.decode() if isinstance(value, bytes) else str(value)
