"""All benchmarks, each in its own process: tables, and a JSON file that names the machine.

Every figure is a ratio of two things measured in turns in one process, a median over repetitions.
Run it on a machine that does nothing else.
"""

import dataclasses
import json
import pathlib
import sys
import tempfile
import time

from benchmarks import machine, report
from benchmarks.measure import BenchOptions, python
from pipelines import cli
from pipelines.cli import option

BUSY = 0.3  # load of a core before the start, from which on the table warns
TITLES = {
    "training": "Training, beside matrix products",
    "inference": "Prediction, beside classical optical flow",
    "warp": "The warp, beside OpenCV and PyTorch",
    "peer": "The same model in PyTorch",
    "input": "The input pipeline",
    "folds": "From one fold to the next",
    "processes": "Start of the commands, and peak memory",
}
EXAMPLES = """examples:
  python -m benchmarks                               all, in under ten minutes on two idle cores
  python -m benchmarks --parts training peer         some
  python -m benchmarks.training --help               one alone
Not among them, with tables of their own: benchmarks.displacement, .systems, .interpretation,
.spotting, .apex, .prepare, .serving and .first_picture

PyTorch is measured where torch is installed (python -m pip install torch); it is no dependency."""


@dataclasses.dataclass(frozen=True)
class AllOptions:
    """What is run, and where the figures go."""

    bench: BenchOptions = BenchOptions(json="benchmarks/results.json")
    parts: tuple[str, ...] = option(tuple(TITLES), "benchmarks to run", tuple(TITLES), nargs="+")
    timeout: float = option(900.0, "seconds after which a part is stopped and counts as failed")


def main(argv=None):
    """Runs the command; returns its exit code."""
    options, debug = cli.parse(AllOptions, argv, "python -m benchmarks", __doc__, EXAMPLES)
    return cli.run(run, options, debug=debug)


def run(options):
    """Runs the parts, prints their tables and writes the JSON file.

    Raises:
        ChildProcessError: at the end, if a part failed; the figures of the others are written.
    """
    from pipelines.progress import Progress

    content = {"format": 2, "machine": machine.facts(), "quick": options.bench.quick, "parts": {}}
    with Progress(len(options.parts), "benchmarks", "part") as progress:
        for part in options.parts:
            content["parts"][part] = run_part(part, options)
            report.write_json(options.bench.json, content)
            progress.update(note=part)
    print(markdown(content))
    print(f"\nfigures in {options.bench.json}")
    failed = [part for part, found in content["parts"].items() if "error" in found]
    if failed:
        first = content["parts"][failed[0]]["error"]
        raise ChildProcessError(
            f"{len(failed)} of {len(options.parts)} failed, {failed[0]}: {first}"
        )


def run_part(part, options):
    """The record of a part that ran in its own process, or {"error": its last line}."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "figures.json")
        bench = dataclasses.replace(options.bench, json=str(path))
        flags = [f"--loso={bench.loso}", *cli.words(bench, leave_out=("loso",))]
        try:
            python(["-m", f"benchmarks.{part}", *flags], options.timeout)
        except ChildProcessError as error:
            return {"error": str(error)}
        return {**json.loads(path.read_text()), "seconds": time.perf_counter() - start}


def markdown(content):
    """All figures as Markdown, the machine first."""
    facts = content["machine"]
    lines = [machine.line(facts)]
    if facts["load_before"] > BUSY * facts["cores_usable"]:
        lines.append("other processes were running: ratios are off, to PyTorch's most of all")
    if content["quick"]:
        lines.append("--quick: tiny sizes, these figures say nothing about speed")
    for part, found in content["parts"].items():
        text = f"failed: {found['error']}" if "error" in found else report.markdown(found)
        lines += ["", f"### {TITLES[part]}", "", text]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
