"""Options of a search, on top of those of `me_keras.loso`, which are what it starts from."""

import dataclasses

from me_keras.options import ManyRuns
from pipelines import cli
from pipelines.cli import option

TUNERS = ("random", "hyperband", "bayesian")
OBJECTIVES = {"uf1": "max", "uar": "max", "accuracy": "max", "loss": "min"}
SCOPES = ("development", "nested", "all")

# Options that older versions had -> what to use instead.
_NO_NETWORK = "is gone: trials run on --jobs processes, or on several machines with --executor ray"
GONE = {
    "workers": "is now --jobs",
    "port": _NO_NETWORK,
    "answer_timeout": _NO_NETWORK,
    "trial_timeout": "is gone: a trial runs until it ends; stop the command, and narrow --space",
}


@dataclasses.dataclass(frozen=True)
class TuningOptions:
    """What is searched, and how."""

    scope: str = option(
        "development",
        "development: some subjects are set apart for the search, the others are reported; "
        "nested: each held-out subject has a search of its own among the others; "
        "all: the search sees every subject, and every result is stamped with that",
        SCOPES,
        common=True,
    )
    tuner: str = option("random", "how the next trial is chosen", TUNERS, common=True)
    objective: str = option(
        "uf1",
        "what is sought, on predictions pooled over the inner folds",
        tuple(OBJECTIVES),
        common=True,
    )
    max_trials: int = option(
        20,
        "trials of a search, the options it starts from included",
        least=1,
        common=True,
        decides=False,
    )
    space: str = option(
        "small",
        "what is searched: small, full, or a JSON file of ranges",
        metavar="SPACE",
        common=True,
        decides=False,  # the parameters chosen do
    )
    only: tuple[str, ...] = option(
        (),
        "search only these options, e.g. learning_rate dropout",
        nargs="+",
        metavar="NAME",
        common=True,
        decides=False,
    )
    inner_folds: int = option(
        3, "folds inside a search, grouped by subject, stratified by class", least=2, common=True
    )
    development_share: float = option(
        0.4, "share of the subjects set apart for the search", within="(0, 1)", common=True
    )
    development_subjects: tuple[str, ...] = option(
        (), "set these subjects apart, instead of a drawn share", nargs="+", metavar="S"
    )
    report: bool = option(
        True, "evaluate the best options at the end, in OUT/report", common=True, decides=False
    )
    report_start: bool = option(
        False,
        "also evaluate the options that the search started from",
        common=True,
        decides=False,
    )
    max_failures: int = option(
        3, "failed trials in a row that end the search; 0: never", least=0, decides=False
    )

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class SearchOptions(ManyRuns):
    """A search. `out` is its folder, by default tuning/<dataset>-<scope>-<tuner>."""

    search: TuningOptions = TuningOptions()
