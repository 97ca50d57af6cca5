"""python -m benchmarks.training: training speed, beside the machine's speed in the same run."""

import argparse
import json
import sys
import time

import numpy as np

from me_keras import console
from me_keras.config import LosoConfig, with_presets
from pipelines.schema import MIRRORED_REGIONS

STEPS = 30  # of a repetition


def main(argv=None):
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="the median of so many is printed")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    arguments = parser.parse_args(argv)
    console.quiet_tensorflow()
    return console.guarded(measure, arguments)


def measure(arguments):
    """Prints pairs a second, floating-point rate and sgemm rate, measured in turns."""
    import tensorflow as tf

    from me_keras.training import Trainer, make_deterministic

    make_deterministic()
    config = with_presets(LosoConfig(epochs=1, warmup_epochs=1), "frames")
    trainer = Trainer(config, config.image_size, 3, 0, STEPS, MIRRORED_REGIONS)
    trainer.reset(0)
    batch = _batch(config)
    dataset = tf.data.Dataset.from_tensors(batch).repeat()
    matrix = tf.random.stateless_normal((2048, 2048), (0, 0))
    product = tf.function(lambda: tf.matmul(matrix, matrix))
    work = {
        "warm-up": (lambda: trainer.warm_up(dataset), STEPS * config.batch_size),
        "joint training": (lambda: trainer.fit(dataset), STEPS * config.batch_size),
        "prediction": (lambda: trainer._predict_step(batch[0]), config.batch_size),
        "sgemm 2048": (lambda: [product() for _ in range(20)][-1].numpy(), 20 * 2 * 2048**3 / 1e9),
    }
    rates = {name: [] for name in work}
    for function, _ in work.values():
        function()  # trace
    for _ in range(arguments.repeats):
        for name, (function, amount) in work.items():
            start = time.perf_counter()
            function()
            rates[name].append(amount / (time.perf_counter() - start))
    median = {name: float(np.median(values)) for name, values in rates.items()}
    flops = _conv_and_dense_flops(trainer.model)
    share = 3 * flops * median["joint training"] / 1e9 / median["sgemm 2048"]
    for name in ("warm-up", "joint training", "prediction"):
        print(f"{name:<16}{median[name]:>8.0f} pairs/s")
    print(f"{'sgemm 2048':<16}{median['sgemm 2048']:>8.0f} GFLOP/s")
    print(
        f"convolutions and matrix products of a pair: {flops / 1e6:.0f} MFLOP forward; joint "
        f"training runs them at {share:.0%} of the sgemm rate"
    )
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"per_second": median, "mflop_forward": flops / 1e6, "share": share}, file)


def _batch(config):
    rng = np.random.default_rng(0)
    shape = (config.batch_size, config.image_size, config.image_size, 1)
    inputs = {
        "onset": rng.random(shape, np.float32),
        "apex": rng.random(shape, np.float32),
        "regions": np.tile(np.float32([0.2, 0.2, 0.5, 0.6]), (config.batch_size, 9, 1)),
    }
    return inputs, {"label": np.arange(config.batch_size, dtype=np.int32) % 3}


def _conv_and_dense_flops(model):
    """Forward floating-point operations of one pair in convolutions and matrix products."""
    import tensorflow as tf
    from tensorflow.python.profiler import model_analyzer, option_builder

    specs = {n: tf.TensorSpec((1, *t.shape[1:]), t.dtype) for n, t in model.input.items()}
    graph = tf.function(lambda x: model(x)["logits"]).get_concrete_function(specs).graph
    options = option_builder.ProfileOptionBuilder.float_operation()
    options = option_builder.ProfileOptionBuilder(options).with_empty_output().build()
    found = model_analyzer.profile(graph, options=options)
    return found.total_float_ops


if __name__ == "__main__":
    sys.exit(main())
