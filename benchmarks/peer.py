"""Training and prediction beside the same model in PyTorch, in one process, in turns.

Same sizes, losses, optimizer and cores; tests show that with equal weights both predict and learn
alike. PyTorch runs as it is (eager, an operation on all cores), and if asked also through
torch.compile. Without torch there is nothing to measure.
"""

import dataclasses
import functools
import importlib.util
import sys

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchOptions, in_turns
from pipelines.cli import option
from pipelines.parallel import cores
from pipelines.schema import CLASSES

STEPS = 10  # training steps of a call
SIZES = {"prediction, one pair": 1, "prediction, batch of 32": 32}


@dataclasses.dataclass(frozen=True)
class PeerOptions:
    """How PyTorch runs."""

    bench: BenchOptions = BenchOptions()
    torch_compile: bool = option(
        False, "also through torch.compile: needs a C++ compiler, and minutes before it measures"
    )


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
    import torch

    torch.set_num_threads(cores())  # its default, and its best
    bench, chosen = options.bench, setting.options_of(options.bench, epochs=1, warmup_epochs=1)
    steps = 2 if bench.quick else STEPS
    trainer, predictor = setting.trainer(chosen, steps), setting.predictor(chosen)
    precision, size = chosen.training.mixed_precision, chosen.data.batch_size
    ways = [(compiled, False) for compiled in (False, True)[: 1 + options.torch_compile]]
    calls = predictions(chosen, predictor, ways)
    seconds = in_turns(calls, bench.rounds, bench.least)
    figures = []
    for name, aim in zip(SIZES, ("", "ratio >= 1.5")):
        figures += _beside(seconds, name, SIZES[name], ways, aim)
    if precision == "bfloat16":
        ways = [(compiled, True) for compiled, _ in ways] + [(False, False)]
    seconds = in_turns(training(chosen, trainer, ways, steps), bench.rounds, bench.least)
    figures += _beside(seconds, "train", steps * size, ways, "ratio >= 1.2")
    notes = {
        "PyTorch": f"{torch.__version__}, {cores()} threads, float32 where not said",
        "ours": f"mixed precision {precision} in training, predicts in float32",
        "parameters": f"{sum(int(np.prod(w.shape)) for w in trainer.model.trainable_weights)}, "
        f"PyTorch {sum(p.numel() for p in peer_of(chosen).parameters())}",
        "batch": f"{size} pairs in training",
    }
    return report.Result(figures, notes)


def _name(compiled, bfloat16):
    return "PyTorch" + ", bfloat16" * bfloat16 + ", compiled" * compiled


def _beside(seconds, name, pairs, ways, aim):
    """The rates of a task, ours beside each way of running PyTorch."""
    ours = pairs / seconds[f"{name}, ours"]
    theirs = {_name(*way): pairs / seconds[f"{name}, {_name(*way)}"] for way in ways}
    return [report.figure(name, ours, way, theirs[way], "pairs/s", aim) for way in theirs]


def peer_of(options):
    """The PyTorch model of the same sizes, at weights of its own."""
    import torch

    from benchmarks.torch_peer.model import FrlDgt

    torch.manual_seed(0)
    size, detach = options.data.preparation.image_size, options.training.dgm != "joint"
    peer = FrlDgt(options.model, size, len(CLASSES), detach_motion=detach)
    return peer.to(memory_format=torch.channels_last)


def as_tensors(inputs):
    """Frames channels first, and all else, as PyTorch tensors."""
    import torch

    def tensor(value):
        value = value.transpose(0, 3, 1, 2) if value.ndim == 4 else value
        value = torch.from_numpy(np.ascontiguousarray(value))
        return value.long() if value.dtype == torch.int32 else value

    return {name: tensor(value) for name, value in inputs.items()}


def predictions(options, model, ways):
    """Functions that predict one pair and a batch, of each side: "prediction, one pair, ours" …"""
    import tensorflow as tf
    import torch

    recognise, peer = setting.recogniser(model), peer_of(options).eval()
    calls = {}
    for name, size in SIZES.items():
        arrays = setting.batch(options, size)[0]
        ours = [tf.constant(arrays[key]) for key in ("onset", "apex", "regions")]
        theirs = [as_tensors(arrays)[key] for key in ("onset", "apex", "regions")]
        calls[f"{name}, ours"] = lambda ours=ours: recognise(*ours).numpy()
        for way in ways:
            call = torch.compile(peer, dynamic=False) if way[0] else peer

            def predict(call=call, theirs=theirs):
                with torch.inference_mode():
                    return torch.softmax(call(*theirs)[0], dim=-1).numpy()

            calls[f"{name}, {_name(*way)}"] = predict
    return calls


def training(options, trainer, ways, steps):
    """Functions that train so many steps on one batch, of each side: "train, ours" …"""
    from benchmarks.torch_peer.training import Training

    inputs, labels = setting.batch(options)
    batches, tensors = setting.batches(options), as_tensors({**inputs, **labels})
    calls = {"train, ours": lambda: trainer.fit(batches)}
    for way in ways:
        trained = Training(peer_of(options), options.training, steps, *way)
        calls[f"train, {_name(*way)}"] = functools.partial(trained.run, tensors, steps)
    return calls


main = report.command(measure, PeerOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
