"""python -m pipelines.synthetic: renders a synthetic micro-expression database."""

import dataclasses
import sys
from typing import Optional

from pipelines import cli, schema
from pipelines.synthetic.knobs import SynthesisConfig


@dataclasses.dataclass(frozen=True)
class Command(SynthesisConfig):
    """The flags of the command."""

    out: str = cli.option("synthetic", "folder to make; replaced if it is a synthetic database")
    workers: Optional[int] = cli.option(None, "processes (default: one per core)")


def main(argv=None):
    """Runs the command; returns its exit code."""
    command = cli.parse(
        Command,
        argv,
        "python -m pipelines.synthetic",
        "Renders a synthetic micro-expression database, with its ground truth.",
    )
    from pipelines.synthetic import write

    values = dataclasses.asdict(command)
    out, workers = values.pop("out"), values.pop("workers")
    try:
        write.generate(out, SynthesisConfig(**values), workers)
    except schema.DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    clips = command.num_subjects * command.clips_per_class * len(schema.CLASSES)
    print(f"{out}: {clips} clips of {command.num_subjects} subjects")
    return 0


if __name__ == "__main__":
    sys.exit(main())
