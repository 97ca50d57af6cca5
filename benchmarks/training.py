"""Training speed, beside matrix products in the same run.

Pairs a second of the joint step (displacement generator, fusions, losses, AdamW, averaged weights)
and of the warm-up, on a batch that is already there. The share of the sgemm rate takes the
floating-point operations of a training step as three times the forward convolutions and matrix
products (forward, gradient to inputs, gradient to weights), counted in the graph; fixed filters,
the warp and all that is elementwise is work that counts nothing.
"""

import sys

import numpy as np

from benchmarks import flops, report, setting
from benchmarks.measure import BenchOptions, in_turns, sgemm

STEPS = 10  # of a call
PRODUCTS = 10  # of a call
PREDICTED = 4  # batches of a call


def measure(bench):
    """Measures the joint step, the warm-up and the prediction."""
    import tensorflow as tf

    options = setting.options_of(bench, epochs=1, warmup_epochs=1)
    size = options.data.batch_size
    steps = 2 if bench.quick else STEPS
    trainer, batches = setting.trainer(options, steps), setting.batches(options)
    rows = {"row": np.arange(size, dtype=np.int32)}
    clips = tf.data.Dataset.from_tensors((setting.batch(options)[0], rows)).repeat(PREDICTED)
    product, giga = sgemm(64) if bench.quick else sgemm()
    calls = {
        "joint": lambda: trainer.fit(batches),
        "warm-up": lambda: trainer.warm_up(batches),
        "prediction": lambda: trainer.predict(clips),
        "sgemm": lambda: [product() for _ in range(PRODUCTS)],
    }
    seconds = in_turns(calls, bench.rounds, bench.least)
    rate = PRODUCTS * giga / seconds["sgemm"]  # GFLOP/s
    joint = steps * size / seconds["joint"]  # pairs/s
    warm_up = steps * size / seconds["warm-up"]
    predicted = PREDICTED * size / seconds["prediction"]
    whole = flops.forward(trainer.model, "logits") / 1e9
    generator = flops.forward(trainer.generator, "half") / 1e9
    executed = flops.forward(trainer.model, fixed=True) / 1e9
    return report.Result(
        [
            report.figure(
                "joint step", 3 * whole * joint, "sgemm", rate, "GFLOP/s", "ratio >= 0.6"
            ),
            report.figure("warm-up step", 3 * generator * warm_up, "sgemm", rate, "GFLOP/s"),
            report.figure("joint step", joint, "prediction", predicted, "pairs/s", "value >= 400"),
            report.figure("warm-up step", warm_up, "joint step", joint, "pairs/s"),
        ],
        {
            "GFLOP of a pair, forward": f"{whole:.4f}, {generator:.4f} of them the generator's; "
            f"{executed:.4f} with its fixed filters, which are not counted",
            "batch": f"{size} pairs of {options.data.preparation.image_size} px",
            "precision": f"{options.training.mixed_precision} (off: float32) in training; sgemm is "
            "float32",
            "prediction": "with the mirrored face" if options.training.mirror_test else "once",
        },
    )


main = report.command(measure, BenchOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
