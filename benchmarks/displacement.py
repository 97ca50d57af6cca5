"""How well displacement is measured on people not trained on.

Trains the displacement generator alone, by self-supervision, on synthetic subjects, and compares
it with classical flows on other synthetic subjects whose true displacement is known.
"""

import dataclasses
import sys
import time

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchOptions
from pipelines.cli import option

EDGE = 8  # aligned pixels left out at the border, where the face is cut off
EPOCH = 50  # steps


@dataclasses.dataclass(frozen=True)
class DisplacementOptions:
    """What is trained and compared."""

    bench: BenchOptions = BenchOptions()
    steps: int = option(1000, "training steps", least=1)
    test_clips: int = option(48, "pairs to compare on", least=1)
    seed: int = option(0, "of the weights and of the training pairs")


def compare(options):
    """Trains and measures."""
    onset, apex, truth = unseen_pairs(options.test_clips)
    trainer, batch_size, seconds = trained(options)
    methods = {"zero": lambda first, second: np.zeros((*first.shape, 2)), **classical_flows()}
    methods["DGM"] = learned(trainer)
    rows = {name: errors(method, onset, apex, truth) for name, method in methods.items()}
    pairs, motion = options.steps * batch_size, np.linalg.norm(truth, axis=-1)
    notes = {
        "DGM": f"trained on {pairs} pairs in {seconds:.0f} s ({pairs / seconds:.0f} pairs/s), seed "
        f"{options.seed}",
        "compared on": f"{len(truth)} pairs of unseen subjects, motion {motion.mean():.2f} px on "
        f"average, 99th percentile {np.percentile(motion, 99):.2f} px",
    }
    return report.Result(notes=notes, rows=rows)


def unseen_pairs(count):
    """Aligned onset and apex of synthetic people, and the true displacement between them.

    Returns:
        `(n, S, S)` uint8 twice, and `(n, S, S, 2)` float32 px; S = 128.
    """
    from pipelines.faces import align
    from pipelines.schema import CLASSES
    from pipelines.synthetic import clip, plan
    from pipelines.synthetic.options import SynthesisConfig

    # People are drawn by seed: none of these is trained on. Their heads keep still, so that what
    # is measured is the displacement and not the alignment.
    config = SynthesisConfig(seed=1, drift=0.0)
    pairs = []
    for number in range(count):
        emotion = CLASSES[number % len(CLASSES)]
        spec = plan.draw_spec(config, 1 + number // 6, number % 6, emotion)
        frames = list(clip.render(spec, [0, spec.apex]))
        aligned = align.align_clip(frames, margin=0, rigid=False)
        truth = clip.aligned_displacement(spec, aligned.matrix, aligned.frames.shape[1])
        pairs.append((aligned.frames[0, ..., 0], aligned.frames[1, ..., 0], truth))
    return tuple(np.stack(column) for column in zip(*pairs))


def trained(options):
    """A `Trainer` whose generator is trained, the batch size, and the seconds that took."""
    from me_keras.evaluation import data

    epochs = max(1, options.steps // EPOCH)
    chosen = setting.options_of(options.bench, seed=options.seed, warmup_epochs=epochs)
    prepared, _ = data.load_data(chosen)
    trainer = data.make_trainer(chosen, prepared, steps_per_epoch=EPOCH)
    trainer.reset(options.seed)
    pairs = data.Datasets(prepared, chosen.data).pairs(np.arange(len(prepared)), options.seed)
    start = time.perf_counter()
    trainer.warm_up(pairs)
    return trainer, chosen.data.batch_size, time.perf_counter() - start


def learned(trainer):
    """The displacement generator as a function of two grey images."""
    import keras
    import tensorflow as tf

    outputs = trainer.model.output["displacement"]
    call = tf.function(keras.Model(trainer.generator.input, outputs))

    def displacement(first, second):
        pair = [tf.constant(image[None, ..., None] / 255, tf.float32) for image in (first, second)]
        return call({"onset": pair[0], "apex": pair[1]}).numpy()[0]

    return displacement


def classical_flows():
    """Name -> function of two grey images, with the settings of `pipelines.flow`."""
    from pipelines import flow

    names = {"TV-L1": flow.tvl1, "DIS": flow.dis, "Farneback": flow.farneback}
    return {
        name: lambda first, second, method=method: method(np.stack([first, second]))[..., :2]
        for name, method in names.items()
    }


def errors(method, onset, apex, truth):
    """Mean end-point error (px), reconstruction gain, and median time of one pair (ms)."""
    import cv2

    inside = (slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    method(onset[0], apex[0])  # buffers and graphs are made at the first call
    apart, times, left, before = [], [], 0.0, 0.0
    rows, columns = np.mgrid[: onset.shape[1], : onset.shape[2]].astype(np.float32)
    for first, second, true in zip(onset, apex, truth):
        start = time.perf_counter()
        found = np.asarray(method(first, second), np.float32)
        times.append(time.perf_counter() - start)
        apart.append(np.linalg.norm(found - true, axis=-1)[inside].mean())
        x, y = columns + found[..., 0], rows + found[..., 1]
        second = second.astype(np.float32)
        warped = cv2.remap(second, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        left += np.abs(warped - first)[inside].mean()
        before += np.abs(second - first)[inside].mean()
    return {
        "error px": float(np.mean(apart)),
        "gain": float(1 - left / before),
        "ms a pair": float(1e3 * np.median(times)),
    }


main = report.command(compare, DisplacementOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
