"""The backward warp, forward and with its gradient, beside OpenCV's, PyTorch's and, on the design
stack, that of tensorflow-addons, which it replaced.

A batch of single-channel images is warped by displacements in pixels. `cv2.remap` takes one image
at a time and has no gradient; each side adds the pixel grid itself.
"""

import sys
import warnings

import numpy as np

from benchmarks import report
from benchmarks.measure import BenchOptions, in_turns
from benchmarks.peer import missing_torch

SHAPE = (32, 128, 128)  # batch, height, width: the default batch at full resolution


def measure(bench):
    """Measures the warps."""
    batch, height, width = (4, 16, 16) if bench.quick else SHAPE
    rng = np.random.default_rng(0)
    image = rng.random((batch, height, width, 1), np.float32)
    displacement = rng.normal(0, 1, (batch, height, width, 2)).astype(np.float32)
    skipped = missing_torch()
    calls = {**ours(image, displacement), "cv2.remap": opencv(image, displacement)}
    addons = tensorflow_addons(image, displacement)
    calls |= addons
    calls |= {} if skipped else torch(image, displacement)
    apart = np.abs(calls["warp"]() - calls["cv2.remap"]()).max()
    seconds = in_turns(calls, bench.rounds, bench.least)
    pairs = [("warp", "cv2.remap"), ("warp with gradient", "warp")]
    if not skipped:
        pairs += [("warp", "grid_sample"), ("warp with gradient", "grid_sample with gradient")]
    if addons:
        pairs += [(name, f"tfa {name}") for name in ("warp", "warp with gradient")]
    figures = [
        report.figure(name, 1e3 * seconds[name], against, 1e3 * seconds[against], "ms")
        for name, against in pairs
    ]
    notes = {
        "batch": f"{batch} images of {width} x {height} px",
        "largest difference to cv2.remap": f"{apart:.4f} of a range of 1: it rounds to 1/32 px",
    }
    return report.Result(figures, notes | ({"grid_sample": skipped} if skipped else {}))


def ours(image, displacement):
    """Functions that warp with `me_keras.layers.warp.dense_warp`, without and with gradient."""
    from me_keras.layers.warp import dense_warp

    return in_tensorflow("", dense_warp, image, displacement)


def tensorflow_addons(image, displacement):
    """Functions that warp with tensorflow-addons; none where it is not installed."""
    with warnings.catch_warnings():  # its end-of-life notice
        warnings.simplefilter("ignore")
        try:
            import tensorflow_addons as tfa
        except ImportError:
            return {}

    def warp(image, displacement):
        return tfa.image.dense_image_warp(image, -displacement[..., ::-1])

    return in_tensorflow("tfa ", warp, image, displacement)


def in_tensorflow(prefix, warp, image, displacement):
    """Functions that warp with a TensorFlow function, without and with gradient."""
    import tensorflow as tf

    image, displacement = tf.constant(image), tf.constant(displacement)
    forward = tf.function(warp)  # (b, h, w, 1)

    @tf.function
    def gradient(image, displacement):
        with tf.GradientTape() as tape:
            tape.watch((image, displacement))
            total = tf.reduce_sum(warp(image, displacement))
        return tape.gradient(total, (image, displacement))  # (b, h, w, 1), (b, h, w, 2)

    return {
        f"{prefix}warp": lambda: forward(image, displacement).numpy(),
        f"{prefix}warp with gradient": lambda: gradient(image, displacement)[1].numpy(),
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
    from benchmarks.peer import as_tensors
    from benchmarks.torch_peer.layers import dense_warp

    fields = list(as_tensors({"image": image, "displacement": displacement}).values())
    leaves = [field.clone().requires_grad_() for field in fields]

    def gradient():
        for leaf in leaves:
            leaf.grad = None
        dense_warp(*leaves).sum().backward()

    return {
        "grid_sample": lambda: dense_warp(*fields),
        "grid_sample with gradient": gradient,
    }


main = report.command(measure, BenchOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
