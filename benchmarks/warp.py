"""The backward warp, forward and with its gradient, beside OpenCV's and PyTorch's.

A batch of single-channel images is warped by displacements in pixels. `cv2.remap` takes one image
at a time and has no gradient; each side adds the pixel grid itself.
"""

import sys

import numpy as np

from benchmarks import report
from benchmarks.measure import BenchConfig, in_turns
from benchmarks.peer import missing_torch
from me_keras import console
from pipelines import cli

SHAPE = (32, 128, 128)  # batch, height, width: the default batch at full resolution


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(BenchConfig, argv, "python -m benchmarks.warp", __doc__)
    console.quiet_tensorflow()
    return console.guarded(measure, config)


def measure(config):
    """Measures and prints the figures."""
    batch, height, width = (4, 16, 16) if config.quick else SHAPE
    rng = np.random.default_rng(0)
    image = rng.random((batch, height, width, 1), np.float32)
    displacement = rng.normal(0, 1, (batch, height, width, 2)).astype(np.float32)
    without_torch = missing_torch()
    work = {**ours(image, displacement), "cv2.remap": opencv(image, displacement)}
    if not without_torch:
        work |= torch(image, displacement)
    results = {name: call() for name, call in work.items()}
    seconds = in_turns(work, config.repeats, config.least)
    milliseconds = {name: 1e3 * values for name, values in seconds.items()}
    figures = [_figure("warp", "cv2.remap", milliseconds)]
    if not without_torch:
        figures.append(_figure("warp", "grid_sample", milliseconds))
        figures.append(_figure("warp with gradient", "grid_sample with gradient", milliseconds))
    figures.append(_figure("warp with gradient", "warp", milliseconds))
    apart = np.abs(results["warp"] - results["cv2.remap"]).max()
    notes = {
        "batch": f"{batch} images of {width} x {height} px",
        "largest difference to cv2.remap": f"{apart:.4f} of a range of 1: it rounds to 1/32 px",
    }
    if without_torch:
        notes["grid_sample"] = without_torch
    report.finish(config, figures, notes)


def _figure(name, against, milliseconds):
    return report.figure(name, milliseconds[name], against, milliseconds[against], "ms")


def ours(image, displacement):
    """Functions that warp with `me_keras.layers.warp.dense_warp`, without and with gradient."""
    import tensorflow as tf

    from me_keras.layers.warp import dense_warp

    image, displacement = tf.constant(image), tf.constant(displacement)

    @tf.function
    def forward(image, displacement):
        return dense_warp(image, displacement)  # (b, h, w, 1)

    @tf.function
    def gradient(image, displacement):
        with tf.GradientTape() as tape:
            tape.watch((image, displacement))
            total = tf.reduce_sum(dense_warp(image, displacement))
        return tape.gradient(total, (image, displacement))  # (b, h, w, 1), (b, h, w, 2)

    return {
        "warp": lambda: forward(image, displacement).numpy(),
        "warp with gradient": lambda: gradient(image, displacement)[1].numpy(),
    }


def opencv(image, displacement):
    """A function that warps with `cv2.remap`, image by image."""
    import cv2

    height, width = image.shape[1:3]
    rows, columns = np.mgrid[:height, :width].astype(np.float32)

    def forward():
        warped = np.empty_like(image)
        for source, field, target in zip(image, displacement, warped):
            x, y = columns + field[..., 0], rows + field[..., 1]
            target[..., 0] = cv2.remap(
                source, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
        return warped

    return forward


def torch(image, displacement):
    """Functions that warp with `torch.nn.functional.grid_sample`, without and with gradient."""
    from torch import from_numpy

    from benchmarks.torch_peer.motion import dense_warp

    image, displacement = (
        from_numpy(np.ascontiguousarray(field.transpose(0, 3, 1, 2)))
        for field in (image, displacement)
    )
    leaves = [field.clone().requires_grad_() for field in (image, displacement)]

    def gradient():
        for leaf in leaves:
            leaf.grad = None
        dense_warp(*leaves).sum().backward()

    return {
        "grid_sample": lambda: dense_warp(image, displacement),
        "grid_sample with gradient": gradient,
    }


if __name__ == "__main__":
    sys.exit(main())
