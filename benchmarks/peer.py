"""Training and prediction beside the same model in PyTorch, in one process, in turns.

Same sizes, weights, losses, optimizer and numbers of threads. PyTorch runs as it is (eager), and if
asked also through torch.compile. Without torch there is nothing to measure.
"""

import dataclasses
import functools
import importlib.util
import sys
from typing import NamedTuple

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchOptions, in_turns
from pipelines.cli import option
from pipelines.parallel import cores

STEPS = 10  # training steps of a call
SIZES = {"prediction, one pair": 1, "prediction, batch of 32": 32}


@dataclasses.dataclass(frozen=True)
class PeerOptions:
    """How PyTorch runs."""

    bench: BenchOptions = BenchOptions()
    torch_compile: bool = option(
        False, "also through torch.compile: needs a C++ compiler, and minutes before it measures"
    )


class Kind(NamedTuple):
    """A way in which PyTorch runs the model."""

    compiled: bool
    bfloat16: bool

    @property
    def name(self):
        """As in the table: "PyTorch, bfloat16, compiled"."""
        words = ["PyTorch"] + ["bfloat16"] * self.bfloat16 + ["compiled"] * self.compiled
        return ", ".join(words)


def missing_torch():
    """A line that says what to do where torch is not installed; otherwise None."""
    if importlib.util.find_spec("torch"):
        return None
    return "skipped, torch is not installed: python -m pip install torch"


def measure(options):
    """Measures both, or says why not."""
    skipped = missing_torch()
    if skipped:
        return report.Result(notes={"PyTorch": skipped})
    bench, chosen = options.bench, setting.options_of(options.bench, epochs=1, warmup_epochs=1)
    steps = 2 if bench.quick else STEPS
    trainer, predictor = setting.trainer(chosen, steps), setting.predictor(chosen)
    import torch

    torch.set_num_threads(cores())  # as many as TensorFlow takes
    precision = chosen.training.mixed_precision
    figures = []
    sides = kinds(False, options.torch_compile)
    seconds = in_turns(predictions(chosen, predictor, sides), bench.rounds, bench.least)
    for name, aim in zip(SIZES, ("", "ratio >= 1.5")):
        figures += _beside(seconds, name, SIZES[name], sides, aim)
    sides = kinds(precision == "bfloat16", options.torch_compile)
    seconds = in_turns(training(chosen, trainer, sides, steps), bench.rounds, bench.least)
    figures += _beside(seconds, "train", steps * chosen.data.batch_size, sides, "ratio >= 1.2")
    notes = {
        "PyTorch": f"{torch.__version__}, {cores()} threads, float32 where not said",
        "ours": f"mixed precision {precision} in training, predicts in float32",
        "parameters of both": trainer.model.count_params(),
        "batch": f"{chosen.data.batch_size} pairs in training",
    }
    return report.Result(figures, notes)


def kinds(bfloat16, compiled):
    """The ways in which PyTorch runs: in our model's precision, and in float32 if that differs."""
    found = [Kind(False, lower) for lower in sorted({bfloat16, False}, reverse=True)]
    return found + [Kind(True, bfloat16)] * compiled


def _beside(seconds, name, pairs, sides, aim):
    """The rates of a task, ours beside each kind of PyTorch."""
    ours = pairs / seconds[f"{name}, ours"]
    theirs = {kind.name: pairs / seconds[f"{name}, {kind.name}"] for kind in sides}
    return [report.figure(name, ours, kind, theirs[kind], "pairs/s", aim) for kind in theirs]


def peer_of(options, model):
    """The PyTorch model of the same sizes and weights as the Keras `model`."""
    import torch

    from benchmarks.torch_peer.model import FrlDgt
    from benchmarks.torch_peer.weights import copy_from_keras

    classes = model.output["logits"].shape[-1]
    size = options.data.preparation.image_size
    detach = options.training.dgm != "joint"
    peer = FrlDgt(options.model, size, classes, detach_motion=detach)
    copy_from_keras(peer, model)
    return peer.to(memory_format=torch.channels_last)


def as_tensors(inputs):
    """Frames channels first, and all else, as PyTorch tensors."""
    import torch

    def tensor(value):
        value = value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
        value = torch.from_numpy(np.ascontiguousarray(value))
        return value.long() if value.dtype == torch.int32 else value

    return {name: tensor(value) for name, value in inputs.items()}


def predictions(options, model, sides):
    """Functions that predict one pair and a batch, of each side: "prediction, one pair, ours" …"""
    import tensorflow as tf
    import torch

    from benchmarks.torch_peer.training import precision

    recognise = setting.recogniser(model)
    calls = {}
    for name, size in SIZES.items():
        arrays = setting.batch(options, size)[0]
        ours = [tf.constant(arrays[key]) for key in ("onset", "apex", "regions")]
        theirs = [as_tensors(arrays)[key] for key in ("onset", "apex", "regions")]
        calls[f"{name}, ours"] = lambda ours=ours: recognise(*ours).numpy()
        for kind in sides:
            peer = peer_of(options, model).eval()
            call = torch.compile(peer, dynamic=False) if kind.compiled else peer

            def predict(call=call, theirs=theirs, bfloat16=kind.bfloat16):
                with torch.inference_mode(), precision(bfloat16):
                    return torch.softmax(call(*theirs)[0], dim=-1).numpy()

            calls[f"{name}, {kind.name}"] = predict
    return calls


def training(options, trainer, sides, steps):
    """Functions that train so many steps on one batch, of each side: "train, ours" …"""
    from benchmarks.torch_peer.training import Training

    inputs, labels = setting.batch(options)
    batches, tensors = setting.batches(options), as_tensors({**inputs, **labels})
    calls = {"train, ours": lambda: trainer.fit(batches)}
    for kind in sides:
        peer = peer_of(options, trainer.model)
        trained = Training(peer, options.training, steps, *kind)
        calls[f"train, {kind.name}"] = functools.partial(trained.run, tensors, steps)
    return calls


main = functools.partial(report.command, measure, PeerOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
