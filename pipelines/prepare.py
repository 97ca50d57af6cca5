"""From a copy of a database on disk to aligned TFRecords and their manifest.

`python -m me_keras.loso` prepares by itself, into the same folder; this does only that.
"""

import dataclasses
import sys
from typing import Optional

from pipelines import cli
from pipelines.options import PreparationOptions


@dataclasses.dataclass(frozen=True)
class PrepareOptions:
    """Where to, and how."""

    preparation: PreparationOptions = PreparationOptions()
    out: Optional[str] = cli.option(
        None,
        "folder to write; an earlier one that was prepared is replaced (default: "
        "prepared/<dataset>-<digest of these options>)",
        metavar="DIR",
        common=True,
    )
    jobs: int = cli.option(0, "parallel processes; 0 for one per core", least=0, common=True)

    def __post_init__(self):
        cli.check(self)


def main(argv=None) -> int:
    """Runs the command; returns its exit code, as `cli.run` does."""
    options, debug = cli.parse(PrepareOptions, argv, "python -m pipelines.prepare", __doc__)
    return cli.run(_prepare, options, stopped="interrupted: nothing was written", debug=debug)


def _prepare(options):
    from pipelines.prepared import prepare

    folder, manifest = prepare(options.preparation, options.out, options.jobs)
    for item in manifest["skipped"]:
        print(f"skipped {item['key']}: {item['reason']} ({item['path']})", file=sys.stderr)
    subjects = {clip["subject_key"] for clip in manifest["clips"]}
    print(
        f"{folder}: {len(manifest['clips'])} clips of {len(subjects)} subjects, "
        f"{len(manifest['skipped'])} skipped"
    )


if __name__ == "__main__":
    sys.exit(main())
