"""What the benchmarks measure: the default model on 128 px, random data, and both as a trainer."""

import shlex

import numpy as np

from pipelines import cli
from pipelines.schema import CLASSES, MIRRORED_REGIONS, REGIONS, OptionError

SMIC = {"clips": 164, "subjects": 16, "num_frames": 34}  # SMIC-HS, frames of a clip on average
TINY = {"clips": 12, "subjects": 3, "num_frames": 6}
MARGIN = 8  # pixels around the image, for random shifts
TINY_MODEL = {  # tiny models are faster in float32
    "mixed_precision": "off",
    "image_size": 32,
    "filters": (4, 6, 8),
    "hidden_dim": 8,
    "num_heads": 2,
    "batch_size": 4,
}


def options_of(bench, **changes):
    """The `me_keras.Options` that are measured, presets filled in.

    Args:
        bench: `BenchOptions`; `quick` makes everything tiny.
        **changes: options by name, over those.
    Raises:
        OptionError: options that no benchmark can measure.
    """
    from me_keras.options import RENAMED, Options, resolve

    words = shlex.split(bench.loso)
    chosen, _ = cli.parse(Options, words, "--loso", "Options of the model.", renamed=RENAMED)
    if chosen.model.name != "frl_dgt" or chosen.model.motion not in (None, "dgm"):
        raise OptionError(
            "--loso: the benchmarks measure frl_dgt with its displacement generator; "
            f"leave out --model {chosen.model.name} --motion {chosen.model.motion}"
        )
    chosen = cli.replace(chosen, **(TINY_MODEL if bench.quick else {}), **changes)
    chosen = resolve(chosen, "frames")
    from me_keras import distribution, parallel  # load TensorFlow: a wrong option is named before

    parallel.limit_threads()  # as the commands do
    precision = distribution.resolve_precision(chosen.training.mixed_precision)
    return cli.replace(chosen, mixed_precision=precision)


def trainer(options, steps_per_epoch):
    """A `Trainer` as folds use it, at the weights of seed 0."""
    from me_keras.training import Trainer, make_deterministic

    make_deterministic()
    size = options.data.preparation.image_size
    made = Trainer(options, size, len(CLASSES), 0, steps_per_epoch, MIRRORED_REGIONS)
    made.reset(0)
    return made


def predictor(options):
    """The model as it predicts and is exported, at the weights of seed 0: in float32 throughout."""
    return trainer(cli.replace(options, mixed_precision="off"), 1).model


def batch(options, size=None):
    """Inputs and labels of `size` pairs (default: a training batch), NumPy, noise for frames."""
    size, side = size or options.data.batch_size, options.data.preparation.image_size
    rng = np.random.default_rng(0)
    inputs = {name: rng.random((size, side, side, 1), np.float32) for name in ("onset", "apex")}
    inputs["regions"] = np.tile(boxes(), (size, 1, 1))
    return inputs, {"label": np.arange(size, dtype=np.int32) % len(CLASSES)}


def batches(options):
    """An endless dataset of one training batch."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(batch(options)).repeat()


def boxes():
    """(9, 4) float32 regions of about the usual size, at different places."""
    top_left = np.linspace((0.15, 0.1), (0.55, 0.6), len(REGIONS))
    return np.concatenate([top_left, top_left + (0.25, 0.3)], axis=1).astype(np.float32)


def recogniser(model):
    """The traced graph that predicts: (onset, apex, regions), any batch -> (b, k) probabilities.

    As an exported model has it: from grey frames to classes, displacement generator and fusions
    in one graph. What nobody asks for, the full-resolution displacement say, is not computed.
    """
    import tensorflow as tf

    names = ("onset", "apex", "regions")
    specs = [tf.TensorSpec((None, *model.input[name].shape[1:]), name=name) for name in names]

    @tf.function(input_signature=specs)
    def recognise(onset, apex, regions):
        inputs = {"onset": onset, "apex": apex, "regions": regions}
        return tf.nn.softmax(model(inputs, training=False)["logits"])  # (b, k)

    return recognise


def prepared(options, quick=False):
    """A `Prepared` database of SMIC's size in memory, of noise: its cost does not depend on looks.

    Args:
        quick: bool; a dozen short clips.
    """
    from pipelines.prepared.arrays import Prepared, aligned_empty

    size = TINY if quick else SMIC
    count, frames = size["clips"], size["num_frames"]
    image_size = options.data.preparation.image_size
    side = image_size + 2 * MARGIN
    images = aligned_empty((count * frames, side, side), np.uint8)
    images[:] = np.random.default_rng(0).integers(0, 256, images.shape, np.uint8)
    subjects = np.sort(np.arange(count) % size["subjects"])
    subject_keys = np.array([f"random/s{subject:02d}" for subject in subjects])
    numbers = np.arange(count, dtype=np.int32)
    return Prepared(
        path="",
        kind="frames",
        frame_size=side,
        image_size=image_size,
        digest="random",
        classes=CLASSES,
        frames=images,
        first=frames * numbers,
        onset=np.zeros_like(numbers),
        apex=np.full_like(numbers, frames // 2),
        offset=np.full_like(numbers, frames - 1),
        num_frames=np.full_like(numbers, frames),
        labels=numbers % len(CLASSES),
        regions=np.tile(boxes(), (count, 1, 1)),
        keys=np.array([f"{key}/c{i:03d}" for i, key in enumerate(subject_keys)]),
        subject_keys=subject_keys,
        datasets=np.full(count, "random"),
    )
