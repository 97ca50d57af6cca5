"""Turns a frozen dataclass into command-line flags, and back. One loop serves every command."""

import argparse
import dataclasses
import json
import pathlib
import sys
import typing


def option(default, help, choices=None, metavar=None, nargs=None, factory=None):
    """A dataclass field that carries the help text of its flag."""
    metadata = {"help": help, "choices": choices, "metavar": metavar, "nargs": nargs}
    if factory is not None:
        return dataclasses.field(default_factory=factory, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def _plain_type(annotation):
    """The callable argparse needs: Optional[str] -> str, tuple[str, ...] -> str, int -> int."""
    if typing.get_origin(annotation) is typing.Union:
        annotation = next(a for a in typing.get_args(annotation) if a is not type(None))
    if typing.get_origin(annotation) is tuple:
        annotation = typing.get_args(annotation)[0]
    return annotation


def add_flags(parser, config_class):
    """Adds a flag for each field of `config_class`: its name, type, default, choices and help.

    The fields of each class that it inherits from form a group, its own first.
    """
    hints = typing.get_type_hints(config_class)
    fields = {field.name: field for field in dataclasses.fields(config_class)}
    for owner in config_class.__mro__[:-1]:
        title = (owner.__doc__ or owner.__name__).splitlines()[0].rstrip(".")
        group = parser.add_argument_group(title)
        for name in vars(owner).get("__annotations__", {}):
            _add_flag(group, fields.pop(name, None), hints)


def _add_flag(group, field, hints):
    if field is None:  # a class further down already had it
        return
    kind = _plain_type(hints[field.name])
    name = "--" + field.name.replace("_", "-")
    meta = field.metadata
    shown = "" if field.default in (None, "", ()) else " (default: %(default)s)"
    kwargs = {"default": field.default, "help": meta.get("help", "") + shown}
    if kind is bool:
        group.add_argument(name, action=argparse.BooleanOptionalAction, **kwargs)
    else:
        kwargs |= {k: meta[k] for k in ("choices", "metavar", "nargs") if meta.get(k)}
        group.add_argument(name, type=kind, **kwargs)


def parse(config_class, argv, prog, description, epilog=""):
    """Builds `config_class` from defaults, then `--config FILE` (JSON), then the flags given.

    Args:
        config_class: a frozen dataclass whose fields were made with `option`.
        argv: list of arguments, or None for `sys.argv[1:]`.
    Returns:
        An instance of `config_class`.
    Exits with code 2 and one line for an unknown flag, a wrong value, or a bad configuration file.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        usage="%(prog)s [options]",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", metavar="FILE", help="JSON file of options; flags win")
    add_flags(parser, config_class)
    argv = sys.argv[1:] if argv is None else argv
    first, _ = parser.parse_known_args(argv)
    if first.config:
        parser.set_defaults(**_read_config(parser, config_class, first.config))
    values = vars(parser.parse_args(argv))
    values.pop("config")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return config_class(**values)
    except ValueError as error:  # the dataclass's own checks
        parser.error(str(error))


def _read_config(parser, config_class, path):
    try:
        values = json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        parser.error(f"--config {path}: cannot be read as JSON ({error})")
    if not isinstance(values, dict):
        parser.error(f"--config {path}: expected a JSON object of options")
    hints = typing.get_type_hints(config_class)
    for key, value in values.items():
        if key not in hints:
            parser.error(f"--config {path}: unknown option {key!r}; see --help for the options")
        kind = _plain_type(hints[key])
        parts = value if isinstance(value, list) else [value]
        allowed = (int, float) if kind is float else (kind,)
        for part in parts:
            fits = isinstance(part, allowed) and isinstance(part, bool) == (kind is bool)
            if part is not None and not fits:
                parser.error(f"--config {path}: {key} must be {kind.__name__}, got {part!r}")
    return {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
