"""Installation: what setup.py asks for and the constraints pin; the Python that `make` takes."""

import importlib.metadata
import pathlib
import re
import runpy
import shutil
import subprocess
import sys

import pytest
import setuptools
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = pathlib.Path(__file__).parents[1]
DESIGN, CURRENT = "constraints.txt", "constraints-current.txt"
ENVIRONMENTS = [  # Python, ME_KERAS_STACK, what it means
    ("3.9", "", DESIGN),
    ("3.10", "design", DESIGN),
    ("3.11", "", DESIGN),
    ("3.12", "", CURRENT),
    ("3.9", "current", CURRENT),
    ("3.10", "current", CURRENT),
    ("3.11", "current", CURRENT),
    ("3.12", "current", CURRENT),
]
each_environment = pytest.mark.parametrize("python, stack, constraints", ENVIRONMENTS)


@pytest.fixture
def asked(monkeypatch):
    """Requirements of setup.py, those of tests among them: `asked(python, stack)`, by name."""

    def ask(python, stack):
        given = {}
        monkeypatch.setenv("ME_KERAS_STACK", stack)
        monkeypatch.setattr(setuptools, "setup", given.update)
        runpy.run_path(ROOT / "setup.py")
        return applying(given["install_requires"] + given["extras_require"]["dev"], python)

    return ask


def applying(lines, python):
    """Those of some requirements that count for a Python, by name; fails on two of one name."""
    full = {"python_version": python, "python_full_version": f"{python}.0", "extra": ""}
    found = {}
    for wanted in map(Requirement, lines):
        if wanted.marker is None or wanted.marker.evaluate(full):
            assert found.setdefault(canonicalize_name(wanted.name), wanted) is wanted, wanted
    return found


def pinned(constraints, python):
    """Versions by name, of a constraints file."""
    lines = (ROOT / constraints).read_text().splitlines()
    found = applying([line for line in lines if not line.startswith("#")], python)
    return {name: str(pin.specifier).removeprefix("==") for name, pin in found.items()}


@each_environment
def test_every_requirement_has_a_pin_that_it_allows(asked, python, stack, constraints):
    pins = pinned(constraints, python)
    assert all(re.fullmatch(r"[\w.]+", version) for version in pins.values()), "exact ones"
    for name, wanted in asked(python, stack).items():
        assert wanted.specifier.contains(pins[name]), f"{wanted} and {pins[name]}"


@each_environment
def test_a_stack_is_of_one_kind(asked, python, stack, constraints):
    wanted, pins = asked(python, stack), pinned(constraints, python)
    major = "2" if constraints == DESIGN else "3"
    assert pins["keras"].split(".")[0] == major
    assert ("tensorflow-addons" in wanted) == ("tensorflow-addons" in pins) == (major == "2")
    assert pins["tensorflow"] == pins["tensorflow-serving-api"]
    assert pins["numpy"].startswith("1.") and pins["mediapipe"] == "0.10.21"
    assert [name for name in pins if "opencv" in name] == ["opencv-contrib-python"]


def test_the_design_stack_is_never_replaced_on_a_python_without_it(asked):
    assert str(asked("3.12", "design")["tensorflow"].specifier) == "==2.15.1"  # pip says: none


def test_an_unknown_stack_is_refused(asked):
    with pytest.raises(SystemExit, match="ME_KERAS_STACK is design or current"):
        asked("3.11", "newest")


def test_all_that_an_installation_brings_is_pinned(asked):
    """Follows the requirements of what is installed here, as pip did."""
    current = importlib.metadata.version("keras").startswith("3")
    python = "{}.{}".format(*sys.version_info)
    pins = pinned(CURRENT if current else DESIGN, python)
    ahead = list(asked(python, "current" if current else "design").values())
    seen = set()
    while ahead:
        wanted = ahead.pop()
        name = canonicalize_name(wanted.name)
        assert name in pins, name
        for extra in {"", *wanted.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                for line in importlib.metadata.requires(name) or ():
                    needed = Requirement(line)
                    if needed.marker is None or needed.marker.evaluate({"extra": extra}):
                        ahead.append(needed)


@pytest.fixture
def make(tmp_path):
    """`make(words, pythons)`: what make would do, in a path with spaces, with these Pythons."""
    folder, tools = tmp_path / "a folder", tmp_path / "some tools"
    folder.mkdir()
    tools.mkdir()
    for name in ("Makefile", "setup.py", DESIGN, CURRENT):
        shutil.copy(ROOT / name, folder)
    (tools / "cat").symlink_to(shutil.which("cat"))

    def run(*words, pythons=()):
        for version in pythons:
            code = f"import sys; sys.version_info = ({version.replace('.', ', ')}, 0); $2"
            for name in (f"python{version}", "python3"):
                (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{code}"\n')
                (tools / name).chmod(0o755)
        command = [shutil.which("make"), "--dry-run", *words]
        environment = {"PATH": str(tools), "HOME": str(tmp_path)}
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)

    run.folder = folder
    return run


@pytest.mark.parametrize(
    "pythons, words, does",
    [
        (["3.9", "3.11", "3.12"], [], '"python3.11" -m venv .venv\necho design >'),
        (["3.12", "3.9"], [], '"python3.9" -m venv .venv\necho design >'),
        (["3.13", "3.12"], [], '"python3.12" -m venv .venv\necho current >'),
        (["3.11", "3.12"], ["STACK=current"], '"python3.12" -m venv .venv-current\necho current >'),
        (["3.11"], ["STACK=current"], '"python3.11" -m venv .venv-current\necho current >'),
        (["3.11", "3.10"], ["PYTHON=python3.10"], '"python3.10" -m venv .venv\necho design >'),
    ],
)
def test_make_takes_the_first_python_that_suits(make, pythons, words, does):
    done = make("demo", *words, pythons=pythons)
    assert done.stdout.startswith(does), done


@pytest.mark.parametrize(
    "pythons, words, says",
    [
        ([], [], "Install Python 3.12"),
        (["3.13"], [], "3.13 is too new: mediapipe"),
        (["3.8"], ["STACK=current"], "Install Python 3.12"),
        (["3.12"], ["STACK=design"], "Install Python 3.11"),
        (["3.11", "3.13"], ["PYTHON=python3.13"], "at python3.13. 3.13 is too new"),
        (["3.11"], ["STACK=newest"], "say STACK=design or STACK=current"),
    ],
)
def test_where_make_cannot_go_on_it_says_so_in_one_line(make, pythons, words, says):
    done = make("demo", *words, pythons=pythons)
    assert done.returncode == 2 and not done.stdout
    [line] = done.stderr.splitlines()
    assert says in line


@pytest.mark.parametrize("stack, constraints", [("design", DESIGN), ("current", CURRENT)])
def test_a_folder_keeps_the_stack_that_it_was_made_for(make, stack, constraints):
    (make.folder / ".venv").mkdir()
    (make.folder / ".venv" / ".stack").write_text(f"{stack}\n")
    for target, call in (("demo", "install"), ("wheels", "download --dest wheels")):
        done = make(target, "PIP_FLAGS=--no-index --find-links wheels")
        assert f"ME_KERAS_STACK={stack} .venv/bin/python -m pip" in done.stdout
        assert f" {call} --no-index --find-links wheels -c {constraints} " in done.stdout
    other = {"design": "current", "current": "design"}[stack]
    refused = make("demo", f"STACK={other}", "VENV=.venv")
    assert refused.returncode == 2 and f".venv holds the {stack} stack" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
