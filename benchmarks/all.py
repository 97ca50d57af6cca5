"""All benchmarks, each in its own process: a table, and a JSON file that holds the machine's facts.

Every figure is a ratio of two things measured in turns in one process, a median over repetitions.
Run it on a machine that does nothing else.
"""

import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time

from benchmarks import report
from benchmarks.measure import RunConfig, machine
from me_keras import console
from pipelines import cli
from pipelines.cli import option

ROOT = pathlib.Path(__file__).parents[1]
BUSY = 0.3  # load of a core before the start, from which on the table warns
TITLES = {
    "training": "Training, beside the machine's matrix products",
    "inference": "Answers, beside classical optical flow",
    "warp": "The warp, beside OpenCV and PyTorch",
    "peer": "The same model in PyTorch",
    "input": "The input pipeline",
    "folds": "Changing the fold",
    "startup": "Start of the commands",
    "memory": "Peak memory",
}
EXAMPLES = """examples:
  python -m benchmarks.all                           all, in under ten minutes on two idle cores
  python -m benchmarks.all --parts training peer     some
  python -m benchmarks.training --help               one alone

PyTorch is measured where torch is installed (python -m pip install torch); it is no dependency."""


@dataclasses.dataclass(frozen=True)
class AllConfig(RunConfig):
    """What is run, and where the figures go."""

    parts: tuple[str, ...] = option(tuple(TITLES), "benchmarks to run", tuple(TITLES), nargs="+")
    timeout: float = option(900.0, "seconds after which a part is stopped and counts as failed")
    torch_compile: bool = option(False, "peer: also through torch.compile; takes minutes more")
    out: str = option("benchmarks/results.json", "file of all figures", metavar="FILE")


def main(argv=None):
    """Runs the command; returns its exit code."""
    config = cli.parse(AllConfig, argv, "python -m benchmarks.all", __doc__, EXAMPLES)
    return console.guarded(run, config)


def run(config):
    """Runs the parts, prints their tables and writes the JSON file.

    Raises:
        ValueError: at the end, if a part failed; the figures of the others are written.
    """
    from tqdm import tqdm

    content = {"format": 1, "machine": machine(), "quick": config.quick, "parts": {}}
    for part in (bar := tqdm(config.parts, unit="part", disable=None)):
        bar.set_description(part)
        content["parts"][part] = run_part(part, config)
        report.write_json(config.out, content)
    print(markdown(content))
    print(f"\nfigures in {config.out}")
    failed = [part for part, found in content["parts"].items() if "error" in found]
    if failed:
        first = content["parts"][failed[0]]["error"]
        raise ValueError(f"{len(failed)} of {len(config.parts)} failed, {failed[0]}: {first}")


def run_part(part, config):
    """The record of a part that ran in its own process, or {"error": its last line}."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "figures.json")
        command = [sys.executable, "-m", f"benchmarks.{part}", "--json", str(path)]
        command += ["--repeats", str(config.repeats), f"--loso={config.loso}"]
        command += ["--quick"] * config.quick
        command += ["--torch-compile"] * (config.torch_compile and part == "peer")
        limits = {"timeout": config.timeout, "capture_output": True, "text": True}
        try:
            done = subprocess.run(command, cwd=ROOT, **limits)
        except subprocess.TimeoutExpired:
            return {"error": f"not done after --timeout {config.timeout:g} s"}
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            return {"error": lines[-1].removeprefix("error: ")}
        found = json.loads(path.read_text())
    return {**found, "seconds": time.perf_counter() - start}


def markdown(content):
    """All figures as Markdown, the machine first."""
    facts = content["machine"]
    flag_names = ", ".join(f"{name} {'yes' if on else 'no'}" for name, on in facts["flags"].items())
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    lines = [
        f"{facts['date']}, commit {facts['commit']}: {facts['processor']}, "
        f"{facts['cores_usable']} of {facts['cores']} cores, {flag_names}; {versions}; "
        f"load {facts['load_before']:.1f} before",
    ]
    if facts["load_before"] > BUSY * facts["cores_usable"]:
        lines.append(
            "others were at work on this machine: ratios are off, to PyTorch's most of all"
        )
    if content["quick"]:
        lines.append("--quick: tiny sizes, these figures say nothing about speed")
    for part, found in content["parts"].items():
        lines += ["", f"### {TITLES[part]}", ""]
        if "error" in found:
            lines.append(f"failed: {found['error']}")
            continue
        if found["figures"]:
            lines += [report.table(found["figures"]), ""]
        lines += [f"- {name}: {note}" for name, note in found["notes"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
