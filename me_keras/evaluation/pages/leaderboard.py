"""Runs side by side: those that were tested on the same clips, people and classes."""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from me_keras.evaluation import paired, results, scores
from me_keras.evaluation.pages import run_folder
from pipelines.schema import DataError, OptionError

NOT_COMPARED = ("model", "motion", "tuned_on")  # columns of their own, and no option of a training


@dataclasses.dataclass(frozen=True)
class Row:
    """A run in the comparison. Scores are mean over seeds; None or NaN is not known.

    Attributes:
        name: of its folder, with so many folders above it that it is the only one of this name.
        run: `RunFolder`.
        differs: dict of option -> (value, value of the reference), where they differ.
        difference: of UF1, reference less this run: (low, difference, high); None for the
            reference itself.
        p, p_holm: of the permutation test; None where seeds cannot be paired.
    """

    name: str
    run: run_folder.RunFolder
    differs: dict
    difference: tuple[float, float, float] | None = None
    p: float | None = None
    p_holm: float | None = None

    def score(self, name) -> dict:
        """`mean`, `sd` (None for one seed), `low` and `high` of uf1, uar or accuracy."""
        found = self.run.results[name]
        sd = found.get("sd") if len(self.run.seeds) > 1 else None
        low, high = found.get("ci95", (None, None))
        return {"mean": found["mean"], "sd": sd, "low": low, "high": high}


def read(folders) -> list[run_folder.RunFolder]:
    """The runs in these folders.

    Raises:
        OptionError: none, or a folder twice. DataError: not a run, not finished, damaged, or runs
            that cannot be compared; names them.
    """
    if not folders:
        raise OptionError("name the folders of the runs: python -m me_keras.compare RUN [RUN …]")
    known: dict = {}
    for folder in folders:
        place = pathlib.Path(folder).resolve()
        if place in known:
            raise OptionError(f"{folder} is given twice: leave one out")
        known[place] = folder
    runs = [run_folder.read(folder) for folder in folders]
    for run in runs[1:]:
        _check(runs[0], run)
    return runs


def _check(first, other):
    """Raises DataError where two runs were not tested alike."""
    people, clips = (_only(first, other, column) for column in ("subject_key", "key"))
    facts = [
        ("database", *(run.options.dataset for run in (first, other))),
        ("protocol", *(_protocol(run) for run in (first, other))),
        ("classes", *(", ".join(run.classes) for run in (first, other))),
        ("people held out", *people),
        ("clips", *clips),
        ("--num-folds", *(run.options.run.num_folds or "none" for run in (first, other))),
        ("prepared data, by digest", *(_digest(run) for run in (first, other))),
    ]
    for what, ours, theirs in facts:
        if ours != theirs and None not in (ours, theirs):
            raise DataError(
                f"{first.path} and {other.path} differ in {what} ({ours}; {theirs}): "
                "compare them apart"
            )
    for ours, theirs in zip(_clips(first), _clips(other)):
        if ours != theirs:
            raise DataError(
                f"{first.path} and {other.path} give {ours[0]} another subject, class or fold: "
                "compare them apart"
            )


def _protocol(run):
    return run.options.data.protocol or run.results.get("protocol")


def _digest(run):
    digest = run.config.get("data_digest")
    return digest and digest[:8]


def _only(first, other, column):
    """What only one of two runs has, in words: ours, theirs; equal where there is nothing."""
    ours, theirs = (set(run.predictions[column]) for run in (first, other))
    return _named(ours - theirs), _named(theirs - ours)


def _named(keys, most=3):
    named = ", ".join(sorted(keys)[:most])
    if not keys:
        return "no more"
    return f"also {named}" + (f" and {len(keys) - most} more" if len(keys) > most else "")


def _clips(run):
    columns = ["key", "subject_key", "label", "group"]
    table = run.predictions.drop_duplicates("key")[columns].sort_values("key")
    return table.itertuples(index=False, name=None)


def rank(runs, reference=None) -> list[Row]:
    """The rows of the comparison, the highest UF1 first; equal ones in the order given.

    Args:
        runs: list of `RunFolder` of the same clips, as `read`.
        reference: folder of the run that the others are compared with; default: the first row.
    Raises:
        OptionError: the reference is not among the runs.
    """
    order = sorted(runs, key=lambda run: -run.results["uf1"]["mean"])
    names = dict(zip([str(run.path) for run in order], unique_names([r.path for r in order])))
    base = order[0]
    if reference is not None:
        place = pathlib.Path(reference).resolve()
        found = [run for run in runs if run.path.resolve() == place]
        if not found:
            raise OptionError(f"--reference {reference} is none of the runs given: name it too")
        base = found[0]
    rows = [Row(names[str(run.path)], run, differing(run, base)) for run in order]
    others = [row for row in rows if row.run is not base]
    compared = dict(zip((row.name for row in others), _compared(base, others)))
    return [dataclasses.replace(row, **compared.get(row.name, {})) for row in rows]


def _compared(base, rows):
    """The differences of the reference to each row, and their corrected p-values."""
    ours = scores.subject_matrices(base.predictions, len(base.classes))
    found = []
    for row in rows:
        theirs = scores.subject_matrices(row.run.predictions, len(base.classes))
        p = None
        if len(ours) == len(theirs) or 1 in (len(ours), len(theirs)):
            p = paired.permutation_test(ours, theirs)
        found.append({"difference": paired.difference(ours, theirs), "p": p})
    known = [one["p"] for one in found if one["p"] is not None]
    corrected = iter(paired.holm(known)) if known else iter(())
    return [{**o, "p_holm": None if o["p"] is None else next(corrected)} for o in found]


def unique_names(paths) -> list[str]:
    """The shortest ends of paths that tell them apart: ["a/report", "b/report"]."""
    parts = [pathlib.Path(path).resolve().parts for path in paths]
    names = []
    for own in parts:
        depth = 1
        while depth < len(own) and sum(other[-depth:] == own[-depth:] for other in parts) > 1:
            depth += 1
        names.append("/".join(own[-depth:]))
    return names


def differing(run, base) -> dict:
    """Options that may have changed the result and differ: name -> (value, that of `base`)."""
    ours, theirs = (results.decisive_options(r.options) for r in (run, base))
    names = set.intersection(*(run_folder.options_of(r.options.model.name) for r in (run, base)))
    return {
        name: (value, theirs[name])
        for name, value in ours.items()
        if name in names and name not in NOT_COMPARED and value != theirs[name]
    }


def table(rows):
    """A DataFrame of the comparison, a row per run, as compare.csv holds it."""
    import pandas as pd

    lines = []
    for row in rows:
        found = row.run.results
        line = {"run": str(row.run.path), "model": row.run.options.model.name}
        line |= {"motion": row.run.options.model.motion, "seeds": len(row.run.seeds)}
        for name in ("uf1", "uar", "accuracy"):
            score = row.score(name)
            line |= {f"{name}_{part}" if part != "mean" else name: score[part] for part in score}
        low, middle, high = row.difference or (np.nan,) * 3
        line |= {"reference_above": middle, "reference_above_low": low}
        line |= {"reference_above_high": high, "p": row.p, "p_holm": row.p_holm}
        line |= {f"f1_{name}": value for name, value in found.get("per_class_f1", {}).items()}
        for database, one in found.get("per_database", {}).items():
            line |= {f"{name}_{database}": one[name]["mean"] for name in ("uf1", "uar")}
        line |= {"parameters": found.get("parameters"), "seconds": found.get("seconds")}
        line["differs"] = plain_differences(row.differs)
        lines.append(line)
    return pd.DataFrame(lines)


def plain_differences(differs) -> str:
    """Options that differ from the reference's: "epochs 30, not 60; mirror 0.0, not 0.5"."""
    return "; ".join(
        f"{name} {_plain(ours)}, not {_plain(theirs)}" for name, (ours, theirs) in differs.items()
    )


def _plain(value):
    return " ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
