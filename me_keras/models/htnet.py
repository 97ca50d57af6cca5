"""HTNet: a hierarchical Transformer on the flow around the eyes and the corners of the mouth.

Wang, Zhang, Luo, Sankaranarayana, 2023, arXiv:2307.14637, and the authors' code
(github.com/wangzhifengharrison/HTNet, read, not copied). Published: a flow image (u, v, strain) of
28 px, four squares of 14 px around both eyes and both corners of the mouth put together as another
28 px, patches of 7 px as 4 x 4 tokens of width 256, three levels of a nested Transformer (NesT) of
3, 6 and 12 heads and 2, 2 and 10 layers, with an aggregation between two levels that halves the map
and doubles the width. No dropout.

At these sizes each block holds one token: it attends to itself alone, and places are mixed by the
aggregations only. So it is in the authors' code. Smaller patches give blocks of more tokens.

What differs:
    The squares are cut around the boxes of our regions instead of a face detector's five points,
    from the motion maps at their own resolution, and lie as on the face, eyes above. The code takes
    x for y, which puts the left side above, the right side below.
    The code scales each flow image to bytes by its own extremes; ours keeps its unit and sign.
    Weights start as Keras has it.
    Published training: Adam, 5e-5, batches of 256, 800 epochs, and the epoch that is best on the
    held-out subject, which we do not do.
"""

import keras

from me_keras.layers.face_squares import FaceSquares
from me_keras.layers.nested import Aggregation, NestedLevel
from me_keras.layers.transformer import SeededDropout
from me_keras.models.flow_image import flow_image
from me_keras.models.recognizer import Recognizer, rebuildable


@rebuildable
def htnet(
    image_size=28,
    num_classes=3,
    motion_channels=3,
    num_regions=9,
    square_size=14,
    patch_size=7,
    hidden_dim=256,
    num_heads=3,
    depths=(2, 2, 10),
    mlp_ratio=4,
    dropout=0.0,
    head_dropout=0.0,
):
    """Builds the model.

    Args:
        image_size: int S, side of the motion maps, pixels.
        num_classes: int k.
        motion_channels: int c >= 1; see `MotionMaps` (a flow of 2 channels gets its strain).
        num_regions: int r >= 8; see `FaceSquares` for those that count.
        square_size: int, side of a square in samples.
        patch_size: int, samples: one token.
        hidden_dim, num_heads: ints, of the first level; each level doubles both.
        depths: ints, layers of attention of each level.
        mlp_ratio, dropout: as `BlockAttention`.
        head_dropout: float, before the classifier.
    Returns:
        `Recognizer`: dict of `motion` `(b, S, S, c)` and `regions` `(b, r, 4)` in, dict of `logits`
        out.
    Raises:
        ValueError: if there is no motion map to look at, or if the patches cannot be grouped.
    """
    grid, blocks = 2 * square_size / patch_size, 2 ** (len(depths) - 1)
    if grid % blocks:
        raise ValueError(
            f"the squares' image must hold a multiple of {blocks} patches a side. "
            f"Received: {square_size=}, {patch_size=}"
        )
    inputs, image = flow_image("htnet", image_size, motion_channels, num_regions, size=image_size)
    x = FaceSquares(square_size, name="squares")((image, inputs["regions"]))  # (b, 28, 28, 3)
    x = keras.layers.Conv2D(hidden_dim, patch_size, patch_size, name="patches")(x)  # (b, 4, 4, 256)
    for i, depth in enumerate(depths):
        width, heads, blocks = hidden_dim * 2**i, num_heads * 2**i, 2 ** (len(depths) - 1 - i)
        level = NestedLevel(width, heads, depth, blocks, mlp_ratio, dropout, seed=i)
        x = level(x)
        if i < len(depths) - 1:
            x = Aggregation(2 * width)(x)  # (b, 2, 2, 512), (b, 1, 1, 1024)
    x = keras.layers.LayerNormalization(epsilon=1e-5)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)  # (b, 1024)
    x = SeededDropout(head_dropout, seed=1000, name="head_dropout")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    return Recognizer(inputs, {"logits": logits}, name="htnet")
