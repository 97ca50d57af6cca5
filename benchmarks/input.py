"""Speed of the input pipeline alone: python -m benchmarks.input

Prints training pairs per second and what changing fold costs, beside the machine's matrix
product rate, on random frames: the pipeline's work does not depend on what they show.
"""

import argparse
import dataclasses
import os
import pathlib
import statistics
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests"))

import numpy as np
import tensorflow as tf
from prepared_fixture import write_prepared

from pipelines import dataset


def pairs_per_second(make, prepared, config, steps=400):
    """Median of five runs of `steps` batches, after a warm-up."""
    batches = iter(make(prepared, np.arange(len(prepared)), config, 0))
    rates = []
    for _ in range(6):
        start = time.perf_counter()
        for _ in range(steps // 5):
            next(batches)
        rates.append(steps // 5 * config.batch_size / (time.perf_counter() - start))
    return statistics.median(rates[1:])


def fold_milliseconds(prepared, config, folds=10):
    """Median time to make a fold's training dataset, and from there to its first batch."""
    made, first = [], []
    for fold in range(folds + 1):
        rows = np.delete(np.arange(len(prepared)), fold)
        start = time.perf_counter()
        batches = dataset.make_train(prepared, rows, config, fold)
        ready = time.perf_counter()
        next(iter(batches))
        made.append(1e3 * (ready - start))
        first.append(1e3 * (time.perf_counter() - ready))
    return statistics.median(made[1:]), statistics.median(first[1:])


def sgemm_gflops(size=2048):
    a = tf.random.normal((size, size))
    rates = []
    for _ in range(5):
        start = time.perf_counter()
        tf.matmul(a, a).numpy()
        rates.append(2 * size**3 / (time.perf_counter() - start) / 1e9)
    return max(rates)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--image-size", type=int, default=128)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--clips", type=int, default=164)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clips = [{"subject": i // 10, "label": i % 3, "num_frames": 32} for i in range(args.clips)]
        path = write_prepared(pathlib.Path(folder) / "p", clips, args.image_size, 8)
        start = time.perf_counter()
        prepared = dataset.open_prepared(path)
        print(f"open {prepared.frames.nbytes / 2**20:.0f} MiB: {time.perf_counter() - start:.2f} s")
    config = dataset.DatasetConfig(batch_size=args.batch_size)
    noisy = dataclasses.replace(config, noise=0.01)
    rates = {
        "train": pairs_per_second(dataset.make_train, prepared, config),
        "train, noise": pairs_per_second(dataset.make_train, prepared, noisy, 100),
        "wide pairs": pairs_per_second(dataset.make_pairs, prepared, config),
    }
    for name, rate in rates.items():
        print(f"{name}: {rate:,.0f} pairs/s at {args.image_size} px, batch {args.batch_size}")
    made, first = fold_milliseconds(prepared, config)
    print(f"new fold: {made:.1f} ms, then {first:.0f} ms to its first batch")
    print(f"{os.cpu_count()} cores, sgemm {sgemm_gflops():.0f} GFLOP/s")


if __name__ == "__main__":
    main()
