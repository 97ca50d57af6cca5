"""Renders a synthetic micro-expression database, with its truth."""

import dataclasses
import sys

from pipelines import cli, schema
from pipelines.synthetic.options import SynthesisConfig


@dataclasses.dataclass(frozen=True)
class Command:
    """Where to, and how"""

    synthesis: SynthesisConfig = SynthesisConfig()
    out: str = cli.option("synthetic", "folder to make; replaced if it is a synthetic database")
    jobs: int = cli.option(0, "parallel processes; 0 for one per core", least=0)

    def __post_init__(self):
        cli.check(self)


def main(argv=None) -> int:
    """Runs the command; returns its exit code."""
    renamed = {"workers": "jobs"}
    command, debug = cli.parse(
        Command, argv, "python -m pipelines.synthetic", __doc__, renamed=renamed
    )
    return cli.run(_render, command, stopped="stopped: nothing was written", debug=debug)


def _render(command):
    from pipelines.synthetic import write

    config = command.synthesis
    write.generate(command.out, config, command.jobs)
    clips = config.num_subjects * config.clips_per_class * len(schema.CLASSES)
    print(f"{command.out}: {clips} clips of {config.num_subjects} subjects")


if __name__ == "__main__":
    sys.exit(main())
