"""The model that answers: a SavedModel on disk, or one that TensorFlow Serving serves."""

from __future__ import annotations

import abc
import pathlib
import threading

import numpy as np

from me_keras.exporting import contract as contracts
from me_keras.exporting import versions
from me_keras.exporting.contract import REMEDY
from me_keras.prediction.alignment import Alignment
from me_keras.prediction.result import OUTPUTS
from pipelines import silence
from pipelines.progress import say
from pipelines.schema import REGIONS, DataError

BATCH, SERVED_BATCH = 16, 4  # pairs asked about at once, here and over the network
FRAMES, REGIONAL = "displacement", "serving_regions"  # the signatures that say most
FIGURES = set(OUTPUTS.values())  # the signature of frames tells them besides


class Model(abc.ABC):
    """What both kinds of model share: a contract, and `ask` in batches. Safe in several threads.

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
        """Answers about pairs, as `alignment.model_inputs` makes them.

        Returns:
            dict of `probabilities` (b, k), `attention` (b, 9), `displacement` (b, S, S, 2) px and
            the figures of `motion_figures` (b,), float32.
        Raises:
            DataError: the model refuses, or cannot be reached.
        """
        estimates = "displacement" not in inputs  # the model does, by itself
        parts = self._in_batches(inputs, FRAMES if estimates else REGIONAL)
        if not self.classes:
            one = self._call({n: inputs[n][:1] for n in _names(inputs)}, REGIONAL)
            self.classes = tuple(map(str, one["classes"][0]))
        wanted = [name for name in parts[0] if name not in ("classes", "predicted", "magnitude")]
        answers = {name: np.concatenate([part[name] for part in parts]) for name in wanted}
        return answers if estimates else {**answers, **_figures(inputs)}

    def probabilities(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Those of `ask` alone, (b, k) float32: over a network much less to send."""
        parts = self._in_batches(inputs, REGIONAL)
        return np.concatenate([part["probabilities"] for part in parts])

    def _in_batches(self, inputs, signature):
        """The answers of a signature, a dict of arrays for each batch of inputs."""
        starts = range(0, len(inputs["regions"]), self.batch)
        batches = (slice(start, start + self.batch) for start in starts)
        names = _names(inputs)
        return [self._call({n: inputs[n][batch] for n in names}, signature) for batch in batches]

    @abc.abstractmethod
    def close(self):
        """Lets go of the model or the connection."""

    @abc.abstractmethod
    def _call(self, inputs, signature):
        """The answer of one signature, dict of arrays; raises DataError."""


def _names(inputs):
    """Names of the inputs that the model takes, of those that `alignment.model_inputs` makes."""
    return ("motion", "regions") if "motion" in inputs else ("onset", "apex", "regions")


def open_model(path="saved_models/frl_dgt", server: str | None = None) -> Model:
    """The model to ask.

    Args:
        path: folder of an exported model, or one of its versions. With `server`, its contract says
            how faces are aligned; where there is none, the server's own shapes do.
        server: "grpc://host:8500" or "http://host:8501"; None runs the model here.
    Raises:
        DataError: no such model, not for frames, or the server does not answer.
    """
    return ServedModel(server, path) if server else LocalModel(path)


class LocalModel(Model):
    """The newest version under a folder, run by TensorFlow in this process.

    TensorFlow and the model are loaded when it is first asked, which is then said.
    """

    def __init__(self, path):
        folder = versions.newest_version(path)
        facts = contracts.read_contract(folder)
        super().__init__(str(folder), facts, _alignment(facts, folder))
        self._loaded = None
        self._lock = threading.Lock()

    def load(self):
        """The SavedModel, loaded once; DataError if it is broken."""
        with self._lock:
            if self._loaded is None:
                say(f"loading TensorFlow and {self.name}")
                import tensorflow as tf

                try:
                    self._loaded = tf.saved_model.load(self.name)
                except Exception as error:  # many kinds, from protobuf's to TensorFlow's own
                    reason = _first_line(error)
                    raise DataError(
                        f"{self.name}: cannot be loaded as a SavedModel ({reason}); {REMEDY}"
                    ) from None
            return self._loaded

    def close(self):
        self._loaded = None

    def _call(self, inputs, signature):
        import tensorflow as tf

        loaded = self.load()
        tensors = {name: tf.constant(values) for name, values in inputs.items()}
        try:
            with silence.without_stderr():
                outputs = loaded.signatures[signature](**tensors)
        except tf.errors.OpError as error:
            raise DataError(f"{self.name}: {_first_line(error.message)}") from None
        return {name: values.numpy() for name, values in outputs.items()}


class ServedModel(Model):
    """A model behind TensorFlow Serving, asked over gRPC or REST; needs no TensorFlow here."""

    batch = SERVED_BATCH  # as JSON a displacement is 0.6 MB

    def __init__(self, address, path):
        from me_keras import serving

        facts, folder = None, pathlib.Path(path)
        if folder.is_dir():
            folder = versions.newest_version(path)
            facts = contracts.read_contract(folder)
        served = facts["model"] if facts else folder.name
        alignment = _alignment(facts, folder) if facts else None
        self._client = serving.connect(address, model=served)
        try:
            size = _served_size(address, self._client.metadata(), alignment or Alignment())
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


def _served_size(address, metadata, alignment):
    """Side of the faces that the model at `address` is given; DataError if it is none of ours."""
    estimates = alignment.motion == "dgm"
    signature = FRAMES if estimates else REGIONAL
    name = "onset" if alignment.motion in ("dgm", "frames") else "motion"
    try:
        found = metadata["signatures"][signature]
        size = int(found["inputs"][name]["shape"][1])
    except (KeyError, TypeError, IndexError):
        raise DataError(
            f"{address}: the model there has no signature {signature!r} of {name} of a fixed size; "
            f"give its --model, or {REMEDY}"
        ) from None
    if estimates and not FIGURES <= set(found["outputs"]):
        raise DataError(f"{address}: the model there is of an older version; {REMEDY}")
    return size


def _alignment(contract, folder):
    """The alignment of the contract, if frames can be aligned like that here."""
    from pipelines import flow
    from pipelines.faces import align

    told, motion = contract["alignment"], contract["motion"]["source"]
    if told is None or motion not in ("dgm", "frames", *flow.MOTIONS):
        raise DataError(
            f"{folder}: this model is given images of motion as its database publishes them "
            f"(--motion {motion}), which frames cannot give; ask it with its signatures, or export "
            "a run on a database of frames"
        )
    ours = {"eye_distance": align.EYE_DISTANCE, "eye_level": align.EYE_LEVEL}
    for name, value in ours.items():
        if abs(told.get(name, value) - value) > 1e-9:
            raise DataError(
                f"{folder}: made for faces with {name} {told[name]}, this version aligns them to "
                f"{value}; {REMEDY}"
            )
    return Alignment(contract["image_size"], told["margin"], told.get("rigid", True), motion)


def _figures(inputs):
    """Displacement by optical flow and what it explains, for a model that estimates none."""
    from me_keras.layers.warp import dense_warp
    from me_keras.motion_figures import motion_figures

    displacement = inputs["displacement"]
    warped = dense_warp(inputs["apex"], displacement)
    figures = motion_figures(inputs["onset"], inputs["apex"], warped, displacement)
    return {"displacement": displacement, **{name: v.numpy() for name, v in figures.items()}}


def _first_line(error):
    return next(iter(str(error).strip().splitlines()), "no reason given")
