"""What the benchmarks measure: the default model on 128 px, made data, and both as one trainer."""

import dataclasses
import shlex

import numpy as np

from me_keras.config import LosoConfig, with_presets
from pipelines import cli
from pipelines.schema import CLASSES, MIRRORED_REGIONS, REGIONS

SMIC = {"clips": 164, "subjects": 16, "num_frames": 34}  # SMIC-HS, frames of a clip on average
TINY = {"clips": 12, "subjects": 3, "num_frames": 6}
MARGIN = 8  # pixels around the image, for random shifts


def loso_config(config):
    """The `LosoConfig` that is measured, presets filled in.

    Args:
        config: a `BenchConfig`; `quick` makes everything tiny.
    Raises:
        ValueError: options that no benchmark can measure.
    """
    chosen = cli.parse(LosoConfig, shlex.split(config.loso), "--loso", "Options of the model.")
    if chosen.model != "frl_dgt" or chosen.motion not in (None, "dgm"):
        raise ValueError(
            "--loso: the benchmarks measure frl_dgt with its displacement generator; "
            f"leave out --model {chosen.model} --motion {chosen.motion}"
        )
    if config.quick:  # tiny models are faster in float32
        tiny = {
            "mixed_precision": "off",
            "image_size": 32,
            "filters": (4, 6, 8),
            "width": 8,
            "heads": 2,
            "batch_size": 4,
        }
        chosen = dataclasses.replace(chosen, **tiny)
    return with_presets(chosen, "frames")


def one_epoch(config):
    """The configuration with one epoch of warm-up and one of joint training."""
    return dataclasses.replace(config, epochs=1, warmup_epochs=1)


def precision(config):
    """What convolutions and matrix products are computed in when training: bfloat16 or float32."""
    return "bfloat16" if config.mixed_precision == "bfloat16" else "float32"


def predictor(config):
    """The model as it predicts and is exported, at the weights of seed 0: in float32 throughout."""
    return trainer(dataclasses.replace(config, mixed_precision="off"), 1).model


def trainer(config, steps_per_epoch):
    """A `Trainer` as folds use it, at the weights of seed 0."""
    from me_keras.training import Trainer, make_deterministic

    make_deterministic()
    made = Trainer(config, config.image_size, len(CLASSES), 0, steps_per_epoch, MIRRORED_REGIONS)
    made.reset(0)
    return made


def batch(config, size=None):
    """Inputs and labels of `size` pairs (default: a training batch), NumPy, noise for frames."""
    size = size or config.batch_size
    rng = np.random.default_rng(0)
    shape = (size, config.image_size, config.image_size, 1)
    inputs = {
        "onset": rng.random(shape, np.float32),
        "apex": rng.random(shape, np.float32),
        "regions": np.tile(boxes(), (size, 1, 1)),
    }
    return inputs, {"label": np.arange(size, dtype=np.int32) % len(CLASSES)}


def boxes():
    """(9, 4) float32 regions of about the usual size, at different places."""
    top_left = np.linspace((0.15, 0.1), (0.55, 0.6), len(REGIONS))
    return np.concatenate([top_left, top_left + (0.25, 0.3)], axis=1).astype(np.float32)


def recogniser(model):
    """The traced graph that answers: (onset, apex, regions), any batch -> (b, k) probabilities.

    As an exported model has it: from grey frames to classes, displacement generator and fusions
    in one graph. What nobody asks for, the full-resolution displacement say, is not computed.
    """
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, *model.input[name].shape[1:]), name=name)
            for name in ("onset", "apex", "regions")
        ]
    )
    def recognise(onset, apex, regions):
        inputs = {"onset": onset, "apex": apex, "regions": regions}
        return tf.nn.softmax(model(inputs, training=False)["logits"])  # (b, k)

    return recognise


def prepared(config, quick=False):
    """A prepared database of SMIC's size in memory, of noise: its cost does not depend on looks.

    Args:
        config: `LosoConfig`.
        quick: bool; a dozen short clips.
    Returns:
        `pipelines.prepared.Prepared`.
    """
    from pipelines.prepared.arrays import Prepared, aligned_empty

    size = TINY if quick else SMIC
    count, frames = size["clips"], size["num_frames"]
    side = config.image_size + 2 * MARGIN
    images = aligned_empty((count * frames, side, side), np.uint8)
    images[:] = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    subjects = np.sort(np.arange(count) % size["subjects"])
    subject_keys = np.array([f"made/s{subject:02d}" for subject in subjects])

    def column(value):
        return np.full(count, value, np.int32)

    return Prepared(
        path="",
        kind="frames",
        frame_size=side,
        image_size=config.image_size,
        digest="made",
        classes=CLASSES,
        frames=images,
        first=frames * np.arange(count, dtype=np.int32),
        onset=column(0),
        apex=column(frames // 2),
        offset=column(frames - 1),
        num_frames=column(frames),
        labels=np.arange(count, dtype=np.int32) % len(CLASSES),
        regions=np.tile(boxes(), (count, 1, 1)),
        keys=np.array([f"{key}/c{i:03d}" for i, key in enumerate(subject_keys)]),
        subject_keys=subject_keys,
        datasets=np.full(count, "made"),
    )
