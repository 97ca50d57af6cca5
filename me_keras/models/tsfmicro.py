"""TSFmicro: how a face moved, by retention, and where, by a Transformer, fused side by side.

Liu, Nan, Qian, Fu, 2025, arXiv:2505.16372, and the authors' code
(github.com/Cross-Innovation-Lab/TSFmicro, read, not copied). Published, on frames of 224 px:
    The temporal branch sees the difference of apex and onset: a stem of four convolutions, then
    four stages of 64 to 512 channels with 1, 1, 2 and 1 retention blocks of 2 heads, the first two
    along rows and columns, at a half to a sixteenth of the resolution.
    The spatial branch sees the onset at a sixteenth of the resolution, a token for each pixel: two
    Transformer blocks of width 512 and 4 heads. No token stands for the class.
    Their maps are added, then: a linear layer of 1024, batch normalisation, swish, mean, classes.

`fusion` is where the branches meet; the README compares five ways, the code holds these:
    "parallel": the results of both branches are added. The authors' own choice.
    "stems": onset and difference pass a stem each; their sum goes through the temporal branch.
    "s_to_t": the spatial result, brought up by three transposed convolutions, is added to the
        temporal branch behind its stem.
    "t_to_s_early", "t_to_s": the temporal result is added to the tokens of the spatial branch
        before its blocks (commented out in the code), or behind them, before the last LayerNorm.
Which of them the README's names mean (T to S early, T to S, S to T, T-S late) is our reading; for
its T-S late we know no code beside these.

What differs:
    Frames are grey, of any side that 16 divides; the tokens, and the table of their positions,
    follow it: 8 x 8 at 128 px. Grey is scaled by the mean of ImageNet's three means and deviations,
    in float32, where a small difference of two frames survives.
    A pixel of the small onset is the mean of what it covers; the code resizes bilinearly. Strided
    convolutions pad as Keras does, at the end only.
    Convolutions and the spatial branch start as Keras has it; the class token, the classifier and
    the mask that the code's spatial branch holds and never uses are left out.
    Published training: AdamW, 8e-4 times 0.987 each epoch for 50 epochs, weight decay 0.6 (0.7 for
    SAMM's three classes), batches of 32, up to 174 epochs, and the epoch that is best on the
    held-out subject, which we do not do.
"""

import keras

from me_keras.layers.positions import AddPositions
from me_keras.layers.retention import RetentionBlock
from me_keras.layers.transformer import SeededDropout, TransformerBlock
from me_keras.models.recognizer import Recognizer, rebuildable

FUSIONS = ("parallel", "stems", "s_to_t", "t_to_s_early", "t_to_s")
DECAY_RANGES = (4.0, 4.0, 6.0, 6.0)  # of the stages
BY_ROWS_AND_COLUMNS = 2  # stages, the first ones
# Means of ImageNet's for red, green and blue.
MEAN, DEVIATION = 0.449, 0.226


@rebuildable
def tsfmicro(
    image_size=128,
    num_classes=3,
    motion_channels=0,
    num_regions=9,
    widths=(64, 128, 256, 512),
    depths=(1, 1, 2, 1),
    num_heads=2,
    spatial_depth=2,
    spatial_heads=4,
    readout=1024,
    stochastic_depth=0.1,
    head_dropout=0.0,
    fusion="parallel",
):
    """Builds the model.

    Args:
        image_size: int S, side of the frames, pixels; a multiple of 16.
        num_classes: int k.
        motion_channels: 0.
        num_regions: int r of the `regions`, which is accepted and ignored, so that the model runs
            in the same protocol.
        widths, depths: four ints each, of the temporal branch's stages: channels and blocks.
        num_heads: int, of each stage.
        spatial_depth, spatial_heads: ints, of the spatial branch; it is as wide as the last stage.
        readout: int, channels before the mean.
        stochastic_depth: float, of the last block of the temporal branch; rises from 0.
        head_dropout: float, before the classifier. Published is none.
        fusion: one of `FUSIONS`.
    Returns:
        `Recognizer`: dict of `onset`, `apex` `(b, S, S, 1)` float32 in [0, 1] and `regions` in,
        dict of `logits` out.
    Raises:
        ValueError: motion maps instead of frames, a side that 16 does not divide, or an unknown
            fusion.
    """
    _check(image_size, motion_channels, fusion)
    onset = keras.Input((image_size, image_size, 1), name="onset")
    apex = keras.Input((image_size, image_size, 1), name="apex")
    regions = keras.Input((num_regions, 4), name="regions")
    first, second = _scaled(onset, "scaled_onset"), _scaled(apex, "scaled_apex")
    difference = keras.layers.Subtract(dtype="float32", name="difference")([second, first])

    def temporal(added=None):
        x = _stem(difference, widths[0], "stem")  # (b, S/2, S/2, 64)
        x = keras.layers.Add(name="fused")([x, added]) if added is not None else x
        return _stages(x, widths, depths, num_heads, stochastic_depth)  # (b, S/16, S/16, 512)

    def spatial(before=None, behind=None):
        sizes = (widths[-1], spatial_depth, spatial_heads)
        return _spatial(first, *sizes, before, behind)  # (b, S/16, S/16, 512)

    if fusion == "parallel":
        x = keras.layers.Add(name="fused")([temporal(), spatial()])
    elif fusion == "stems":
        x = temporal(_stem(first, widths[0], "onset_stem"))
    elif fusion == "s_to_t":
        x = temporal(_brought_up(spatial(), widths))
    elif fusion == "t_to_s_early":
        x = spatial(before=temporal())
    else:
        x = spatial(behind=temporal())
    x = _normalised(keras.layers.Dense(readout, name="readout")(x))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("swish")(x))  # (b, 1024)
    x = SeededDropout(head_dropout, seed=1000, name="head_dropout")(x)
    logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(x)
    inputs = {"onset": onset, "apex": apex, "regions": regions}
    return Recognizer(inputs, {"logits": logits}, name="tsfmicro")


def _check(image_size, motion_channels, fusion):
    if motion_channels:
        raise ValueError(
            f"tsfmicro needs the frames, not motion maps of them. Received: {motion_channels=}"
        )
    if image_size % 16:
        raise ValueError(f"`image_size` must be a multiple of 16. Received: {image_size=}")
    if fusion not in FUSIONS:
        raise ValueError(f"`fusion` must be one of {FUSIONS}. Received: {fusion=}")


def _scaled(frame, name):
    """As ImageNet's pictures are scaled, in float32."""
    scale = keras.layers.Rescaling(1 / DEVIATION, -MEAN / DEVIATION, dtype="float32", name=name)
    return scale(frame)


def _normalised(x):
    """Batch normalisation with the code's momentum and epsilon."""
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)


def _stem(frame, width, name):
    """Four convolutions of a frame `(b, S, S, 1)`, to `(b, S/2, S/2, width)`."""
    x = frame
    for i, filters in enumerate((width // 2, width // 2, width, width)):
        if i:
            x = keras.layers.Activation("gelu")(x)
        stride = 1 if i else 2
        x = _normalised(keras.layers.Conv2D(filters, 3, stride, "same", name=f"{name}_{i}")(x))
    return x


def _stages(x, widths, depths, num_heads, stochastic_depth):
    """Retention blocks; each stage but the first at half the resolution of the one before."""
    done, last = 0, max(sum(depths) - 1, 1)
    for i, (width, depth) in enumerate(zip(widths, depths)):
        if i:
            x = _normalised(keras.layers.Conv2D(width, 3, 2, "same", name=f"stage_{i}")(x))
        for _ in range(depth):
            x = RetentionBlock(
                width,
                num_heads,
                decay_range=DECAY_RANGES[i],
                axial=i < BY_ROWS_AND_COLUMNS,
                stochastic_depth=stochastic_depth * done / last,
                seed=done,
            )(x)
            done += 1
    return x


def _spatial(onset, width, depth, num_heads, before=None, behind=None):
    """The Transformer on the onset; maps `(b, S/16, S/16, width)` to be added, where given."""
    small = keras.layers.AveragePooling2D(16, name="small_onset")(onset)
    side = small.shape[1]
    tokens = keras.layers.Reshape((side * side, width))

    x = tokens(keras.layers.Dense(width, name="pixels")(small))  # (b, S/16 S/16, width)
    x = AddPositions(name="positions")(x)
    if before is not None:
        x = keras.layers.Add(name="fused")([x, tokens(before)])
    for i in range(depth):
        x = TransformerBlock(width, num_heads, mlp_ratio=4, dropout=0.0, seed=100 + i)(x)
    if behind is not None:
        x = keras.layers.Add(name="fused")([x, tokens(behind)])
    x = keras.layers.LayerNormalization(epsilon=1e-6)(x)
    return keras.layers.Reshape((side, side, width), name="spatial")(x)


def _brought_up(x, widths):
    """From the resolution and width of the last stage to those of the first."""
    for i in reversed(range(len(widths) - 1)):
        x = keras.layers.Conv2DTranspose(widths[i], 4, 2, "same", name=f"brought_up_{i}")(x)
    return x
