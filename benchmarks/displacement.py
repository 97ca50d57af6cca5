"""python -m benchmarks.displacement: how well displacement is measured on people not trained on.

Trains the displacement generator alone, by self-supervision, on synthetic subjects, and compares
it with classical flows on other synthetic subjects whose true displacement is known.
"""

import argparse
import dataclasses
import json
import sys
import time

import numpy as np

from me_keras import console
from me_keras.config import LosoConfig, with_presets

EDGE = 8  # aligned pixels left out at the border, where the face is cut off


def main(argv=None):
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.displacement", description=__doc__)
    parser.add_argument("--steps", type=int, default=1000, help="training steps of 32 pairs")
    parser.add_argument("--test-clips", type=int, default=48, help="pairs to compare on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE")
    arguments = parser.parse_args(argv)
    console.quiet_tensorflow()
    return console.guarded(compare, arguments)


def compare(arguments):
    """Trains, measures and prints the table."""
    onset, apex, truth = unseen_pairs(arguments.test_clips)
    trainer, seconds = trained(arguments)
    methods = {"zero": lambda first, second: np.zeros((*first.shape, 2)), **classical_flows()}
    methods["DGM"] = learned(trainer)
    rows = {name: measure(method, onset, apex, truth) for name, method in methods.items()}
    pairs = arguments.steps * trainer.config.batch_size
    motion = np.linalg.norm(truth, axis=-1)
    print(
        f"DGM trained on {pairs} pairs in {seconds:.0f} s ({pairs / seconds:.0f} pairs/s), seed "
        f"{arguments.seed}; {len(truth)} pairs of unseen subjects, motion {motion.mean():.2f} px "
        f"on average, 99th percentile {np.percentile(motion, 99):.2f} px"
    )
    print(f"{'':<12}{'error px':>10}{'gain':>8}{'ms a pair':>11}")
    for name, row in rows.items():
        print(f"{name:<12}{row['error_px']:>10.4f}{row['gain']:>8.3f}{row['ms']:>11.2f}")
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"steps": arguments.steps, "seed": arguments.seed, "rows": rows}, file)


def unseen_pairs(count):
    """Aligned onset and apex of synthetic people, and the true displacement between them.

    Returns:
        `(n, S, S)` uint8 twice, and `(n, S, S, 2)` float32 px; S = 128.
    """
    from pipelines.faces import align
    from pipelines.schema import CLASSES
    from pipelines.synthetic import clip, plan

    # People are drawn by seed: none of these is trained on. Their heads keep still, so that what
    # is measured is the displacement and not the alignment.
    config = plan.SynthesisConfig(seed=1, drift=0.0)
    pairs = []
    for number in range(count):
        emotion = CLASSES[number % len(CLASSES)]
        spec = plan.draw_spec(config, 1 + number // 6, number % 6, emotion)
        frames = list(clip.render(spec, [0, spec.apex]))
        aligned = align.align_clip(frames, margin=0, rigid=False)
        truth = clip.aligned_displacement(spec, aligned.matrix, aligned.frames.shape[1])
        pairs.append((aligned.frames[0, ..., 0], aligned.frames[1, ..., 0], truth))
    return tuple(np.stack(column) for column in zip(*pairs))


def trained(arguments):
    """A `Trainer` whose displacement generator is trained, and the seconds that took."""
    from me_keras import loso

    config = LosoConfig(seed=arguments.seed)
    kinds = {f.name: type(getattr(config, f.name)) for f in dataclasses.fields(config)}
    changes = dict(pair.split("=", 1) for pair in arguments.set)
    changes = {name: kinds[name](value) for name, value in changes.items()}
    config = dataclasses.replace(config, warmup_epochs=max(1, arguments.steps // 50), **changes)
    prepared, _ = loso.load_data(config)
    config = with_presets(config, prepared.kind)
    trainer = loso.make_trainer(config, prepared, steps_per_epoch=50)
    trainer.reset(arguments.seed)
    pairs = loso.Datasets(prepared, config).pairs(np.arange(len(prepared)), arguments.seed)
    start = time.perf_counter()
    trainer.warm_up(pairs, lambda values: print(values, file=sys.stderr))
    return trainer, time.perf_counter() - start


def learned(trainer):
    """The displacement generator as a function of two grey images."""
    import keras
    import tensorflow as tf

    outputs = trainer.model.output["displacement"]
    call = tf.function(keras.Model(trainer.generator.input, outputs))

    def displacement(first, second):
        images = [
            tf.constant(image[None, ..., None] / 255, tf.float32) for image in (first, second)
        ]
        return call({"onset": images[0], "apex": images[1]}).numpy()[0]

    return displacement


def classical_flows():
    """Name -> function of two grey images."""
    from pipelines import flow

    names = {"Farneback": flow.farneback, "DIS": flow.dis, "TV-L1": flow.tvl1}
    return {
        name: lambda first, second, method=method: method(np.stack([first, second]))[..., :2]
        for name, method in names.items()
    }


def measure(method, onset, apex, truth):
    """Mean end-point error (px), reconstruction gain, and median time of one pair (ms)."""
    import cv2

    inside = (slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    method(onset[0], apex[0])  # buffers and graphs are made at the first call
    errors, times, left, before = [], [], 0.0, 0.0
    rows, columns = np.mgrid[: onset.shape[1], : onset.shape[2]].astype(np.float32)
    for first, second, true in zip(onset, apex, truth):
        start = time.perf_counter()
        found = np.asarray(method(first, second), np.float32)
        times.append(time.perf_counter() - start)
        errors.append(np.linalg.norm(found - true, axis=-1)[inside].mean())
        x, y = columns + found[..., 0], rows + found[..., 1]
        second = second.astype(np.float32)
        warped = cv2.remap(second, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        left += np.abs(warped - first)[inside].mean()
        before += np.abs(second - first)[inside].mean()
    return {
        "error_px": float(np.mean(errors)),
        "gain": float(1 - left / before),
        "ms": float(1e3 * np.median(times)),
    }


if __name__ == "__main__":
    sys.exit(main())
