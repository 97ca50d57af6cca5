"""Training speed, beside the machine's matrix products in the same run.

Pairs a second of the joint step (displacement generator, fusions, losses, AdamW, averaged weights)
and of the warm-up, on a batch that is already there. The share of the sgemm rate takes the
floating-point operations of a training step as three times the forward convolutions and matrix
products (forward, gradient to inputs, gradient to weights), counted in the graph; fixed filters,
the warp and all that is elementwise is work that counts nothing.
"""

import sys

from benchmarks import flops, report, setting
from benchmarks.measure import BenchConfig, in_turns, sgemm
from me_keras import console
from pipelines import cli

STEPS = 10  # of a call
PRODUCTS = 10  # of a call


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(BenchConfig, argv, "python -m benchmarks.training", __doc__)
    console.quiet_tensorflow()
    return console.guarded(measure, config)


def measure(config):
    """Measures and prints the figures."""
    import tensorflow as tf

    options = setting.one_epoch(setting.loso_config(config))
    steps = 2 if config.quick else STEPS
    trainer = setting.trainer(options, steps)
    batches = tf.data.Dataset.from_tensors(setting.batch(options)).repeat()
    inputs = next(iter(batches))[0]
    product, giga = sgemm(64) if config.quick else sgemm()
    work = {
        "joint": lambda: trainer.fit(batches),
        "warm-up": lambda: trainer.warm_up(batches),
        "prediction": lambda: trainer._predict_step(inputs)["probabilities"].numpy(),
        "sgemm": lambda: [product() for _ in range(PRODUCTS)],
    }
    seconds = in_turns(work, config.repeats, config.least)
    rate = PRODUCTS * giga / seconds["sgemm"]  # GFLOP/s
    joint = steps * options.batch_size / seconds["joint"]  # pairs/s
    warm_up = steps * options.batch_size / seconds["warm-up"]
    predicted = options.batch_size / seconds["prediction"]
    whole, generator = (
        flops.forward(model, output) / 1e9
        for model, output in ((trainer.model, "logits"), (trainer.generator, "half"))
    )
    figures = [
        report.figure("joint step", 3 * whole * joint, "sgemm", rate, "GFLOP/s", "ratio >= 0.6"),
        report.figure("warm-up step", 3 * generator * warm_up, "sgemm", rate, "GFLOP/s"),
        report.figure("joint step", joint, "prediction", predicted, "pairs/s", "value >= 400"),
        report.figure("warm-up step", warm_up, "joint step", joint, "pairs/s"),
    ]
    executed = flops.forward(trainer.model, fixed=True) / 1e9
    notes = {
        "GFLOP of a pair, forward": f"{whole:.4f}, {generator:.4f} of them the generator's; "
        f"{executed:.4f} with its fixed filters, which are not counted",
        "batch": f"{options.batch_size} pairs of {options.image_size} px",
        "precision": f"{setting.precision(options)} in training; sgemm is float32",
        "prediction": "with the mirrored face" if options.mirror_test else "once",
    }
    report.finish(config, figures, notes)


if __name__ == "__main__":
    sys.exit(main())
