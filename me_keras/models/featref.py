"""FeatRef: features for each expression, refined by attention from features that all share.

Zhou, Mao, Huang, Zhang, Zhang, 2021, arXiv:2101.04838 (Pattern Recognition). Its abstract says: an
inception module on optical flow gives features that all expressions share; an expression proposal
module with attention factors and a proposal loss makes of them features for each expression; a
classification branch fuses these.

This is a reading of that; we found no code. Our choices: the shared features are those of
`dual_inception`, by the same first authors; the attention is one sigmoid gate per expression and
feature; the proposal of an expression is one linear question, "is it this one?", on its own
features; the fusion is their concatenation; the loss is the cross-entropy and the sum of the binary
ones, equally weighted.
"""

import keras

from me_keras.layers.transformer import SeededDropout
from me_keras.models.dual_inception import inception_features
from me_keras.models.flow_image import flow_components
from me_keras.models.recognizer import Recognizer, rebuildable


@rebuildable
def featref(
    image_size=28,
    num_classes=3,
    motion_channels=3,
    num_regions=9,
    filters=(6, 16),
    hidden_units=1024,
    head_dropout=0.5,
):
    """Builds the model.

    Args:
        image_size: int S, side of the motion maps, pixels.
        num_classes: int k.
        motion_channels: int c, 2 or 3: a flow, of which the strain is left aside.
        num_regions: int r of the ignored input.
        filters: ints, as `dual_inception`.
        hidden_units: int d, of the shared features, and of those of each expression.
        head_dropout: float, on the fused features.
    Returns:
        `Recognizer`: dict of `motion` `(b, S, S, c)` and `regions` in; dict of `logits` `(b, k)`
        and `proposals` `(b, k)` float32 out, the latter logits of one binary question per class.
    Raises:
        ValueError: if the motion is no flow.
    """
    inputs, components = flow_components("featref", image_size, motion_channels, num_regions)
    shared = inception_features(components, filters, hidden_units)  # (b, d)
    specific = _specific(shared, num_classes, hidden_units)  # (b, k, d)
    proposals = keras.layers.EinsumDense(
        "bkd,kd->bk", num_classes, bias_axes="k", dtype="float32", name="proposals"
    )(specific)
    fused = keras.layers.Flatten(name="fused")(specific)  # (b, k d)
    fused = SeededDropout(head_dropout, name="head_dropout")(fused)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(fused)
    return Recognizer(inputs, {"logits": logits, "proposals": proposals}, name="featref")


def _specific(shared, num_classes, hidden_units):
    """Features of each expression: the shared ones `(b, d)` times its gate; `(b, k, d)`."""
    gates = keras.layers.Dense(num_classes * hidden_units, activation="sigmoid", name="gates")
    gates = keras.layers.Reshape((num_classes, hidden_units))(gates(shared))  # (b, k, d)
    shared = keras.layers.Reshape((1, hidden_units))(shared)
    return keras.layers.Multiply(name="specific")([shared, gates])
