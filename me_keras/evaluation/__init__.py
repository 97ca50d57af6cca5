"""From folds to pooled scores and reports: what is held out, trained, kept and printed."""

KEPT = "finished folds are kept, the same command goes on from here"
