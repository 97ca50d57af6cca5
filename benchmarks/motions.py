"""What a motion is worth to recognition: one model, one protocol, the motion learned or classical.

Leave-one-subject-out on a rendered database whose motion is small, with every motion and seed;
each flow beside the learned displacement, with a bootstrap interval over the same drawn subjects.
"""

import dataclasses
import pathlib
import sys
import tempfile

import numpy as np

from benchmarks import report
from benchmarks.measure import Output
from pipelines import cli
from pipelines.cli import option
from pipelines.synthetic import BLEND
from pipelines.synthetic.options import SynthesisConfig

DRAWS = 2000  # of the subjects
QUICK = {"image_size": 32, "filters": (4, 6, 8), "hidden_dim": 8, "num_heads": 2}
QUICK |= {"batch_size": 4, "epochs": 1, "warmup_epochs": 1}


@dataclasses.dataclass(frozen=True)
class MotionsOptions:
    """What is rendered and trained."""

    output: Output = Output()
    motions: tuple[str, ...] = option(
        ("dgm", "farneback", "dis", "tvl1"), "motions; the first is compared with", nargs="+"
    )
    num_subjects: int = option(SynthesisConfig.num_subjects, "rendered people", least=2)
    amplitude_px: float = option(SynthesisConfig.amplitude_px, "mean motion at the apex, px")
    blend: float = option(BLEND, "strength of an action unit of another emotion in each clip")
    noise: float = option(SynthesisConfig.noise, "sensor noise, grey levels")
    num_seeds: int = option(3, "repetitions", least=1)
    jobs: int = option(1, "processes that train folds", least=1)


def compare(options):
    """Renders, trains and scores."""
    import pandas as pd

    import me_keras
    from me_keras.evaluation.scores import subject_matrices
    from pipelines.synthetic.write import generate

    quick = options.output.quick
    config = SynthesisConfig(
        num_subjects=2 if quick else options.num_subjects,
        clips_per_class=1 if quick else SynthesisConfig.clips_per_class,
        amplitude_px=options.amplitude_px,
        noise=options.noise,
        blend=options.blend,
    )
    rows, matrices = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        generate(root / "rendered", config)
        for motion in options.motions:
            chosen = cli.replace(
                me_keras.Options(),
                dataset="smic",
                data_root=(str(root / "rendered"),),
                prepared=str(root / "prepared"),
                allow_missing=True,
                motion=motion,
                num_seeds=options.num_seeds,
                jobs=options.jobs,
                out=str(root / motion),
                **(QUICK if quick else {}),
            )
            found = me_keras.evaluate(chosen)
            table = pd.read_csv(root / motion / "predictions.csv")
            matrices[motion] = subject_matrices(table, len(found["per_class_f1"]))
            seconds = found["seconds_this_call"]
            rows[motion] = {**_scores(found), **_beside(matrices, motion), "seconds": seconds}
    people = f"{config.num_subjects} rendered people, {config.clips_per_class} clips of each class"
    shown = f"amplitude {config.amplitude_px:g} px, blend {config.blend:g}, "
    shown += f"noise {config.noise:g} grey levels"
    spread = "+- is over seeds, [ ] the 95 % interval over people"
    notes = {"database": f"{people}, {shown}", "seeds": f"0 to {options.num_seeds - 1}; {spread}"}
    return report.Result(rows=rows, notes=notes)


def _scores(found):
    """A run's scores, as text."""
    texts = {}
    for name in ("uf1", "uar"):
        value = found[name]
        low, high = value["ci95"]
        texts[name.upper()] = f"{value['mean']:.3f} +- {value['sd']:.3f} [{low:.3f}, {high:.3f}]"
    return texts


def _beside(matrices, motion):
    """How far the UF1 of the first motion is above this one's, on the same drawn people."""
    first = next(iter(matrices))
    if motion == first:
        return {f"UF1 of {first} above": ""}
    low, middle, high = paired_interval(matrices[first], matrices[motion])
    return {f"UF1 of {first} above": f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"}


def paired_interval(ours, theirs, seed=0):
    """Difference of the mean UF1 over seeds, with its 95 % bootstrap interval over subjects.

    Args:
        ours, theirs: `(seeds, subjects, k, k)` confusion matrices, subjects in the same order.
    Returns:
        tuple of floats: lower end, difference, upper end.
    """
    from me_keras import metrics

    count = ours.shape[1]
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=DRAWS)

    def uf1(matrices):
        return metrics.SCORES["uf1"](matrices).mean(axis=-1)

    some, others = (np.einsum("ds,eskl->dekl", drawn, m) for m in (ours, theirs))
    low, high = np.percentile(uf1(some) - uf1(others), [2.5, 97.5])
    return float(low), float(uf1(ours.sum(axis=1)) - uf1(theirs.sum(axis=1))), float(high)


main = report.command(compare, MotionsOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
