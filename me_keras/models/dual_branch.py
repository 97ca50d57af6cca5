"""Dual-branch feature extraction and fusion: a residual and an Inception network, each attending.

A reading of the abstract of Zhang, Li, Liu, Cui, Li, Li, Li and Gao, 2026, arXiv:2602.23950; its
code is not public, and its sizes are not known here. Published: a residual network and an Inception
network with parallel attention, and a module that fuses them adaptively; 74.67 % accuracy on
CASME II. From a summary by others: ResNet12 for the whole face, an Inception of version 3 for local
detail, CBAM (Woo et al., 2018, arXiv:1807.06521) in both and in the fusion, onset and apex frames,
Adam with a step decay, no motion magnification.

Our choice, all that follows. ResNet12 as in few-shot learning, but of half the widths (64 to 512):
small data overfit, and CPUs must train it. CBAM in each block. Inception blocks after Szegedy et
al., 2015, arXiv:1512.00567, of the same widths and sizes. Fusion: concatenated, CBAM, 1 x 1
convolution, mean over places. The difference of the frames is a third channel beside them, and each
channel is normalized over the batch: else the difference, a hundred times smaller, would not count.
Inputs larger than 64 px are averaged down to 64, so that two CPU cores can train it.
"""

import keras

from me_keras.layers.attention import CBAM
from me_keras.layers.transformer import SeededDropout
from me_keras.models.recognizer import Recognizer, rebuildable
from me_keras.models.residual import convolved, normalized, residual_block, small_image


@rebuildable
def dual_branch(
    image_size=128,
    num_classes=3,
    motion_channels=0,
    num_regions=9,
    filters=(32, 64, 128, 256),
    input_size=64,
    head_dropout=0.5,
):
    """Builds the model.

    Args:
        image_size: int S, side of the frames or motion maps, pixels.
        num_classes: int k.
        motion_channels: int c; 0 for frames, else motion maps, taken as they are.
        num_regions: int r of the ignored input.
        filters: ints, channels of the residual blocks; the Inception network has as many: its
            first convolution, then its blocks (a multiple of 4 each). Each halves the image.
        input_size: int, pixels; larger inputs are averaged down to it.
        head_dropout: float, before the classifier.
    Returns:
        `Recognizer`: dict of `onset`, `apex` `(b, S, S, 1)`, or of `motion` `(b, S, S, c)`, and
        `regions` in, dict of `logits` out.
    """
    inputs, x = _image(image_size, motion_channels, num_regions)
    x = normalized(small_image(x, input_size), center=False, scale=False, name="normalized")
    whole = local = x  # (b, s, s, 3 or c)
    for i, count in enumerate(filters, 1):
        whole = residual_block(whole, count, f"residual_{i}", attention=True)
        local = (_stem if i == 1 else _inception_block)(local, count, f"inception_{i}")
    x = keras.layers.Concatenate(name="branches")([whole, local])  # (b, s/16, s/16, 512)
    x = _relu(convolved(CBAM(name="fusion")(x), filters[-1], size=1))  # (b, s/16, s/16, 256)
    x = keras.layers.GlobalAveragePooling2D(name="fused")(x)  # (b, 256)
    x = SeededDropout(head_dropout, name="head_dropout")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return Recognizer(inputs, {"logits": logits}, name="dual_branch")


def _image(size, channels, num_regions):
    """The inputs, and what both branches look at: motion, or onset, apex and their difference."""
    regions = keras.Input((num_regions, 4), name="regions")
    if channels:
        motion = keras.Input((size, size, channels), name="motion")
        return {"motion": motion, "regions": regions}, motion
    onset, apex = (keras.Input((size, size, 1), name=name) for name in ("onset", "apex"))
    # float32: a small difference of two frames does not survive bfloat16
    difference = keras.layers.Subtract(dtype="float32")([apex, onset])
    image = keras.layers.Concatenate(dtype="float32")([onset, apex, difference])  # (b, S, S, 3)
    return {"onset": onset, "apex": apex, "regions": regions}, image


def _stem(x, filters, name):
    """`(b, h, w, c)` to `(b, h // 2, w // 2, filters)`."""
    return keras.layers.MaxPooling2D(2, name=name)(_relu(convolved(x, filters)))


def _inception_block(x, filters, name):
    """Four paths with windows of 1, 3, 5 and 3 px, attention, pooling to half the size.

    `(b, h, w, c)` to `(b, h // 2, w // 2, filters)`.
    """
    mean = keras.layers.AveragePooling2D(3, strides=1, padding="same")(x)
    paths = []
    for path, *sizes in [(x, 1), (x, 1, 3), (x, 1, 3, 3), (mean, 1)]:
        for size in sizes:
            path = _relu(convolved(path, filters // 4, size))
        paths.append(path)
    x = CBAM()(keras.layers.Concatenate()(paths))  # (b, h, w, filters)
    return keras.layers.MaxPooling2D(2, name=name)(x)


def _relu(x):
    return keras.layers.ReLU()(x)
