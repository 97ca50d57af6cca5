"""STSTNet, the baseline: three shallow convolution streams on a flow image.

Liong et al., 2019, arXiv:1902.03634: streams of 3, 5 and 8 filters on u, v and strain at
28 x 28.
"""

import keras

from me_keras.layers.transformer import SeededDropout
from me_keras.models.flow_image import flow_image
from me_keras.models.recognizer import Recognizer, rebuildable


@rebuildable
def ststnet(
    image_size=28,
    num_classes=3,
    motion_channels=3,
    num_regions=9,
    filters=(3, 5, 8),
    head_dropout=0.5,
):
    """Builds the model.

    Args:
        image_size: int S, side of the motion maps, pixels.
        num_classes: int k.
        motion_channels: int c >= 1; see `MotionMaps` (a flow of 2 channels gets its strain).
        num_regions: int r of the ignored input.
        filters: ints, one stream each.
        head_dropout: float, before the classifier.
    Returns:
        `Recognizer`: dict of `motion` `(b, S, S, c)` and `regions` in, dict of `logits` out.
    Raises:
        ValueError: if there is no motion map to look at.
    """
    inputs, x = flow_image("ststnet", image_size, motion_channels, num_regions)
    streams = []
    for count in filters:
        stream = keras.layers.Conv2D(count, 3, padding="same", activation="relu")(x)
        stream = keras.layers.BatchNormalization()(stream)
        stream = keras.layers.ZeroPadding2D(1)(stream)
        streams.append(keras.layers.MaxPooling2D(3, 3)(stream))  # (b, 10, 10, count)
    x = keras.layers.Concatenate()(streams)  # (b, 10, 10, 16)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(x))  # (b, 400)
    x = SeededDropout(head_dropout, name="head_dropout")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return Recognizer(inputs, {"logits": logits}, name="ststnet")
