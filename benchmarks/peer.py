"""Training and answering beside the same model in PyTorch, in one process, in turns.

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
from benchmarks.measure import BenchConfig, in_turns, usable_cores
from me_keras import console
from pipelines import cli
from pipelines.cli import option

STEPS = 10  # training steps of a call
BATCH = 32  # of the batched answer


@dataclasses.dataclass(frozen=True)
class PeerConfig(BenchConfig):
    """How PyTorch runs."""

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


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(PeerConfig, argv, "python -m benchmarks.peer", __doc__)
    console.quiet_tensorflow()
    return console.guarded(measure, config)


def missing_torch():
    """A line that says what to do where torch is not installed; otherwise None."""
    if importlib.util.find_spec("torch"):
        return None
    return "skipped, torch is not installed: python -m pip install torch"


def measure(config):
    """Measures and prints the figures, or says why not."""
    skipped = missing_torch()
    if skipped:
        return report.finish(config, [], {"PyTorch": skipped})
    options = setting.one_epoch(setting.loso_config(config))
    steps = 2 if config.quick else STEPS
    trainer, predictor = setting.trainer(options, steps), setting.predictor(options)
    import torch

    torch.set_num_threads(usable_cores())  # as many as TensorFlow takes
    figures = []
    sides = kinds(config, "float32")
    seconds = in_turns(answering(options, predictor, sides), config.repeats, config.least)
    for name, count, aim in (("one pair", 1, ""), ("batch", BATCH, "ratio >= 1.5")):
        figures += _beside(seconds, name, count, sides, aim)
    sides = kinds(config, setting.precision(options))
    seconds = in_turns(training(options, trainer, sides, steps), config.repeats, config.least)
    figures += _beside(seconds, "train", steps * options.batch_size, sides, "ratio >= 1.2")
    notes = {
        "PyTorch": f"{torch.__version__}, {usable_cores()} threads, float32 where not said",
        "ours": f"trains in {setting.precision(options)}, answers in float32",
        "parameters of both": sum(int(np.prod(w.shape)) for w in trainer.model.trainable_weights),
        "batch": f"{options.batch_size} pairs of {options.image_size} px in training",
    }
    report.finish(config, figures, notes)


def kinds(config, precision):
    """The ways in which PyTorch runs: in our model's precision, and in float32 if that differs."""
    bfloat16 = precision == "bfloat16"
    found = [Kind(False, lower) for lower in sorted({bfloat16, False}, reverse=True)]
    if config.torch_compile:
        found.append(Kind(True, bfloat16))
    return found


def _beside(seconds, name, pairs, sides, aim):
    """The rates of a task, ours beside each kind of PyTorch."""
    title = {"one pair": "answer, one pair", "batch": f"answer, batch of {BATCH}"}.get(name, name)
    ours = pairs / seconds[f"{name}, ours"]
    theirs = {kind.name: pairs / seconds[f"{name}, {kind.name}"] for kind in sides}
    return [report.figure(title, ours, kind, theirs[kind], "pairs/s", aim) for kind in theirs]


def peer_of(options, model):
    """The PyTorch model of the same sizes and weights as the Keras `model`."""
    import torch

    from benchmarks.torch_peer.model import FrlDgt
    from benchmarks.torch_peer.weights import copy_from_keras

    classes = model.output["logits"].shape[-1]
    detach = options.dgm != "joint"
    peer = FrlDgt(options, options.image_size, classes, detach_motion=detach)
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


def answering(options, model, sides):
    """Functions that answer one pair and a batch, of each side: "one pair, ours" …"""
    import tensorflow as tf
    import torch

    from benchmarks.torch_peer.training import precision

    recognise = setting.recogniser(model)
    work = {}
    for name, size in (("one pair", 1), ("batch", BATCH)):
        arrays = setting.batch(options, size)[0]
        ours = [tf.constant(arrays[key]) for key in ("onset", "apex", "regions")]
        theirs = [as_tensors(arrays)[key] for key in ("onset", "apex", "regions")]
        work[f"{name}, ours"] = lambda ours=ours: recognise(*ours).numpy()
        for kind in sides:
            peer = peer_of(options, model).eval()
            call = torch.compile(peer, dynamic=False) if kind.compiled else peer

            def answer(call=call, theirs=theirs, bfloat16=kind.bfloat16):
                with torch.inference_mode(), precision(bfloat16):
                    return torch.softmax(call(*theirs)[0], dim=-1).numpy()

            work[f"{name}, {kind.name}"] = answer
    return work


def training(options, trainer, sides, steps):
    """Functions that train so many steps on one batch, of each side: "train, ours" …"""
    import tensorflow as tf

    from benchmarks.torch_peer.training import Training

    inputs, labels = setting.batch(options)
    batches = tf.data.Dataset.from_tensors((inputs, labels)).repeat()
    tensors = as_tensors({**inputs, **labels})
    work = {"train, ours": lambda: trainer.fit(batches)}
    for kind in sides:
        made = Training(peer_of(options, trainer.model), options, steps, *kind)
        work[f"train, {kind.name}"] = functools.partial(made.run, tensors, steps)
    return work


if __name__ == "__main__":
    sys.exit(main())
