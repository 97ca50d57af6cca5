"""Options of the search, on top of those of `me_keras.loso`, which are what it starts from."""

import dataclasses
from typing import Optional

from me_keras.config import LosoConfig
from pipelines.cli import option

TUNERS = ("random", "hyperband", "bayesian")
OBJECTIVES = {"uf1": "max", "uar": "max", "accuracy": "max", "loss": "min"}
SCOPES = ("development", "nested", "all")


@dataclasses.dataclass(frozen=True)
class TuneConfig(LosoConfig):
    """The search. All other options are what it starts from."""

    scope: str = option(
        "development",
        "development: some subjects are set apart for the search, the others are reported; "
        "nested: each held-out subject has a search of its own among the others; "
        "all: the search sees every subject, and every result is stamped with that",
        SCOPES,
    )
    tuner: str = option("random", "how the next trial is chosen", TUNERS)
    objective: str = option(
        "uf1", "what is sought, on predictions pooled over the inner folds", tuple(OBJECTIVES)
    )
    max_trials: int = option(20, "trials of a search, the options it starts from included")
    space: str = option(
        "small", "what is searched: small, full, or a JSON file of ranges", metavar="SPACE"
    )
    only: tuple[str, ...] = option(
        (), "search only these options, e.g. learning_rate width", nargs="+", metavar="NAME"
    )
    inner_folds: int = option(3, "folds inside a search, grouped by subject, stratified by class")
    development_share: float = option(0.4, "share of the subjects set apart for the search")
    development_subjects: tuple[str, ...] = option(
        (), "set these subjects apart, instead of a drawn share", nargs="+", metavar="S"
    )
    report: bool = option(True, "evaluate the best options at the end, in OUT/report")
    report_start: bool = option(False, "also evaluate the options that the search started from")
    workers: int = option(0, "processes that run trials; 0: this one")
    port: int = option(0, "port of the chief for the workers; 0: a free one", metavar="N")
    trial_timeout: int = option(
        3600, "seconds after which a trial of a worker is given up", metavar="S"
    )
    answer_timeout: int = option(
        600, "seconds a worker waits for an answer of the chief", metavar="S"
    )
    max_failures: int = option(3, "failed trials in a row that end the search; 0: never")
    out: Optional[str] = option(
        None,
        "folder of the search (default: tuning/<dataset>-<scope>-<tuner>); given again, the same "
        "command goes on there",
        metavar="DIR",
    )

    def __post_init__(self):
        super().__post_init__()
        lowest = {"max_trials": 1, "inner_folds": 2, "workers": 0, "port": 0, "max_failures": 0}
        for name, low in {**lowest, "trial_timeout": 1, "answer_timeout": 1}.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if self.shard or self.merge:
            raise ValueError("shard and merge are for me_keras.loso: a search has --workers")
        if self.strategy == "multiworker":
            raise ValueError("strategy multiworker is for me_keras.loso: trials run side by side")
        if self.port > 65535:
            raise ValueError(f"port must be at most 65535, got {self.port}")
        if not 0 < self.development_share < 1:
            raise ValueError(f"development_share must lie in (0, 1), got {self.development_share}")

    @property
    def start(self) -> LosoConfig:
        """The options of `me_keras.loso` among these."""
        names = LosoConfig.__dataclass_fields__
        return LosoConfig(**{name: getattr(self, name) for name in names})
