"""Which packages are installed, and the one line where they or the environment cannot work."""

import importlib.metadata
import os
import pathlib
import subprocess
import sys
import time
import types

import pytest

from pipelines import cli, stack
from pipelines.schema import OptionError

ROOT = pathlib.Path(__file__).parents[2]
DESIGN = {"tensorflow": "2.15.1", "keras": "2.15.0", "numpy": "1.26.4"}
CURRENT = {"tensorflow": "2.19.1", "keras": "3.15.1", "numpy": "2.1.3"}


@pytest.fixture
def install(monkeypatch):
    """Function: makes these packages, name -> version, all that is installed."""

    def only(packages):
        def version(name):
            if name not in packages:
                raise importlib.metadata.PackageNotFoundError(name)
            return packages[name]

        monkeypatch.setattr(importlib.metadata, "version", version)
        stack.installed.cache_clear()

    yield only
    stack.installed.cache_clear()


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Without the variables that matter; they are as before afterwards."""
    for name in ("KERAS_BACKEND", "TF_USE_LEGACY_KERAS"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    "packages, name",
    [
        (DESIGN, "design"),
        (CURRENT, "current"),
        ({**CURRENT, "tensorflow": "2.16.0rc0", "numpy": "1.26.4"}, "current"),
        ({"tensorflow-cpu": "2.15.0", "keras": "2.15.0", "numpy": "1.23.5"}, "design"),
    ],
)
def test_what_is_installed_names_the_stack(install, packages, name):
    install(packages)
    assert stack.installed() == name


@pytest.mark.parametrize(
    "packages, line",
    [
        (
            {**DESIGN, "keras": "3.15.1"},
            "keras 3.15.1 does not work with tensorflow 2.15.1: pip install 'keras==2.15.0'",
        ),
        (
            {**CURRENT, "keras": "2.15.0"},
            "keras 2.15.0 does not work with tensorflow 2.19.1: pip install 'keras>=3.10'",
        ),
        (
            {**DESIGN, "numpy": "2.0.2"},
            "numpy 2.0.2 does not work with tensorflow 2.15.1: pip install 'numpy<2'",
        ),
        (
            {**DESIGN, "tensorflow": "2.9.0"},
            f"tensorflow 2.9.0 is too old, it has to be 2.15 or later: {stack.ANEW}",
        ),
        (
            {"keras": "3.15.1", "numpy": "2.1.3"},
            f"tensorflow is not installed for {sys.executable}: {stack.ANEW}",
        ),
        (
            {"tensorflow": "2.19.1", "numpy": "2.1.3"},
            f"keras is not installed for {sys.executable}: {stack.ANEW}",
        ),
    ],
)
def test_half_an_environment_is_one_line_of_code_2(install, packages, line, capsys):
    install(packages)
    assert cli.run(lambda: pytest.fail("the command ran")) == 2
    assert capsys.readouterr().err == f"error: {line}\n"


@pytest.mark.parametrize("value", ["1", "true", "True"])
def test_another_keras_is_refused(environment, value):
    environment.setenv("TF_USE_LEGACY_KERAS", value)
    with pytest.raises(OptionError, match="unset TF_USE_LEGACY_KERAS"):
        stack.check()


@pytest.mark.parametrize("value", ["", "0", "False"])
def test_a_variable_that_asks_for_nothing_is_let_be(environment, value):
    environment.setenv("TF_USE_LEGACY_KERAS", value)
    stack.check()


def test_another_backend_is_refused_and_none_is_chosen(environment):
    environment.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(OptionError, match="KERAS_BACKEND is jax, it has to be tensorflow"):
        stack.check()
    environment.setenv("KERAS_BACKEND", "")  # which Keras takes for unset
    stack.check()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"
    environment.delenv("KERAS_BACKEND")
    stack.check()
    assert os.environ["KERAS_BACKEND"] == "tensorflow"


def test_a_keras_that_is_loaded_with_another_backend_is_refused(environment):
    keras = types.SimpleNamespace(backend=types.SimpleNamespace(backend=lambda: "torch"))
    environment.setitem(sys.modules, "keras", keras)
    with pytest.raises(OptionError, match="loaded already, with torch: set KERAS_BACKEND"):
        stack.check()


def run(code, **variables):
    """What Python prints, errors too."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    environment = {**os.environ, **variables}
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, **pipes).stdout


@pytest.mark.parametrize(
    "use",
    [
        "me_keras.Options",
        "me_keras.build_model()",
        "from me_keras import parallel; parallel._set_up_child(1, 1, None)",  # on another machine
    ],
)
def test_the_library_refuses_at_its_first_use_not_at_its_import(use):
    printed = run(f"import me_keras; print('imported'); {use}", KERAS_BACKEND="torch")
    assert printed.startswith("imported\n") and "OptionError: KERAS_BACKEND is torch" in printed


def test_help_answers_whatever_is_installed():
    printed = run("from me_keras import loso; loso.main(['--help'])", KERAS_BACKEND="torch")
    assert "--dataset" in printed and "KERAS_BACKEND" not in printed


def test_it_takes_milliseconds_and_loads_neither():
    code = "import sys, time\nfrom pipelines import stack\n"
    code += "start = time.perf_counter(); stack.check(); seconds = time.perf_counter() - start\n"
    code += "print(seconds, sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    least = min(run(code).partition(" ")[::2] for _ in range(3))
    assert float(least[0]) < 0.2 and least[1] == "[]\n"
    start = time.perf_counter()
    stack.check()
    assert time.perf_counter() - start < 0.05
