"""What is searched: one declaration. Names are those of options of `me_keras.loso`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import pathlib

from me_keras.models import MODELS
from me_keras.options import RENAMED, ModelOptions, Options
from pipelines import cli
from pipelines.schema import OptionError

# Where a parameter has an effect, if it is one of the model searched at all.
ANY, GENERATOR, FRAMES, MAPS = "any", "generator", "frames", "maps"


@dataclasses.dataclass(frozen=True)
class Parameter:
    """One searched option: some values to choose from, or a range `low` to `high`.

    Attributes:
        name: of an option of `me_keras.loso`.
        values: what to choose from; empty for a range.
        low, high, step: the range, ends included; integers if `low` is one.
        log: drawn evenly in the logarithm.
        where: ANY; GENERATOR, the learned displacement; FRAMES, models that are given them; MAPS,
            stored motion.
        needs: name of a switch that must be on for an effect.
        small: part of the small space.
    """

    name: str
    values: tuple = ()
    low: float | None = None
    high: float | None = None
    step: float | None = None
    log: bool = False
    where: str = ANY
    needs: str | None = None
    small: bool = False

    @property
    def ends(self) -> tuple:
        """Every value to choose from, or both ends of the range."""
        return self.values or (self.low, self.high)

    @property
    def kind(self) -> type:
        """Type of the values: bool, int, float, str or tuple."""
        return type(self.ends[0])

    def nearest(self, value):
        """The value of this parameter nearest to `value`; the first where nothing is near."""
        if self.values:
            if value in self.values or self.kind not in (int, float):
                return value if value in self.values else self.values[0]
            return min(self.values, key=lambda one: abs(one - value))
        value = min(max(value, self.low), self.high)
        if self.step:
            value = self.low + self.step * round((value - self.low) / self.step)
        return self.kind(value)


def _one_of(name, *values, **options):
    return Parameter(name, values, **options)


def _range(name, low, high, **options):
    return Parameter(name, (), low, high, **options)


SPACE = (
    # the model
    _one_of("filters", (16, 32, 48), (32, 64, 96), (48, 96, 144), where=GENERATOR),
    _range("max_displacement", 2.0, 16.0, log=True, where=GENERATOR),
    _one_of("hidden_dim", 16, 32, 64, 96, small=True),
    _one_of("num_heads", 2, 4, 8),
    _range("num_layers", 1, 3),
    _range("dropout", 0.0, 0.4, small=True),
    _range("head_dropout", 0.0, 0.7),
    _range("stochastic_depth", 0.0, 0.3),
    _one_of("readout", 0, 16, 32, 64),
    _one_of("fusion_order", "before", "after"),
    # the regions
    _one_of("local_fusion", True, False),
    _one_of("global_fusion", True, False),
    _one_of("face_fusion", True, False),
    _one_of("crop_size", 8, 12, 16),
    _one_of("patch_size", 2, 4, needs="local_fusion"),
    # the losses
    _one_of("dgm", "joint", "two-stage", where=GENERATOR),
    _range("dgm_weight", 0.1, 10.0, log=True, where=GENERATOR, small=True),
    _one_of("reconstruction", "photometric", "census", "structure", where=GENERATOR),
    _range("smoothness", 0.003, 0.3, log=True, where=GENERATOR, small=True),
    _range("edge", 5.0, 80.0, log=True, where=GENERATOR),
    _one_of("forward_backward", 0.0, 0.1, 0.3, where=GENERATOR),
    # the optimisation
    _range("learning_rate", 3e-4, 1e-2, log=True, small=True),
    _range("weight_decay", 1e-3, 0.1, log=True),
    _range("epochs", 10, 60, step=10, small=True),
    _range("warmup_epochs", 0, 20, step=5, where=GENERATOR),
    _one_of("batch_size", 16, 32, 64),
    _range("label_smoothing", 0.0, 0.3, small=True),
    _one_of("weight_average", 0.0, 0.9, 0.99, 0.995),
    _range("balance", 0.0, 1.0),
    # the augmentation
    _one_of("mirror", 0.0, 0.5),
    _range("shift", 0.0, 0.125),
    _range("gain", 0.0, 0.3, where=FRAMES),
    _range("contrast", 0.0, 0.3, where=FRAMES),
    _range("tone", 0.0, 0.3, where=FRAMES),
    _range("flicker", 0.0, 0.05, where=FRAMES),
    _range("noise", 0.0, 0.03, where=FRAMES),
    _range("onset_jitter", 0.0, 0.4, where=FRAMES),
    _range("apex_jitter", 0.0, 0.6, where=FRAMES),
    _range("motion_gain", 0.0, 0.4, where=MAPS, small=True),
    _range("motion_turn", 0.0, 15.0, where=MAPS),
)
DECLARED = {parameter.name: parameter for parameter in SPACE}
_OPTIONS = cli.leaves(Options)


def choose(space: str, only, start: Options, fixed=()) -> tuple[Parameter, ...]:
    """The parameters of a search.

    Args:
        space: "small", "full", or path of a JSON file: {"hidden_dim": [16, 32], "learning_rate":
            {"low": 1e-4, "high": 1e-2, "log": true}}.
        only: names to keep; all if empty. A name outside the small space adds to it.
        start: the options searched from, presets filled in; they decide what has an effect.
        fixed: names that the tuner sets itself.
    Raises:
        OptionError: nothing to search, an unknown name, or one without effect.
    """
    if MODELS[start.model.name].classical:
        raise OptionError(
            f"--model {start.model.name}: its settings are fixed, there is nothing to search"
        )
    fit = {p.name: p for p in SPACE if _has_effect(p, start) and p.name not in fixed}
    if space == "full":
        chosen = fit
    elif space == "small":
        chosen = {name: p for name, p in fit.items() if p.small or name in only}
    else:
        chosen = _read(space, fit, start)
    _check_names(only, "--only", fit, start)
    outside = [name for name in only if name not in chosen]
    if outside:
        raise OptionError(f"--only {outside[0]}: not in {space}, which has {', '.join(chosen)}")
    found = [p for name, p in chosen.items() if not only or name in only]
    found = [_reachable(p, {one.name for one in found}, start) for p in found]
    if not any(p and len(set(p.ends)) > 1 for p in found):
        raise OptionError(
            f"--space {space}: nothing to search; give at least one option more than one value"
        )
    return tuple(p for p in found if p)


def declare(parameters, start: Options):
    """The parameters as KerasTuner takes them, a `keras_tuner.HyperParameters`.

    Defaults are as near to `start` as the space has them.
    """
    import keras_tuner as kt

    hp = kt.HyperParameters()
    for p in parameters:
        default = encoded(p.nearest(cli.value_of(start, p.name)))
        scope = hp.conditional_scope(p.needs, [True]) if p.needs else contextlib.nullcontext()
        with scope:
            if p.values:
                hp.Choice(p.name, [encoded(value) for value in p.values], default=default)
            else:
                add, how = hp.Int if p.kind is int else hp.Float, "log" if p.log else "linear"
                add(p.name, p.low, p.high, step=p.step, sampling=how, default=default)
    return hp


def options_of(values: dict, start: Options) -> Options:
    """`start` with the values of a trial; what is no option, as "tuner/epochs", is left out.

    Numbers are rounded to 6 digits, as trials.csv and best.json show them.
    """
    found: dict = {}
    for name, value in values.items():
        if name not in DECLARED:
            continue
        kind = DECLARED[name].kind
        if kind is tuple:
            found[name] = tuple(int(part) for part in str(value).split("-"))
        else:
            found[name] = float(f"{value:.6g}") if kind is float else kind(value)
    return cli.replace(start, **found)


def encoded(value):
    """A value as KerasTuner takes it: (16, 32) as "16-32"."""
    return "-".join(map(str, value)) if isinstance(value, tuple) else value


def _has_effect(parameter, start):
    model, motion = MODELS[start.model.name], start.model.motion
    if _OPTIONS[parameter.name].owner is ModelOptions and parameter.name not in model.options:
        return False
    given = {"dgm": (ANY, FRAMES, GENERATOR), "frames": (ANY, FRAMES)}
    return parameter.where in given.get(motion, (ANY, MAPS))


def _reachable(parameter, names, start):
    """The parameter; None if its switch is off and not searched; freed of a switch that is on."""
    if not parameter.needs or parameter.needs in names:
        return parameter
    on = cli.value_of(start, parameter.needs)
    return dataclasses.replace(parameter, needs=None) if on else None


def _check_names(names, where, fit, start):
    for name in names:
        if name in fit:
            continue
        if name in RENAMED:
            raise OptionError(f"{where} {name}: is now {RENAMED[name]}")
        what = "cannot be searched"
        if name in DECLARED:
            model = f"--model {start.model.name} --motion {start.model.motion}"
            what = f"has no effect with {model} or this tuner"
        raise OptionError(f"{where} {name}: {what}; choose from {', '.join(fit)}")


def _read(path, fit, start):
    try:
        given = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise OptionError(
            f"--space {path}: neither small nor full nor a JSON file ({error})"
        ) from None
    if not isinstance(given, dict):
        raise OptionError(f"--space {path}: expected a JSON object of options and their values")
    _check_names(given, f"--space {path}:", fit, start)
    return {name: _parameter(path, fit[name], value, start) for name, value in given.items()}


def _parameter(path, declared, given, start):
    """The declared parameter with the values, or the range, that the file gives."""
    where, kind = f"--space {path}: {declared.name}", declared.kind
    names = {"low", "high", "step", "log"}
    is_range = isinstance(given, dict) and {"low", "high"} <= set(given) <= names
    if is_range and kind not in (int, float):
        raise OptionError(f"{where}: give a list of values, it has no range")
    if not is_range and not (isinstance(given, list) and given):
        raise OptionError(
            f'{where}: expected a list of values or {{"low": …, "high": …, "log": …, "step": …}}'
        )
    values = [given["low"], given["high"]] if is_range else given
    values = [tuple(value) if isinstance(value, list) else value for value in values]
    for value in values:
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise OptionError(f"{where}: expected {kind.__name__}, got {value!r}")
        if kind is float and not math.isfinite(value):
            raise OptionError(f"{where}: expected finite numbers")
        try:
            cli.replace(start, **{declared.name: value})
        except OptionError as error:
            raise OptionError(f"{where}: {error}") from None
    values = tuple(map(kind, values))
    if not is_range:
        return dataclasses.replace(declared, values=values)
    (low, high), step, log = values, given.get("step"), bool(given.get("log"))
    if step is not None and not (isinstance(step, (int, float)) and step > 0):
        raise OptionError(f"{where}: step must be a number above 0, got {step!r}")
    if low >= high or (log and low <= 0):
        raise OptionError(f"{where}: needs low < high, and low > 0 with log")
    step = None if step is None else kind(step)
    return dataclasses.replace(declared, values=(), low=low, high=high, step=step, log=log)
