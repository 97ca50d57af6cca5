"""The rendered people on whom the benchmarks score systems, and how they write scores."""

import dataclasses

from me_keras.evaluation import paired
from pipelines import cli
from pipelines.cli import option
from pipelines.synthetic import BLEND
from pipelines.synthetic.options import SynthesisConfig

SPREAD = "+- is over seeds, [ ] the 95 % interval over people"
# A model and a training of no use, quickly traced.
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


def above(ours, theirs):
    """How far our UF1 is above theirs, with its interval, as text. Args as `paired.difference`."""
    low, middle, high = paired.difference(ours, theirs)
    return f"{middle:+.3f} [{low:+.3f}, {high:+.3f}]"
