"""Seconds that `import me_keras` and the `--help` of every command take, beside bare Python.

Each is a fresh process, from its start to its end.
"""

import ast
import functools
import pathlib
import subprocess
import sys

from benchmarks import report
from benchmarks.measure import BenchConfig, in_turns
from me_keras import console
from pipelines import cli

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("me_keras", "pipelines")


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(BenchConfig, argv, "python -m benchmarks.startup", __doc__)
    return console.guarded(measure, config)


def measure(config):
    """Measures and prints the figures."""
    found = commands()[:1] if config.quick else commands()
    work = {"python -c pass": ["-c", "pass"], "import me_keras": ["-c", "import me_keras"]}
    work |= {f"{name} --help": ["-m", name, "--help"] for name in found}
    calls = {name: functools.partial(run, arguments) for name, arguments in work.items()}
    seconds = in_turns(calls, config.repeats, least=0.0)
    bare = seconds.pop("python -c pass")
    figures = [
        report.figure(name, values, "python -c pass", bare, "s", "value <= 0.4")
        for name, values in seconds.items()
    ]
    report.finish(config, figures, {"commands": len(found)})


def commands():
    """Names of the modules that `python -m` runs, as their sources say: "me_keras.loso" …"""
    paths = [p for package in PACKAGES for p in (ROOT / package).rglob("*.py")]
    modules = [path.relative_to(ROOT).with_suffix("") for path in paths if _runs(path)]
    return sorted(".".join(module.parts).removesuffix(".__main__") for module in modules)


def _runs(path):
    """Whether a source has `if __name__ == "__main__"`."""
    tests = [n.test for n in ast.parse(path.read_text()).body if isinstance(n, ast.If)]
    return any(ast.unparse(test) == "__name__ == '__main__'" for test in tests)


def run(arguments):
    """Runs Python with these arguments to its end.

    Raises:
        ValueError: if it fails.
    """
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"python {' '.join(arguments)} failed ({done.returncode}): {last}")


if __name__ == "__main__":
    sys.exit(main())
