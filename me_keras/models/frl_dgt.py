"""FRL-DGT: displacement generation, then local, global and full-face Transformer fusion.

From the paper (Zhai et al., CVPR 2023): a convolutional displacement generator learned by
self-supervision together with the recognition; local and global fusion on action-unit regions,
full-face fusion; linear fusion before attention. Our choices: all sizes, the nine regions, what
exactly each fusion is given, and the head.
"""

import keras

from me_keras.layers.displacement import DisplacementGenerator
from me_keras.layers.fusion import FusionTransformer, Patches
from me_keras.layers.motion import MotionMaps, RegionStatistics, TokenMean
from me_keras.layers.readout import LinearReadout
from me_keras.layers.regions import RegionCrop
from me_keras.layers.transformer import SeededDropout
from me_keras.layers.warp import DenseWarp
from me_keras.models.recognizer import DisplacementModel, Recognizer, joined, rebuildable


@rebuildable
def frl_dgt(
    image_size=128,
    num_classes=3,
    motion_channels=0,
    num_regions=9,
    filters=(32, 64, 96),
    max_displacement=8.0,
    hidden_dim=64,
    num_heads=4,
    num_layers=1,
    crop_size=12,
    patch_size=4,
    dropout=0.1,
    head_dropout=0.5,
    stochastic_depth=0.0,
    readout=32,
    fusion_order="before",
    local_fusion=True,
    global_fusion=True,
    face_fusion=True,
    linear_readout=False,
    detach_motion=False,
    compiled=False,
):
    """Builds the model.

    Args:
        image_size: int S, side of the frames or motion maps, pixels.
        num_classes: int k.
        motion_channels: int c; 0 learns the motion from two frames with the displacement
            generator, otherwise motion maps of c channels are the input (an ablation, or
            databases that are only published as flow images).
        num_regions: int r, action-unit regions.
        filters, max_displacement: as `DisplacementGenerator`.
        hidden_dim, num_heads, num_layers, dropout, stochastic_depth: as `FusionTransformer`, for
            all three.
        head_dropout: float, before the classifier and the linear read-out.
        readout: int, numbers each region and each face patch hands to the classifier, which so
            knows where something moved. 0 averages the tokens instead.
        crop_size, patch_size: ints, samples; side of a region's crop and of its patches. The
            face is cut into patches of the same size at the resolution of a 28..64 px map.
        fusion_order: "before" or "after" attention.
        local_fusion, global_fusion, face_fusion: bool, ablation switches. Without local fusion a
            region is its statistics; without global fusion the face is told the regions' mean.
        linear_readout: bool; the fusions' logits are added to those of a `LinearReadout` of the
            motion. Ours, not from the paper.
        detach_motion: bool; keeps the recognition's gradient out of the displacement generator.
        compiled: as `RegionCrop`: whether the model is to be compiled with XLA.
    Returns:
        `Recognizer`. Inputs: dict of `onset`, `apex` `(b, S, S, 1)` float32 in [0, 1] (or
        `motion` `(b, S, S, c)`), and `regions` `(b, r, 4)`. Outputs: dict of `logits` `(b, k)`
        float32 and, with a displacement generator, `displacement` `(b, S, S, 2)` px, `half`
        `(b, S/2, S/2, 2)`, the same at half resolution, and `warped` `(b, S, S, 1)`, the apex
        warped back onto the onset; with a linear read-out `line` `(b, k)`, its logits alone.
    """
    regions = keras.Input((num_regions, 4), name="regions")
    if motion_channels:
        motion = keras.Input((image_size, image_size, motion_channels), name="motion")
        inputs, outputs = {"motion": motion, "regions": regions}, {}
        stride = max(image_size // 64, 1)
        if stride > 1:
            # float32: sub-pixel motion does not survive bfloat16
            motion = keras.layers.AveragePooling2D(stride, dtype="float32")(motion)
        maps = MotionMaps(stride, name="motion_maps")(motion)
    else:
        inputs, outputs, generated = _displacement(image_size, filters, max_displacement)
        inputs["regions"] = regions
        split = MotionMaps(2, detach_motion, name="motion_maps")
        maps = split(generated["half"], generated["features"])

    def fuse(name, sources, seed):
        return FusionTransformer(
            hidden_dim=hidden_dim,
            num_layers=num_layers,
            order=fusion_order,
            num_heads=num_heads,
            dropout=dropout,
            stochastic_depth=stochastic_depth,
            seed=seed,
            name=name,
        )(sources)

    crops = [RegionCrop(crop_size, compiled)((m, regions)) for m in maps]  # (b, r, s, s, c_i) each
    summary = [RegionStatistics()(crop) for crop in crops]  # (b, r, 2 c_i) each
    if local_fusion:
        inside = fuse("local_fusion", [Patches(patch_size)(crop) for crop in crops], seed=1)
        summary = [TokenMean()(inside), *summary]  # (b, r, hidden_dim), statistics
    if global_fusion:
        summary = [fuse("global_fusion", summary, seed=2)]  # (b, r, hidden_dim)
    summary = joined(summary)  # (b, r, n)
    tokens = {"regions": summary}
    if face_fusion:
        patches = [Patches(_face_patch(m.shape[1]))(m) for m in maps]  # (b, l, p p c_i) each
        regional = TokenMean(patches[0].shape[1])(summary)  # (b, l, n)
        tokens["face"] = fuse("face_fusion", [*patches, regional], seed=3)  # (b, l, hidden_dim)

    read = [_read(name, values, readout) for name, values in tokens.items()]
    read = SeededDropout(head_dropout, seed=1000, name="head_dropout")(joined(read))
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(read)
    if linear_readout:
        moved = maps if motion_channels else maps[:-1]  # without the features
        outputs["line"] = LinearReadout(num_classes, dropout=head_dropout, name="line")(moved)
        logits = keras.layers.Add(dtype="float32", name="sum")([outputs["line"], logits])
    outputs["logits"] = logits
    return Recognizer(inputs, outputs, name="frl_dgt")


def has_attention(model):
    """Whether a model attends to regions: `frl_dgt`'s with global fusion."""
    return any(layer.name == "global_fusion" for layer in model.layers)


def with_attention(model):
    """`frl_dgt`'s model with one output more, on the same layers and weights.

    Args:
        model: what `frl_dgt` built with global fusion.
    Returns:
        `keras.Model` whose outputs also hold `attention` `(b, r)` float32: the share of the global
        fusion's attention (last block, mean over heads and asking tokens) that each region
        receives. It sums to 1 over the regions.
    Raises:
        ValueError: if the model has no global fusion.
    """
    if not has_attention(model):
        raise ValueError("only a model with global fusion has attention over the regions")
    fusion = model.get_layer("global_fusion")
    attention = fusion(fusion.input, return_attention=True)
    return keras.Model(model.input, {**model.output, "attention": attention}, name=model.name)


@rebuildable
def displacement_model(image_size=128, filters=(32, 64, 96), max_displacement=8.0):
    """The displacement generator alone, a `DisplacementModel`; outputs as `frl_dgt`'s."""
    inputs, outputs, _ = _displacement(image_size, filters, max_displacement)
    return DisplacementModel(inputs, outputs, name="displacement_model")


def _displacement(image_size, filters, max_displacement):
    onset = keras.Input((image_size, image_size, 1), name="onset")
    apex = keras.Input((image_size, image_size, 1), name="apex")
    generator = DisplacementGenerator(filters, max_displacement, name="displacement_generator")
    generated = generator((onset, apex))
    displacement = keras.layers.Activation("linear", dtype="float32", name="displacement")(
        generated["displacement"]
    )
    warped = DenseWarp(name="warped")((apex, displacement))
    outputs = {"displacement": displacement, "half": generated["half"], "warped": warped}
    return {"onset": onset, "apex": apex}, outputs, generated


def _read(name, tokens, channels):
    """What the classifier is told of tokens `(b, l, n)`: `(b, l * channels)`, or their mean."""
    if not channels:
        return TokenMean()(tokens)
    return keras.layers.Flatten()(keras.layers.Dense(channels, name=f"read_{name}")(tokens))


def _face_patch(map_size):
    """Side of a whole-face patch: at most 8 x 8 patches, each dividing the map."""
    return next(p for p in range(-(-map_size // 8), map_size + 1) if map_size % p == 0)
