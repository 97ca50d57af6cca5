"""Time of an answer, beside classical optical flows on the same pair.

The whole graph answers: displacement generator and fusions, from grey frames to probabilities. The
flows only measure motion. The pair is a rendered face, aligned: the time of TV-L1 depends on what
is shown.
"""

import dataclasses
import functools
import sys

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchConfig, in_turns
from me_keras import console
from pipelines import cli
from pipelines.cli import option

BATCH = 32


@dataclasses.dataclass(frozen=True)
class InferenceConfig(BenchConfig):
    """What is asked."""

    saved_model: str = option(
        "",
        "version folder of an exported model to measure instead of an untrained default model",
        metavar="DIR",
    )


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(InferenceConfig, argv, "python -m benchmarks.inference", __doc__)
    console.quiet_tensorflow()
    return console.guarded(measure, config)


def measure(config):
    """Measures and prints the figures."""
    import tensorflow as tf

    options = setting.loso_config(config)
    answer, size = graph(config, options)
    first, second = rendered_pair(size)
    one = [tf.constant(image[None, ..., None] / 255, tf.float32) for image in (first, second)]
    many = [tf.repeat(image, BATCH, axis=0) for image in one]
    work = {"one": lambda: answer(*one), "batch": lambda: answer(*many)}
    work |= {name: functools.partial(flow, first, second) for name, flow in flows().items()}
    seconds = in_turns(work, config.repeats, config.least)
    one_pair, of_batch = 1e3 * seconds["one"], 1e3 * seconds["batch"] / BATCH  # ms a pair
    figures = []
    for name in flows():
        beside = (name, 1e3 * seconds[name], "ms")
        aim = "ratio <= 0.125" if name == "TV-L1" else ""
        figures.append(report.figure("answer, one pair", one_pair, *beside, aim))
        figures.append(report.figure(f"answer, one of a batch of {BATCH}", of_batch, *beside))
    notes = {
        "pair": f"{size} px",
        "graph": config.saved_model or "default model, untrained: weights do not change the time",
        "TV-L1, DIS, Farneback": "with the settings of pipelines/flow.py, chosen for precision",
    }
    report.finish(config, figures, notes)


def graph(config, options):
    """A function of onset and apex that waits for the probabilities, and its image size.

    Raises:
        ValueError: the folder holds no model, or one without `serving_default`.
    """
    import tensorflow as tf

    if config.saved_model:
        return _saved(config.saved_model)
    recognise = setting.recogniser(setting.predictor(options))
    regions = {n: tf.constant(setting.batch(options, n)[0]["regions"]) for n in (1, BATCH)}

    def answer(onset, apex):
        return recognise(onset, apex, regions[len(onset)]).numpy()  # (b, k)

    return answer, options.image_size


def _saved(folder):
    import tensorflow as tf

    try:
        model = tf.saved_model.load(folder)
    except OSError as error:
        raise ValueError(f"--saved-model {folder}: {str(error).splitlines()[0]}") from None
    if "serving_default" not in model.signatures:
        raise ValueError(f"--saved-model {folder}: has no signature serving_default")

    def answer(onset, apex):  # through the model: a signature does not keep its variables alive
        return model.signatures["serving_default"](onset=onset, apex=apex)["probabilities"].numpy()

    inputs = model.signatures["serving_default"].structured_input_signature[1]
    return answer, inputs["onset"].shape[1]


def rendered_pair(size):
    """Onset and apex of a rendered, aligned face: (S, S) uint8 twice."""
    import cv2

    from benchmarks.displacement import unseen_pairs

    onset, apex, _ = unseen_pairs(1)
    return tuple(
        cv2.resize(frame[0], (size, size), interpolation=cv2.INTER_AREA) for frame in (onset, apex)
    )


def flows():
    """Name -> function of two (h, w) uint8 images."""
    import cv2

    from pipelines import flow

    default = cv2.optflow.DualTVL1OpticalFlow.create()
    ours = {"TV-L1": flow.tvl1, "DIS": flow.dis, "Farneback": flow.farneback}
    work = {name: lambda a, b, call=call: call(np.stack([a, b])) for name, call in ours.items()}
    flow_of = default.calc
    return work | {"TV-L1, OpenCV's defaults": lambda a, b: flow_of(a, b, None)}  # type: ignore


if __name__ == "__main__":
    sys.exit(main())
