"""Dual-Inception: two inception blocks on each component of the flow, then a dense layer.

Zhou, Mao, Xue, 2019, "Dual-Inception Network for Cross-Database Micro-Expression Recognition" (FG).
Published (also as code, github.com/xly135846/MEGC2019): a stream on the horizontal and one on the
vertical component, 28 x 28 px each; in a block four paths of equally many filters (1 x 1; 1 x 1,
3 x 3; 1 x 1, 5 x 5; 3 x 3 max pooling, 1 x 1), 6 in the first and 16 in the second; 2 x 2 max
pooling after each block; 1024 units on both streams; no dropout. Otherwise here: a component is one
channel of a signed flow, theirs is an image file of three channels in [0, 1]. With one channel the
authors of Off-TANet (github.com/ECNU-Cross-Innovation-Lab/PRICAI2021-Off-TANet) count 6.45 million
parameters, as here.
"""

import keras

from me_keras.layers.transformer import SeededDropout
from me_keras.models.flow_image import flow_components
from me_keras.models.recognizer import Recognizer, joined, rebuildable


@rebuildable
def dual_inception(
    image_size=28,
    num_classes=3,
    motion_channels=3,
    num_regions=9,
    filters=(6, 16),
    hidden_units=1024,
    head_dropout=0.0,
):
    """Builds the model.

    Args:
        image_size: int S, side of the motion maps, pixels.
        num_classes: int k.
        motion_channels: int c, 2 or 3: a flow, of which the strain is left aside.
        num_regions: int r of the ignored input.
        filters: ints, of a path in each block of a stream.
        hidden_units: int, of the dense layer on both streams.
        head_dropout: float, before the classifier.
    Returns:
        `Recognizer`: dict of `motion` `(b, S, S, c)` and `regions` in, dict of `logits` out.
    Raises:
        ValueError: if the motion is no flow.
    """
    inputs, components = flow_components("dual_inception", image_size, motion_channels, num_regions)
    x = inception_features(components, filters, hidden_units)  # (b, hidden_units)
    x = SeededDropout(head_dropout, name="head_dropout")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return Recognizer(inputs, {"logits": logits}, name="dual_inception")


def inception_features(components, filters=(6, 16), hidden_units=1024):
    """What the network makes of a flow before it classifies.

    Args:
        components: dict of name to `(b, 28, 28, 1)`, as of `flow_components`: a stream each.
        filters, hidden_units: as `dual_inception`.
    Returns:
        `(b, hidden_units)`, not negative.
    """
    streams = []
    for name, x in components.items():
        for i, count in enumerate(filters, 1):
            x = keras.layers.MaxPooling2D(2)(inception_block(x, count, f"{name}_block{i}"))
        streams.append(keras.layers.Flatten(name=f"{name}_features")(x))  # (b, 7 * 7 * 64)
    return keras.layers.Dense(hidden_units, activation="relu", name="hidden")(joined(streams))


def inception_block(x, filters, name):
    """Four paths side by side.

    Args:
        x: `(b, h, w, c)`.
        filters: int, of each path.
        name: str, of the result; the layers' names begin with it.
    Returns:
        `(b, h, w, 4 filters)`.
    """

    def convolution(path, size, x):
        return keras.layers.Conv2D(
            filters, size, padding="same", activation="relu", name=f"{name}_{path}"
        )(x)

    paths = [
        convolution("direct", 1, x),
        convolution("3x3", 3, convolution("before_3x3", 1, x)),
        convolution("5x5", 5, convolution("before_5x5", 1, x)),
        convolution("pooled", 1, keras.layers.MaxPooling2D(3, 1, padding="same")(x)),
    ]
    return keras.layers.Concatenate(name=name)(paths)
