"""All systems under one protocol: one table of a database, by one command.

The first model is compared with each other one on the same clips and people: the difference of UF1
with its 95 % bootstrap interval, and p of a paired permutation test over people, corrected for the
number of comparisons (Holm). Stopped, the same command goes on where it was.
"""

import dataclasses
import pathlib
import shlex
import sys
from typing import Optional

import numpy as np

from benchmarks import people, report
from benchmarks.measure import Output
from me_keras.evaluation import paired
from me_keras.models import MODELS
from me_keras.options import RENAMED, Options, resolve
from pipelines import cli, files, protocols, synthetic
from pipelines.cli import option
from pipelines.databases import DATABASES
from pipelines.progress import say
from pipelines.schema import OptionError

QUICK_MODELS = ("frl_dgt", "ststnet", "ridge")
# Options of me_keras.loso that are decided here; and a shard has no scores.
OURS = ("dataset", "data_root", "model", "num_seeds", "num_folds", "jobs", "out", "shard")


@dataclasses.dataclass(frozen=True)
class SystemsOptions(people.People):
    """What is trained, and on what."""

    output: Output = Output()
    models: tuple[str, ...] = option(
        tuple(MODELS), "the first is compared with", tuple(MODELS), "M", "+"
    )
    dataset: str = option("synthetic", "database; synthetic is rendered here", tuple(DATABASES))
    data_root: Optional[tuple[str, ...]] = option(
        None, "folder of the copy, as me_keras.loso takes it", None, "DIR", "+"
    )
    num_subjects: int = option(40, "rendered people", least=2)
    num_seeds: int = option(3, "repetitions; one for scikit-learn's, which draw nothing", least=1)
    num_folds: Optional[int] = option(
        None, "folds of several subjects each (default: leave one out)", metavar="N", least=2
    )
    jobs: int = option(1, "processes that train folds", least=1)
    out: str = option("runs/systems", "folder of the runs, of each database and model one")
    loso: str = option("", "more options of me_keras.loso: --loso='--image-size 64 --epochs 20'")


def compare(options):
    """Renders, trains, scores and compares."""
    import me_keras
    from me_keras.evaluation import data

    base, folder, database = _setting(options)
    asked, sizes, left_out = _choose(options, base)
    rows, matrices, found = {}, {}, {}
    for number, (name, chosen) in enumerate(asked.items(), start=1):
        say(f"{name}, model {number} of {len(asked)}")
        found = me_keras.evaluate(cli.replace(chosen, out=str(folder / name)))
        data.forget_trainers()
        matrices[name], seconds = _pooled(found)
        costs = {"parameters": sizes[name], "seconds per fold": seconds}
        rows[name] = {**scores(found), **costs, "motion": found["motion"]}
    for name, columns in beside(matrices).items():
        rows[name] |= columns
    counts, folds = found["counts"], f", {base.run.num_folds} folds" * bool(base.run.num_folds)
    notes = {
        "database": f"{database}: {counts['clips']} clips of {counts['subjects']} people",
        "protocol": f"{found['protocol']}{folds}; runs in {folder}",
        "seeds": f"{options.num_seeds}, one for scikit-learn's; {people.SPREAD}",
        "seconds per fold": "median; motion, and what scikit-learn is given, are computed before",
        "p": f"paired permutation of people, corrected for {len(rows) - 1} comparisons (Holm)",
        **{f"without {name}": why for name, why in left_out.items()},
        **({"tuned": found["tuned_on"]["note"]} if found["tuned_on"] else {}),
    }
    return report.Result(rows=rows, notes=notes)


def _setting(options):
    """tuple of the `Options` all models share, the folder of their runs, and what is in it."""
    quick, words = options.output.quick, shlex.split(options.loso)
    base, _ = cli.parse(Options, words, "--loso", "Options of all models.", renamed=RENAMED)
    for name in OURS:
        if cli.value_of(base, name) != cli.value_of(Options(), name):
            raise OptionError(f"--loso: leave out --{name.replace('_', '-')}, it is decided here")
    shared = ("dataset", "data_root", "jobs", "num_folds")
    base = cli.replace(base, **{name: getattr(options, name) for name in shared})
    base = cli.replace(base, num_folds=2, **people.QUICK) if quick else base
    protocols.choose(base.dataset, base.data.protocol)
    folder = pathlib.Path(options.out, base.dataset + "-quick" * quick)
    if base.dataset != "synthetic" or options.data_root:
        return base, folder, base.dataset
    config = options.config(quick, frame_size=synthetic.SMALL)
    folder = folder.with_name(f"{folder.name}-{files.digest(dataclasses.asdict(config))}")
    root = str(synthetic.ensure(folder / "rendered", config))
    prepared = base.data.prepared or str(folder / "prepared")
    return cli.replace(base, data_root=(root,), prepared=prepared), folder, people.rendered(config)


def _choose(options, base):
    """tuple of three dicts by model: its `Options`, its parameters; of the others why it cannot."""
    from me_keras import parallel, training
    from me_keras.ablation.run import num_parameters
    from me_keras.evaluation.data import forget_trainers
    from pipelines.prepared import ensure_prepared

    data = base.data
    _, manifest = ensure_prepared(data.preparation, data.prepared, 0, data.protocol)
    parallel.set_up(base.execution)  # before TensorFlow's first operation
    training.make_deterministic(base.training.tf32)
    num_classes = len(protocols.choose(base.dataset, data.protocol).classes)
    quick = options.output.quick and options.models == tuple(MODELS)
    asked, sizes, left_out = {}, {}, {}
    for name in QUICK_MODELS if quick else options.models:
        seeds = 1 if MODELS[name].classical else options.num_seeds
        try:
            chosen = resolve(cli.replace(base, model=name, num_seeds=seeds), manifest["kind"])
            found = num_parameters(chosen, manifest["image_size"], num_classes)
            sizes[name] = "-" if found is None else found
            asked[name] = chosen
        except ValueError as error:  # of the options, or the model cannot be so small
            left_out[name] = str(error).splitlines()[0]
    forget_trainers()
    if not asked:
        raise OptionError(next(iter(left_out.values())))
    return asked, sizes, left_out


def _pooled(found):
    """A run's `(seeds, subjects, k, k)` confusion matrices, and the median seconds of its folds."""
    import pandas as pd

    from me_keras.evaluation import results
    from me_keras.evaluation.scores import subject_matrices

    table = pd.read_csv(pathlib.Path(found["out"], "predictions.csv"))
    folds = table[["seed", "group"]].drop_duplicates().itertuples(index=False)
    records = [results.read_fold(results.fold_path(found["out"], *fold)) for fold in folds]
    seconds = float(np.median([record["seconds"] for record in records]))
    return subject_matrices(table, len(found["classes"])), seconds


def scores(found):
    """A run's scores, as text; UF1 also of each database where there are several."""
    texts = {name.upper(): people.shown(found[name]) for name in ("uf1", "uar")}
    parts = {f"UF1 {n}": people.shown(part["uf1"]) for n, part in found["per_database"].items()}
    return {**texts, **(parts if len(parts) > 1 else {})}


def beside(matrices):
    """How far the first model is above each other one: dict of model -> two columns of text."""
    first, *others = matrices
    columns, ours = (f"UF1 of {first} above", "p"), matrices[first]
    tests = [paired.permutation_test(ours, matrices[name]) for name in others]
    rows = {first: dict.fromkeys(columns, "")}
    for name, p in zip(others, paired.holm(tests)):
        rows[name] = dict(zip(columns, (people.above(ours, matrices[name]), f"{p:.4f}")))
    return rows


main = report.command(compare, SystemsOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
