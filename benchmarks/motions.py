"""What a motion is worth to recognition: one model, one protocol, the motion learned or classical.

Leave-one-subject-out on a rendered database whose motion is small, with every motion and seed;
each flow beside the learned displacement, with a bootstrap interval over the same drawn subjects.
"""

import dataclasses
import pathlib
import sys
import tempfile

from benchmarks import report
from benchmarks.measure import Output
from me_keras.evaluation import paired
from pipelines import cli
from pipelines.cli import option
from pipelines.synthetic import BLEND
from pipelines.synthetic.options import SynthesisConfig

SPREAD = "+- is over seeds, [ ] the 95 % interval over people"
QUICK = {"image_size": 32, "filters": (4, 6, 8), "hidden_dim": 8, "num_heads": 2}
QUICK |= {"batch_size": 4, "epochs": 1, "warmup_epochs": 1}


@dataclasses.dataclass(frozen=True)
class People:
    """Who is rendered."""

    num_subjects: int = option(SynthesisConfig.num_subjects, "rendered people", least=2)
    clips_per_class: int = option(SynthesisConfig.clips_per_class, "of each of them", least=1)
    amplitude_px: float = option(SynthesisConfig.amplitude_px, "mean motion at the apex, px")
    blend: float = option(BLEND, "strength of an action unit of another emotion in each clip")
    noise: float = option(SynthesisConfig.noise, "sensor noise, grey levels")

    def __post_init__(self):
        cli.check(self)

    def config(self, quick=False, **changes):
        """The `SynthesisConfig`; `quick` is two people with a clip of each class."""
        few = {"num_subjects": 2, "clips_per_class": 1} if quick else {}
        chosen = {field.name: getattr(self, field.name) for field in dataclasses.fields(People)}
        return SynthesisConfig(**{**chosen, **few, **changes})


@dataclasses.dataclass(frozen=True)
class MotionsOptions(People):
    """What is rendered and trained."""

    output: Output = Output()
    motions: tuple[str, ...] = option(
        ("dgm", "farneback", "dis", "tvl1"), "motions; the first is compared with", nargs="+"
    )
    num_seeds: int = option(3, "repetitions", least=1)
    jobs: int = option(1, "processes that train folds", least=1)


def compare(options):
    """Renders, trains and scores."""
    import pandas as pd

    import me_keras
    from me_keras.evaluation.scores import subject_matrices
    from pipelines.synthetic.write import generate

    quick = options.output.quick
    config = options.config(quick)
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
            scores = {"UF1": shown(found["uf1"]), "UAR": shown(found["uar"])}
            rows[motion] = {**scores, **_beside(matrices, motion), "seconds": seconds}
    notes = {"database": rendered(config), "seeds": f"0 to {options.num_seeds - 1}; {SPREAD}"}
    return report.Result(rows=rows, notes=notes)


def rendered(config):
    """Whom a `SynthesisConfig` renders, in words."""
    return (
        f"{config.num_subjects} rendered people, {config.clips_per_class} clips of each class, "
        f"amplitude {config.amplitude_px:g} px, blend {config.blend:g}, "
        f"noise {config.noise:g} grey levels"
    )


def shown(score):
    """A score of results.json as text: mean, spread over seeds, interval over people."""
    spread = f" +- {score['sd']:.3f}" if len(score["per_seed"]) > 1 else ""
    interval = " [{:.3f}, {:.3f}]".format(*score["ci95"]) if "ci95" in score else ""
    return f"{score['mean']:.3f}{spread}{interval}"


def _beside(matrices, motion):
    """How far the UF1 of the first motion is above this one's, on the same drawn people."""
    first = next(iter(matrices))
    if motion == first:
        return {f"UF1 of {first} above": ""}
    return {f"UF1 of {first} above": above(matrices[first], matrices[motion])}


def above(ours, theirs):
    """How far our UF1 is above theirs, with its interval, as text. Args as `paired.difference`."""
    low, middle, high = paired.difference(ours, theirs)
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"


main = report.command(compare, MotionsOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
