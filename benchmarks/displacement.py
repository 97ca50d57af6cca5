"""How well displacement is measured on people not trained on.

Trains the displacement generator alone, by self-supervision, on synthetic subjects, and compares
it with classical flows on other synthetic subjects whose true displacement is known. The strongest
of them, DIS at full resolution, is tuned here as well, on people who are in neither set.
"""

import dataclasses
import sys
import time
import typing

import numpy as np

from benchmarks import report, setting
from benchmarks.measure import BenchOptions
from pipelines.cli import option

EDGE = 8  # aligned pixels left out at the border, where the face is cut off
EPOCH = 50  # steps
MOTION = (0.0, 0.2, 0.5, 1.0, 2.0, np.inf)  # px, bounds of the classes of true motion
TUNING, TUNING_FROM = 12, 1000  # pairs that DIS is tuned on, and the first of their subjects


@dataclasses.dataclass(frozen=True)
class DisplacementOptions:
    """What is trained and compared."""

    bench: BenchOptions = BenchOptions()
    steps: int = option(1000, "training steps", least=1)
    test_clips: int = option(48, "pairs to compare on", least=1)
    seed: int = option(0, "first seed, of the weights and of the training pairs")
    num_seeds: int = option(1, "repetitions: seed, seed + 1, …", least=1)


def compare(options):
    """Trains and measures."""
    onset, apex, truth = unseen_pairs(options.test_clips)
    methods = {"zero": lambda first, second: np.zeros((*first.shape, 2)), **classical_flows()}
    iterations, methods["DIS, tuned"] = tuned_dis()
    rows = {name: errors(method, onset, apex, truth) for name, method in methods.items()}
    found, pairs, seconds = [], 0, 0.0
    for seed in range(options.seed, options.seed + options.num_seeds):
        trainer, batch_size, took = trained(options, seed)
        pairs, seconds = pairs + options.steps * batch_size, seconds + took
        found.append(errors(learned(trainer), onset, apex, truth))
    rows["DGM"] = {name: float(np.mean([row[name] for row in found])) for name in found[0]}
    spread = np.std([row["error px"] for row in found], ddof=min(len(found) - 1, 1))
    motion = np.linalg.norm(truth, axis=-1)
    notes = {
        "DGM": f"trained on {pairs} pairs in {seconds:.0f} s ({pairs / seconds:.0f} pairs/s), "
        f"seeds {options.seed} to {seed}: error {rows['DGM']['error px']:.4f} +- {spread:.4f} px",
        "DIS, tuned": f"{iterations} iterations of refinement, chosen on other people",
        "compared on": f"{len(truth)} pairs of unseen subjects, motion {motion.mean():.2f} px on "
        f"average, 99th percentile {np.percentile(motion, 99):.2f} px",
    }
    return report.Result(notes=notes, rows=rows)


def unseen_pairs(count, subject=1):
    """Aligned onset and apex of synthetic people, and the true displacement between them.

    Args:
        count: int, pairs; six of each person.
        subject: int, number of the first person.
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
        spec = plan.draw_spec(config, subject + number // 6, number % 6, emotion)
        frames = list(clip.render(spec, [0, spec.apex]))
        aligned = align.align_clip(frames, margin=0, rigid=False)
        truth = clip.aligned_displacement(spec, aligned.matrix, aligned.frames.shape[1])
        pairs.append((aligned.frames[0, ..., 0], aligned.frames[1, ..., 0], truth))
    return tuple(np.stack(column) for column in zip(*pairs))


def trained(options, seed):
    """A `Trainer` whose generator is trained, the batch size, and the seconds that took."""
    from me_keras.evaluation import data

    epochs = max(1, options.steps // EPOCH)
    chosen = setting.options_of(options.bench, seed=seed, warmup_epochs=epochs)
    prepared, _ = data.load_data(chosen)
    trainer = data.make_trainer(chosen, prepared, steps_per_epoch=EPOCH)
    trainer.reset(seed)
    pairs = data.Datasets(prepared, chosen.data).pairs(np.arange(len(prepared)), seed)
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


def tuned_dis():
    """DIS's medium preset with finest scale 0: (iterations, function of two grey images).

    The iterations of its variational refinement are the best of three on people of their own.
    """
    import cv2

    def flow(iterations):
        dis: typing.Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        dis.setFinestScale(0)
        dis.setVariationalRefinementIterations(iterations)
        return lambda first, second: dis.calc(first, second, None)

    others = unseen_pairs(TUNING, TUNING_FROM)
    best = min((3, 10, 20), key=lambda n: errors(flow(n), *others)["error px"])
    return best, flow(best)


def errors(method, onset, apex, truth):
    """How far a method is from the truth, over all pairs.

    Returns:
        dict of floats: mean end-point error (px), the same where the true motion is of each class
        in `MOTION` (NaN where there is none), mean angle to it where it is over 0.2 px (degrees),
        reconstruction gain, and median time of one pair (ms).
    """
    import cv2

    inside = (slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    method(onset[0], apex[0])  # buffers and graphs are made at the first call
    fields, times, left, before = [], [], 0.0, 0.0
    rows, columns = np.mgrid[: onset.shape[1], : onset.shape[2]].astype(np.float32)
    for first, second in zip(onset, apex):
        start = time.perf_counter()
        found = np.asarray(method(first, second), np.float32)
        times.append(time.perf_counter() - start)
        fields.append(found[inside])
        x, y = columns + found[..., 0], rows + found[..., 1]
        second = second.astype(np.float32)
        warped = cv2.remap(second, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        left += np.abs(warped - first)[inside].mean()
        before += np.abs(second - first)[inside].mean()
    found, true = np.stack(fields), truth[(slice(None), *inside)]
    apart, motion = np.linalg.norm(found - true, axis=-1), np.linalg.norm(true, axis=-1)
    turned = np.arctan2(*np.moveaxis(found, -1, 0)) - np.arctan2(*np.moveaxis(true, -1, 0))
    turned = np.abs(np.angle(np.exp(1j * turned)))[motion > MOTION[1]]
    by_motion = {}
    for low, high in zip(MOTION, MOTION[1:]):
        chosen = apart[(motion >= low) & (motion < high)]
        by_motion[f"{low:g}-{high:g} px"] = float(chosen.mean()) if chosen.size else float("nan")
    return {
        "error px": float(apart.mean()),
        "gain": float(1 - left / before),
        "ms a pair": float(1e3 * np.median(times)),
        "angle deg": float(np.degrees(turned.mean())) if turned.size else float("nan"),
        **by_motion,
    }


main = report.command(compare, DisplacementOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
