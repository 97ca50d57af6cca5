"""Time of a prediction, beside classical optical flows on the same pair.

The whole graph predicts: displacement generator and fusions, from grey frames to probabilities. The
flows only measure motion. The pair is a rendered face, aligned: the time of TV-L1 depends on what
is shown.
"""

import dataclasses
import functools
import sys

from benchmarks import report, setting
from benchmarks.measure import BenchOptions, in_turns
from me_keras import parallel
from pipelines.cli import option
from pipelines.schema import DataError

BATCH = 32


@dataclasses.dataclass(frozen=True)
class InferenceOptions:
    """Which model."""

    bench: BenchOptions = BenchOptions()
    saved_model: str = option(
        "",
        "version folder of an export, instead of an untrained model",
        metavar="DIR",
    )


def measure(options):
    """Measures the model on one pair and on a batch, and the flows."""
    import tensorflow as tf

    parallel.limit_threads()  # as the server does
    predict, size = _saved(options.saved_model) if options.saved_model else _fresh(options.bench)
    first, second = rendered_pair(size)
    one = [tf.constant(image[None, ..., None] / 255, tf.float32) for image in (first, second)]
    many = [tf.repeat(image, BATCH, axis=0) for image in one]
    calls = {"one": lambda: predict(*one), "batch": lambda: predict(*many)}
    calls |= {name: functools.partial(flow, first, second) for name, flow in flows().items()}
    seconds = in_turns(calls, options.bench.rounds, options.bench.least)
    one_pair, of_batch = 1e3 * seconds["one"], 1e3 * seconds["batch"] / BATCH  # ms a pair
    figures = []
    for name in flows():
        beside = (name, 1e3 * seconds[name], "ms")
        aim = "ratio <= 0.125" if name == "TV-L1" else ""
        figures.append(report.figure("prediction, one pair", one_pair, *beside, aim))
        figures.append(report.figure(f"prediction, one of a batch of {BATCH}", of_batch, *beside))
    notes = {
        "pair": f"{size} px",
        "graph": options.saved_model or "default model, untrained: weights do not change the time",
        "TV-L1, DIS, Farneback": "with the settings of pipelines/flow.py, chosen for precision",
    }
    return report.Result(figures, notes)


def _fresh(bench):
    """A function of onset and apex that waits for the probabilities, and its image size."""
    import tensorflow as tf

    options = setting.options_of(bench)
    recognise = setting.recogniser(setting.predictor(options))
    regions = {n: tf.constant(setting.batch(options, n)[0]["regions"]) for n in (1, BATCH)}

    def predict(onset, apex):
        return recognise(onset, apex, regions[len(onset)]).numpy()  # (b, k)

    return predict, options.data.preparation.image_size


def _saved(folder):
    """The same of an exported model."""
    import tensorflow as tf

    try:
        model = tf.saved_model.load(folder)
    except OSError as error:
        raise DataError(f"--saved-model {folder}: {str(error).splitlines()[0]}") from None
    if "serving_default" not in model.signatures:
        raise DataError(f"--saved-model {folder}: has no signature serving_default")

    def predict(onset, apex):  # through the model: a signature does not keep its variables alive
        return model.signatures["serving_default"](onset=onset, apex=apex)["probabilities"].numpy()

    inputs = model.signatures["serving_default"].structured_input_signature[1]
    return predict, inputs["onset"].shape[1]


def rendered_pair(size):
    """Onset and apex of a rendered, aligned face: (S, S) uint8 twice."""
    import cv2

    from benchmarks.moved_faces import rendered_clips

    onset, apex, _ = rendered_clips(1)
    shape = (size, size)
    return tuple(
        cv2.resize(frame[0], shape, interpolation=cv2.INTER_AREA) for frame in (onset, apex)
    )


def flows():
    """Name -> function of two (h, w) uint8 images."""
    import cv2
    import numpy as np

    from benchmarks.displacement import classical_flows

    default = cv2.optflow.DualTVL1OpticalFlow.create()
    return classical_flows() | {
        "TV-L1, OpenCV's defaults": lambda a, b: default.calc(a, b, np.empty(0))
    }


main = report.command(measure, InferenceOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
