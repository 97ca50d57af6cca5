"""What is switched: one declaration, checked as a whole before anything is trained."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import pathlib
import re
import typing

from me_keras.ablation.options import AblationOptions
from me_keras.models import MODELS
from me_keras.options import (
    RENAMED,
    ExecutionOptions,
    ModelOptions,
    Options,
    RunOptions,
    TrainingOptions,
    resolve,
)
from pipelines import cli, databases, files
from pipelines.options import PreparationOptions
from pipelines.schema import OptionError

# factor -> row -> the options of `me_keras.loso` that it changes. Each row changes the reference,
# the options given, which by default is the full model. The first five factors are parts of the
# paper (FRL-DGT, CVPR 2023); their values, and the last two factors, are our choice.
GRID: dict[str, dict[str, dict[str, typing.Any]]] = {
    "motion": {
        "TV-L1 flow": {"motion": "tvl1"},
        "DIS flow": {"motion": "dis"},
        "Farnebäck flow": {"motion": "farneback"},
        "dynamic image": {"motion": "dynamic_image"},
        "difference image": {"motion": "difference"},
    },
    "fusion": {
        "no local fusion": {"local_fusion": False},
        "no global fusion": {"global_fusion": False},
        "no face fusion": {"face_fusion": False},
        "no fusion": {"local_fusion": False, "global_fusion": False, "face_fusion": False},
    },
    "order": {"linear fusion after attention": {"fusion_order": "after"}},
    "lambda": {
        "lambda 0": {"dgm_weight": 0.0},
        "lambda 0.1": {"dgm_weight": 0.1},
        "lambda 10": {"dgm_weight": 10.0},
    },
    "dgm": {
        "two-stage training": {"dgm": "two-stage"},
        "frozen after warm-up": {"dgm": "frozen"},
    },
    "key_frames": {
        "onset 2 frames later": {"shift_onset": 2},
        "apex 2 frames earlier": {"shift_apex": -2},
        "apex 2 frames later": {"shift_apex": 2},
    },
    "ours": {
        "no linear read-out": {"linear_readout": False},
        "no mirrored face in the test": {"mirror_test": False},
        "no known warps in warm-up": {"dgm_pretext": False},
        "generator from nothing": {"dgm_init": "none"},
    },
}

# Options of the displacement generator: without it they do nothing.
GENERATOR = (
    *("filters", "max_displacement", "dgm", "dgm_weight", "dgm_rate", "dgm_init", "dgm_pretext"),
    *("warmup_epochs", "reconstruction", "smoothness", "edge", "forward_backward"),
)
SHIFTS = ("shift_onset", "shift_apex")
LONGEST = 80  # characters of a folder's name

_OPTIONS = cli.leaves(Options)


@dataclasses.dataclass(frozen=True)
class Row:
    """One run of the table.

    Attributes:
        factor, label: what it is called.
        changes: name of an option -> its value in this row; empty for the reference.
        options: of the run, presets filled in.
    """

    factor: str
    label: str
    changes: dict
    options: Options

    def __str__(self):
        return f"{self.factor}, {self.label}" if self.changes else self.label

    @property
    def folder(self) -> str:
        """Name of the run's folder, by its options: a row that is renamed keeps its run."""
        parts = [f"{name}={_text(value)}" for name, value in sorted(self.changes.items())]
        name = re.sub(r"[^\w.=+-]", "_", "+".join(parts)) or "reference"
        return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{files.digest(name)}"


@dataclasses.dataclass(frozen=True)
class Grid:
    """The rows to train, and those that do not apply here.

    Attributes:
        reference: what all rows are compared with.
        rows: in the order of the table.
        left_out: (factor, label, why) of the others.
    """

    reference: Row
    rows: tuple[Row, ...]
    left_out: tuple[tuple[str, str, str], ...]

    @property
    def reasons(self) -> list:
        """What is left out and why, a line for each reason."""
        found: dict[str, list] = {}
        for factor, label, why in self.left_out:
            found.setdefault(why, []).append(f"{factor}, {label}")
        return [f"left out: {'; '.join(names)}: {why}" for why, names in found.items()]


def choose(options: AblationOptions) -> Grid:
    """The rows of an ablation, each checked; reads no data.

    Of the package's own grid, rows that do not apply to the data, the model or the reference are
    left out, with the reason. A file's rows must all apply.

    Raises:
        OptionError: a file that is no grid, a row that contradicts itself or the reference, or is
            the reference or another row, an unknown factor, or no row that applies.
    """
    path, factors = options.ablation.grid, options.ablation.factors
    table = _read(path) if path else GRID
    for name in factors:
        if name not in table:
            known = ", ".join(table)
            raise OptionError(f"--factors {name}: not in the grid, which has {known}")
    start = cli.replace(options.start, out=None)
    kind = "precomputed" if databases.load(options.dataset).precomputed else "frames"
    reference = Row("reference", "reference", {}, resolve(start, kind))
    taken = {_effect(reference.options): "the reference, it changes nothing"}
    rows, left_out = [], []
    for factor, label, changes in _listed(table, factors or table):
        try:
            row = _row(factor, label, changes, start, kind)
            same = taken.setdefault(_effect(row.options), str(row))
            if same != str(row):
                raise OptionError(f"is the same as {same}")
        except OptionError as error:
            if path:
                raise OptionError(f"--grid {path}: {factor}, {label}: {error}") from None
            left_out.append((factor, label, str(error)))
        else:
            rows.append(row)
    if not rows:
        raise OptionError(f"no row of the grid applies: {'; '.join(why for *_, why in left_out)}")
    return Grid(reference, tuple(rows), tuple(left_out))


def as_json(grid: Grid) -> str:
    """The rows as a file for `--grid`."""
    table: dict[str, dict] = {}
    for row in grid.rows:
        table.setdefault(row.factor, {})[row.label] = row.changes
    return json.dumps(table, indent=1, ensure_ascii=False)


def _listed(table, factors):
    return [(factor, *row) for factor in dict.fromkeys(factors) for row in table[factor].items()]


def _read(path):
    """The grid in a file: factor -> row -> options."""
    where = f"--grid {path}"
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
        table = json.loads(text, object_pairs_hook=_without_repeats)
    except OptionError as error:
        raise OptionError(f"{where}: {error}") from None
    except (OSError, ValueError) as error:
        raise OptionError(f"{where}: cannot be read as JSON ({error})") from None
    shape = 'expected {"factor": {"row": {"option": value}}}, as --print-grid prints it'
    if not isinstance(table, dict) or not table:
        raise OptionError(f"{where}: {shape}")
    for factor, rows in table.items():
        if not isinstance(rows, dict) or not rows:
            raise OptionError(f"{where}: {factor}: {shape}")
        for label, changes in rows.items():
            if not isinstance(changes, dict) or not changes:
                raise OptionError(f"{where}: {factor}, {label}: {shape}")
    return table


def _without_repeats(pairs):
    """A dict of a JSON object, which would drop the first of two rows of one name."""
    names = [name for name, _ in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise OptionError(f"{twice!r} is there twice")
    return dict(pairs)


def _row(factor, label, changes, start, kind):
    """One row; `OptionError` says why there is none."""
    for name, value in changes.items():
        _check(name, value)
    options = resolve(cli.from_json(Options, changes, base=start), kind)
    idle = _idle(options)
    for name in changes:
        if name in idle:
            raise OptionError(f"{name} has no effect: {idle[name]}")
    changes = {name: _value(options, name) for name in changes}
    return Row(factor, label, changes, options)


def _check(name, value):
    """Whether a row may change this option, and the value is one; `from_json` checks its type."""
    if name in RENAMED:
        raise OptionError(f"{name} is now {RENAMED[name]}")
    if name not in _OPTIONS:
        raise OptionError(f"unknown option {name!r}; see --help-all")
    leaf = _OPTIONS[name]
    shared = leaf.owner in (PreparationOptions, RunOptions, ExecutionOptions)
    if shared or not leaf.field.metadata["decides"] or name == "protocol":
        raise OptionError(f"{name} is the same for all rows: give it as a flag")
    several = bool(leaf.field.metadata["nargs"])
    if value is None and leaf.field.default is not None or isinstance(value, list) != several:
        raise OptionError(f"{name} must be {'a list' if several else 'one value'}, got {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise OptionError(f"{name} must be a finite number, got {value}")


def _effect(options):
    """What a run computes: equal for options that differ only in what does nothing."""
    values = {name: _value(options, name) for name in _OPTIONS}
    values["dgm_init"] = options.starts_from_shipped_weights
    idle = _idle(options)
    return tuple((name, value) for name, value in values.items() if name not in idle)


def _idle(options):
    """The options that do nothing beside the others: dict of name -> why."""
    model, training, motion = MODELS[options.model.name], options.training, options.model.motion
    if model.classical:
        why = f"{model.name} is fitted by scikit-learn, once for each fold"
        names = [n for n, leaf in _OPTIONS.items() if leaf.owner in (ModelOptions, TrainingOptions)]
        return dict.fromkeys([*(set(names) - {"model", "motion"}), *SHIFTS], why)
    idle = {
        name: f"--model {model.name} has no such part"
        for name, leaf in _OPTIONS.items()
        if leaf.owner is ModelOptions and name not in ("model", "motion", *model.options)
    }
    if motion != "dgm":
        why = f"--motion {motion} has no displacement generator"
        return {**idle, **dict.fromkeys(GENERATOR, why)}
    if training.dgm == "frozen":
        idle["dgm_weight"] = "with --dgm frozen the generator is not taught"
    if not training.warmup_epochs:
        why = "there is no warm-up, --warmup-epochs is 0"
        idle |= dict.fromkeys(("dgm_pretext", "forward_backward"), why)
    return idle


def _value(options, name):
    """As `cli.value_of`, without looking for all options of the record anew."""
    return functools.reduce(getattr, _OPTIONS[name].path, options)


def _text(value):
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)
