"""me-keras: the commands, and the version.

`python -m me_keras` lists them, `python -m me_keras loso …` is `python -m me_keras.loso …`.
"""

import importlib
import sys

from me_keras import __version__
from pipelines import cli
from pipelines.schema import OptionError

# As `setup.py` names them, without "me-keras-".
COMMANDS = {
    "loso": "me_keras.loso",
    "compare": "me_keras.compare",
    "ablate": "me_keras.ablate",
    "tune": "me_keras.tune",
    "export": "me_keras.export",
    "predict": "me_keras.predict",
    "web": "me_keras.web",
    "serve": "me_keras.serve",
    "pretrain": "me_keras.pretrain",
    "machine": "me_keras.doctor",
    "prepare": "pipelines.prepare",
    "doctor": "pipelines.doctor.__main__",
    "synthetic": "pipelines.synthetic.__main__",
}


def main(argv=None):
    """Runs the command that is named first, lists all, or prints the version; its exit code."""
    name, *rest = (sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in COMMANDS:
        return importlib.import_module(COMMANDS[name]).main(rest)
    if name == "--version":
        print(f"me-keras {__version__}")
    elif name in ("--help", "-h"):
        print(_listing())
    else:
        return cli.run(_refuse, name)
    return 0


def _listing():
    """Of the commands, each with the first line of its documentation."""
    lines = ["usage: me-keras COMMAND [options]", "       me-keras COMMAND --help | --version", ""]
    for name, module in COMMANDS.items():
        first, *_ = str(importlib.import_module(module).__doc__).splitlines()
        lines.append(f"  {name:10} {first}")
    return "\n".join(lines)


def _refuse(name):
    raise OptionError(f"unknown command {name!r}: choose one of {', '.join(COMMANDS)}")


if __name__ == "__main__":
    sys.exit(main())
