"""Options of an ablation, on top of those of `me_keras.loso`, which are its reference."""

import dataclasses
from typing import Optional

from me_keras.options import ManyRuns
from pipelines import cli
from pipelines.cli import option


@dataclasses.dataclass(frozen=True)
class GridOptions:
    """What is switched, one at a time."""

    factors: tuple[str, ...] = option(
        (),
        "only these factors of the grid, e.g. motion fusion (default: all)",
        nargs="+",
        metavar="FACTOR",
        common=True,
        decides=False,
    )
    grid: Optional[str] = option(
        None,
        "JSON file of the rows, instead of the grid that comes with the package",
        metavar="FILE",
        common=True,
        decides=False,
    )
    print_grid: bool = option(
        False,
        "print the grid as --grid takes it, without what does not apply here, and end",
        common=True,
        decides=False,
    )

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class AblationOptions(ManyRuns):
    """An ablation. `out` is its folder, by default runs/ablation/<dataset>-<model>-<digest>."""

    ablation: GridOptions = GridOptions()
