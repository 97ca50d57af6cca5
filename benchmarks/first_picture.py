"""Seconds from nothing to the first picture of one's own film, each step as a newcomer does it.

`git clone`, `make .venv`, `python -m me_keras.web`, and the page in Chromium: upload, Measure,
answer; then Measure again. Without --clip the film is rendered. What pip has downloaded before
comes from its cache: `PIP_NO_CACHE_DIR=1` measures without. Needs Chromium and a checkout with git.
"""

import contextlib
import dataclasses
import importlib.util
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import typing
from typing import Optional

from benchmarks import report
from benchmarks.measure import ROOT, Output
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import OptionError

AIM = 360.0  # seconds, to the first picture
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WAIT = 120_000  # ms
FPS = 50.0


@dataclasses.dataclass(frozen=True)
class FirstPictureOptions(Output):
    """Whose film."""

    clip: Optional[str] = option(None, "film of a face (default: a rendered one)", metavar="FILE")

    def __post_init__(self):
        cli.check(self)
        if self.clip and not pathlib.Path(self.clip).is_file():
            raise OptionError(f"--clip {self.clip}: no such file")


def measure(options):
    """Takes the steps one after the other; `quick`: in this checkout and environment."""
    browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if browser is None:
        raise ChildProcessError("found no Chromium: install it (Debian: apt-get install chromium)")
    if importlib.util.find_spec("playwright") is None:
        raise ChildProcessError("found no Playwright: python -m pip install playwright")
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        project, python = ROOT, sys.executable
        film = pathlib.Path(options.clip) if options.clip else rendered(pathlib.Path(folder))
        if not options.quick:
            project = pathlib.Path(folder, "project")
            python = str(project / ".venv/bin/python")
            with timed(seconds, "git clone"):
                done("git", "clone", "--quiet", str(ROOT), str(project))
            with timed(seconds, "make .venv"):
                done("make", "--quiet", "-C", str(project), ".venv")
        answered(project, python, film, browser, seconds)
    again = seconds.pop("measured again")
    total = sum(seconds.values())
    rows = {name: {"seconds": value} for name, value in {**seconds, "together": total}.items()}
    notes = {"the same film again": f"{again:.1f} s"}
    if not options.quick:
        notes["aim"] = f"under {AIM:g} s: {'met' if total < AIM else 'MISSED'}"
    return report.Result(rows=rows, notes=notes)


@contextlib.contextmanager
def timed(seconds, name):
    """Notes the seconds of what is done inside."""
    start = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - start


def done(*command):
    """Runs a command; ChildProcessError with its last line if it fails."""
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode:
        said = (ended.stderr or ended.stdout).strip().splitlines() or ["nothing was said"]
        raise ChildProcessError(f"{' '.join(command[:2])} failed: {said[-1]}")


def rendered(folder):
    """A film of a surprised face that a browser can play."""
    import cv2

    from pipelines.synthetic import clip, plan

    spec = plan.draw_spec(plan.SynthesisConfig(frame_size=(640, 480)), 9, 0, "surprise")
    path = folder / "face.webm"
    codec = cv2.VideoWriter.fourcc(*"VP80")
    writer = cv2.VideoWriter(str(path), codec, FPS, spec.frame_size)
    for frame in clip.render(spec):
        writer.write(frame[..., ::-1])
    writer.release()
    return path


def answered(project, python, film, browser, seconds):
    """Starts the page and measures `film` on it twice, as one does in a browser."""
    from playwright import sync_api

    command = [python, "-m", "me_keras.web", "--port", "0"]
    start = time.perf_counter()
    server = subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, text=True)
    with server, sync_api.sync_playwright() as p:
        try:
            said = typing.cast(typing.TextIO, server.stdout).readline()
            if not said.startswith("page on "):
                raise ChildProcessError("python -m me_keras.web did not start")
            seconds["page is there"] = time.perf_counter() - start
            chromium = p.chromium.launch(executable_path=browser, args=["--no-sandbox"])
            tab = chromium.new_page()
            with timed(seconds, "film is uploaded"):
                tab.goto(said.split()[-1])
                tab.set_input_files("#film input[type=file]", str(film), timeout=WAIT)
                tab.wait_for_selector("#film video", timeout=WAIT)
            with timed(seconds, "film is answered"):
                _ask(tab)
            tab.reload()
            tab.set_input_files("#film input[type=file]", str(film), timeout=WAIT)
            tab.wait_for_selector("#film video", timeout=WAIT)
            with timed(seconds, "measured again"):
                _ask(tab)
            chromium.close()
        except sync_api.TimeoutError:
            raise ChildProcessError(
                f"{film}: the page shows no answer after {WAIT / 1000:g} s"
            ) from None
        finally:
            server.terminate()


def _ask(tab):
    tab.click("button:has-text('Measure')")
    tab.wait_for_selector(".report", timeout=WAIT)


main = report.command(measure, FirstPictureOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
