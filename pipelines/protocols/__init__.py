"""Protocols as data: which clips, which classes, who is held out, and what a whole copy gives.

A protocol says of a clip, by its database and its emotion word (or objective class), which label it
has; a clip it does not name, or leaves out by name, has none (-1). Clips are prepared once: labels
are looked up again from the manifest, so another protocol needs no other preparation.
"""

from pipelines.protocols.lookup import (
    apply,
    choose,
    differences,
    groups,
    labels,
    left_out,
    listing,
    lost,
    names,
    summary,
)
from pipelines.protocols.types import HOLDOUT, LOSO, SPLITS, TRAIN, Expected, Protocol

__all__ = ["HOLDOUT", "LOSO", "SPLITS", "TRAIN", "Expected", "Protocol", "apply", "choose"]
__all__ += ["differences", "groups", "labels", "left_out", "listing", "lost", "names"]
__all__ += ["summary"]
