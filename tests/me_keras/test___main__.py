"""`python -m me_keras`: the list of the commands, and the version of each."""

import pathlib
import re
import subprocess
import sys

import pytest

import me_keras
from me_keras import __main__ as commands

ROOT = pathlib.Path(__file__).parents[2]
each_command = pytest.mark.parametrize("name", commands.COMMANDS)


def test_all_commands_that_are_installed_are_listed(capsys):
    setup = (ROOT / "setup.py").read_text()
    installed = dict(re.findall(r'"me-keras-(\S+) = ([\w.]+):main"', setup))
    assert {**commands.COMMANDS, **installed} == commands.COMMANDS
    assert commands.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[3:]] == [*commands.COMMANDS]
    assert "  doctor     Looks a copy of a database over and changes nothing in it." in lines


@each_command
def test_a_command_says_its_version(name, capsys):
    with pytest.raises(SystemExit) as stop:
        commands.main([name, "--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"me-keras {me_keras.__version__}\n"


def test_an_unknown_command_is_one_line(capsys):
    assert commands.main(["train"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown command 'train': choose one of loso")


def test_the_version_needs_no_tensorflow_and_no_installation(tmp_path):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from me_keras import __main__\n"
    code += "__main__.main(['--version'])\ntry: __main__.main(['loso', '--version'])\n"
    code += "finally: print(sorted({'tensorflow', 'keras', 'numpy'} & set(sys.modules)))"
    command = [sys.executable, "-I", "-S", "-c", code]  # -S: without installed packages
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    said = f"me-keras {me_keras.__version__}"
    assert done.stdout.splitlines() == [said, said, "[]"], done.stderr
