"""What the commands of both packages share: flags made from records of options, and files of them.

A record is a frozen dataclass whose fields are made with `option`, or are records themselves: those
form the groups of `--help`. The last part of a field's path is its flag, so names are unique within
a command. `run` runs a command: see `exits`.
"""

import argparse
import dataclasses
import json
import pathlib
import sys
import typing

from pipelines import __version__
from pipelines.exits import run
from pipelines.schema import OptionError

__all__ = ["Leaf", "check", "from_json", "leaves", "option", "parse", "read_json"]
__all__ += ["replace", "run", "to_json", "value_of", "words"]


def option(
    default,
    help,
    choices=None,
    metavar=None,
    nargs=None,
    flag=None,
    least=None,
    within=None,
    common=False,
    decides=True,
    positional=False,
):
    """A field that carries what its flag needs.

    Args:
        flag: name of the flag without dashes; default: the field's.
        least: the smallest value allowed.
        within: the interval of allowed values, as text: "[0, 1)".
        common: whether `--help` shows it; the others are shown by `--help-all`.
        decides: whether what is computed depends on it; False for where, how often, and what of it.
        positional: whether it is the words without a flag, any number of them.
    """
    shown = {"help": help, "choices": choices, "metavar": metavar, "nargs": nargs, "flag": flag}
    rules = {"least": least, "within": within, "common": common, "decides": decides}
    metadata = {**shown, **rules, "positional": positional}
    return dataclasses.field(default=default, metadata=metadata)


def check(record):
    """Checks each value against the limits and choices of its field: for `__post_init__`.

    Raises:
        OptionError: names the field, the rule and the value.
    """
    for field in dataclasses.fields(record):
        value, meta = getattr(record, field.name), field.metadata
        if value is None:
            continue
        name = meta.get("flag") or field.name
        if meta.get("least") is not None and not value >= meta["least"]:
            raise OptionError(f"{name} must be at least {meta['least']}, got {value}")
        if meta.get("within") and not _lies_in(value, meta["within"]):
            raise OptionError(f"{name} must lie in {meta['within']}, got {value}")
        if meta.get("choices") and not meta.get("nargs") and value not in meta["choices"]:
            known = ", ".join(map(str, meta["choices"]))
            raise OptionError(f"{name} must be one of {known}, got {value!r}")


def _lies_in(value, interval):
    low, high = map(float, interval[1:-1].split(","))
    above = value > low if interval[0] == "(" else value >= low
    return above and (value < high if interval[-1] == ")" else value <= high)


@dataclasses.dataclass(frozen=True)
class Leaf:
    """A field of a record of options, however deep: `path` are the names that lead to it."""

    path: tuple[str, ...]
    field: dataclasses.Field
    annotation: typing.Any
    owner: type

    @property
    def name(self) -> str:
        return self.field.metadata.get("flag") or self.field.name

    @property
    def kind(self) -> type:
        """Optional[str] and tuple[str, ...] are str, int is int."""
        kind = self.annotation
        if typing.get_origin(kind) is typing.Union:
            kind = next(a for a in typing.get_args(kind) if a is not type(None))
        return typing.get_args(kind)[0] if typing.get_origin(kind) is tuple else kind


def leaves(record_class) -> dict[str, Leaf]:
    """Every option of a record, by name: its own and those of the records in it."""
    found: dict[str, Leaf] = {}
    hints = typing.get_type_hints(record_class)
    for field in dataclasses.fields(record_class):
        kind = hints[field.name]
        if dataclasses.is_dataclass(kind):
            for name, leaf in leaves(kind).items():
                found[name] = dataclasses.replace(leaf, path=(field.name, *leaf.path))
        else:
            leaf = Leaf((field.name,), field, kind, record_class)
            found[leaf.name] = leaf
    return found


def value_of(record, name):
    """The value of the option `name` of a nested record.

    Examples:
        >>> from pipelines.options import DataOptions
        >>> value_of(DataOptions(), "image_size")
        128
    """
    for part in leaves(type(record))[name].path:
        record = getattr(record, part)
    return record


def replace(record, **values):
    """A copy of a nested record with options replaced by their names, however deep they are.

    Raises:
        OptionError: an unknown name, or a value that is not allowed.

    Examples:
        >>> from pipelines.options import DataOptions
        >>> data = replace(DataOptions(), dataset="smic", image_size=64)  # however deep they lie
        >>> data.preparation.dataset, data.preparation.image_size
        ('smic', 64)
    """
    known, changes = leaves(type(record)), {}
    for name, value in values.items():
        if name not in known:
            raise OptionError(f"unknown option {name!r}")
        changes[known[name].path] = value
    return _changed(record, changes)


def _changed(record, changes):
    """A copy of a record with the values at some paths replaced, all at once."""
    own = {path[0]: value for path, value in changes.items() if len(path) == 1}
    for name in {path[0] for path in changes if len(path) > 1}:
        inner = {path[1:]: value for path, value in changes.items() if path[0] == name}
        own[name] = _changed(getattr(record, name), inner)
    return dataclasses.replace(record, **own)


def to_json(record) -> dict:
    """A record as JSON holds it: nested objects."""
    return json.loads(json.dumps(dataclasses.asdict(record)))


def from_json(record_class, values, renamed=None, ignored=(), base=None):
    """A record from nested objects, or from one flat object, as older versions wrote it.

    Args:
        renamed: older name -> name.
        ignored: names that are no options.
        base: the record that holds what is not in `values`; default: `record_class()`.
    Raises:
        OptionError: an unknown option, or a value of another type or out of range.
    """
    known = leaves(record_class)
    by_path = {leaf.path: leaf for leaf in known.values()}
    groups = {path[:depth] for path in by_path for depth in range(1, len(path))}
    changes = {}

    def read(values, at):
        for key, value in values.items():
            path = (*at, key)
            if path in groups and isinstance(value, dict):
                read(value, path)
                continue
            name = (renamed or {}).get(key, key)
            leaf = by_path.get(path) or (None if at else known.get(name))
            if leaf:
                changes[leaf.path] = _value(leaf, value)
            elif key not in ignored:
                raise OptionError(f"unknown option {'.'.join(path)!r}; see --help-all")

    read(values, ())
    return _changed(record_class() if base is None else base, changes)


def _value(leaf, value):
    kind = leaf.kind
    parts = value if isinstance(value, list) else [value]
    allowed = (int, float) if kind is float else (kind,)
    for part in parts:
        fits = isinstance(part, allowed) and isinstance(part, bool) == (kind is bool)
        if part is not None and not fits:
            raise OptionError(f"{leaf.name} must be {kind.__name__}, got {part!r}")
    return tuple(value) if isinstance(value, list) else value


def read_json(path, what="a JSON object"):
    """The JSON object in a file that the user named.

    Raises:
        OptionError: it cannot be read, or holds something else.
    """
    try:
        values = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: cannot be read as JSON ({error})") from None
    if not isinstance(values, dict):
        raise OptionError(f"{path}: expected {what}")
    return values


def parse(record_class, argv, prog, description, epilog="", renamed=None, ignored=()):
    """Builds a record from its defaults, then `--config FILE` (JSON), then the flags given.

    Args:
        argv: list of arguments, or None for `sys.argv[1:]`.
        renamed: older name of an option -> its name. Older flags are refused with the new name.
        ignored: keys that a configuration file may hold beside options.
    Returns:
        tuple of the record, and whether `--debug` was given.
    Exits with code 2 and one line for an unknown flag, a wrong value, or a bad configuration file.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if argv == ["--version"]:  # of a command with an option of this name, too
        print(f"me-keras {__version__}")
        sys.exit(0)
    parser = _parser(record_class, prog, description, epilog, everything="--help-all" in argv)
    for old, new in (renamed or {}).items():
        flag = "--" + old.replace("_", "-")
        if any(word == flag or word.startswith(flag + "=") for word in argv):
            parser.error(f"{flag} is now --{new.replace('_', '-')}")
    given = vars(parser.parse_args(argv))
    path, debug = given.pop("config", None), given.pop("debug", False)
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    where = f"--config {path}: " if path else ""
    try:
        record = record_class()
        if path:
            record = from_json(record_class, read_json(path), renamed, ignored)
            where = ""
        return replace(record, **values), debug
    except OptionError as error:
        text = str(error).removeprefix(f"{path}: ")
        parser.error(f"{where}{text}")


def _parser(record_class, prog, description, epilog, everything):
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=f"%(prog)s{_usage(record_class)} [options]",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    found = leaves(record_class)
    hides = any(leaf.field.metadata.get("common") for leaf in found.values())
    if hides:
        parser.add_argument("--help-all", action="help", help="show every option and exit")
    parser.add_argument("--config", metavar="FILE", default=None, help="JSON of options; flags win")
    parser.add_argument("--debug", action="store_true", help="show tracebacks of all errors")
    if "version" not in found:
        name, text = f"me-keras {__version__}", "show the version and exit"
        parser.add_argument("--version", action="version", version=name, help=text)
    groups: dict[type, typing.Any] = {}
    for leaf in found.values():
        if leaf.owner not in groups:
            title = (leaf.owner.__doc__ or leaf.owner.__name__).splitlines()[0].rstrip(".")
            groups[leaf.owner] = parser.add_argument_group(title)
        shown = everything or not hides or leaf.field.metadata.get("common")
        _add_flag(groups[leaf.owner], leaf, shown)
    return parser


def _usage(record_class):
    """What stands before the flags in the line of use, with a space."""
    words = [leaf for leaf in leaves(record_class).values() if leaf.field.metadata["positional"]]
    return "".join(f" {leaf.field.metadata['metavar']} ..." for leaf in words)


def _add_flag(group, leaf, shown):
    meta, default = leaf.field.metadata, leaf.field.default
    text = meta.get("help", "")
    if default not in (None, "", ()):
        value = " ".join(map(str, default)) if isinstance(default, tuple) else default
        text += f" (default: {value})"
    keywords = {"default": argparse.SUPPRESS, "dest": leaf.name}
    keywords["help"] = text if shown else argparse.SUPPRESS
    name = "--" + leaf.name.replace("_", "-")
    if meta.get("positional"):
        del keywords["dest"]
        group.add_argument(leaf.name, nargs="*", metavar=meta.get("metavar"), **keywords)
    elif leaf.kind is bool:
        group.add_argument(name, action=argparse.BooleanOptionalAction, **keywords)
    else:
        keywords |= {key: meta[key] for key in ("choices", "metavar", "nargs") if meta.get(key)}
        group.add_argument(name, type=leaf.kind, **keywords)


def words(record, leave_out=()):
    """The flags that make `record` out of the defaults, as a list of words."""
    defaults, found = type(record)(), []
    for name in leaves(type(record)):
        value = value_of(record, name)
        if name in leave_out or value == value_of(defaults, name):
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            found.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            found += [f"--{flag}", *map(str, value if isinstance(value, tuple) else [value])]
    return found
