"""OFF-ApexNet: a small convolution stream on each component of the flow, then dense layers.

Liong, Gan, Yau, Huang, Tan, 2018, arXiv:1805.08699 (Signal Processing: Image Communication 74,
2019). Published: the flow between onset and apex; one stream on its horizontal and one on its
vertical component, 28 x 28 px each, with two 5 x 5 convolutions of 6 and 16 filters, each followed
by a 2 x 2 max pooling; both streams joined in two layers of 1024 units. The authors of Off-TANet
(github.com/ECNU-Cross-Innovation-Lab/PRICAI2021-Off-TANet) count 2.66 million parameters, as here.
From their version is the dropout of 0.5 after each layer of 1024 units; it has no ReLU behind a
convolution, which is our choice.
"""

import keras

from me_keras.layers.transformer import SeededDropout
from me_keras.models.flow_image import flow_components
from me_keras.models.recognizer import Recognizer, joined, rebuildable


@rebuildable
def off_apexnet(
    image_size=28,
    num_classes=3,
    motion_channels=3,
    num_regions=9,
    filters=(6, 16),
    hidden_units=(1024, 1024),
    head_dropout=0.5,
):
    """Builds the model.

    Args:
        image_size: int S, side of the motion maps, pixels.
        num_classes: int k.
        motion_channels: int c, 2 or 3: a flow, of which the strain is left aside.
        num_regions: int r of the ignored input.
        filters: ints, of the convolutions of a stream.
        hidden_units: ints, of the dense layers on both streams.
        head_dropout: float, after each of the dense layers.
    Returns:
        `Recognizer`: dict of `motion` `(b, S, S, c)` and `regions` in, dict of `logits` out.
    Raises:
        ValueError: if the motion is no flow.
    """
    inputs, components = flow_components("off_apexnet", image_size, motion_channels, num_regions)
    x = joined([_stream(name, x, filters) for name, x in components.items()])  # (b, 1568)
    for i, units in enumerate(hidden_units):
        x = keras.layers.Dense(units, activation="relu", name=f"hidden{i + 1}")(x)  # (b, units)
        x = SeededDropout(head_dropout, seed=i, name=f"head_dropout{i + 1}")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return Recognizer(inputs, {"logits": logits}, name="off_apexnet")


def _stream(name, x, filters):
    for i, count in enumerate(filters, 1):
        x = keras.layers.Conv2D(
            count, 5, padding="same", activation="relu", name=f"{name}_convolution{i}"
        )(x)
        x = keras.layers.MaxPooling2D(2, name=f"{name}_pooled{i}")(x)  # (b, 7, 7, 16) at last
    return keras.layers.Flatten(name=f"{name}_features")(x)  # (b, 784)
