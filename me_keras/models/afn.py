"""AFN, an adaptive fusion network of two dynamic images: one by time, one by motion.

A reading of the abstract of Man, Nguyen, Khuong, Le and Ngo, 2025, arXiv:2510.09730; no code of it
is public. Published: a temporal-ranked dynamic image, of the frames in their order, a
motion-intensity dynamic image, of the frames reordered by their motion, and a network that learns
how to combine the two; 93.95 % accuracy and a UF1 of 0.897 on CASME II.

Our choice: the images as `pipelines.flow` makes them, averaged down to 64 px so that two CPU cores
can train on them; a small residual network for each; a softmax gate, of one weight for each
image, over the two embeddings; all sizes.
"""

import keras

from me_keras.layers.transformer import SeededDropout
from me_keras.models.recognizer import Recognizer, rebuildable
from me_keras.models.residual import normalized, residual_block, small_image

IMAGES = ("ranked", "intensity")  # the channels of the motion "dynamic_images"


@rebuildable
def afn(
    image_size=128,
    num_classes=3,
    motion_channels=2,
    num_regions=9,
    filters=(16, 32, 64, 128),
    input_size=64,
    head_dropout=0.5,
):
    """Builds the model.

    Args:
        image_size: int S, side of the dynamic images, pixels.
        num_classes: int k.
        motion_channels: int, 2: the ranked and the intensity image. They are no flow.
        num_regions: int r of the ignored input.
        filters: ints, channels of the residual blocks of each image; each halves it.
        input_size: int, pixels; larger images are averaged down to it.
        head_dropout: float, before the classifier.
    Returns:
        `Recognizer`: dict of `motion` `(b, S, S, 2)` and `regions` in, dict of `logits` out.
    Raises:
        ValueError: if the motion is not the two images.
    """
    if motion_channels != len(IMAGES):
        raise ValueError(
            'afn needs `motion` "dynamic_images", a ranked and an intensity image. '
            f"Received: {motion_channels=}"
        )
    motion = keras.Input((image_size, image_size, 2), name="motion")
    regions = keras.Input((num_regions, 4), name="regions")
    images = normalized(small_image(motion, input_size), center=False, scale=False)
    embeddings = []
    for i, name in enumerate(IMAGES):
        x = images[..., i : i + 1]  # (b, s, s, 1)
        for level, count in enumerate(filters, 1):
            x = residual_block(x, count, f"{name}_{level}", convolutions=2)
        embeddings.append(keras.layers.GlobalAveragePooling2D(name=name)(x))  # (b, 128)
    x = SeededDropout(head_dropout, name="head_dropout")(_gated(embeddings))
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return Recognizer({"motion": motion, "regions": regions}, {"logits": logits}, name="afn")


def _gated(embeddings):
    """The mean of n embeddings `(b, d)`, weighed by a softmax of all of them: `(b, d)`."""
    x = keras.layers.Concatenate()(embeddings)  # (b, n d)
    gate = keras.layers.Dense(len(embeddings), "softmax", dtype="float32", name="gate")(x)  # (b, n)
    each = keras.layers.Reshape((len(embeddings), -1))(x)  # (b, n, d)
    return keras.layers.Dot(axes=1, name="fused")([gate, each])
