"""Flags from nested records, files of options, and how commands end."""

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import time
from typing import Optional

import pytest

from pipelines import cli
from pipelines.schema import DataError, OptionError


@dataclasses.dataclass(frozen=True)
class Model:
    """What is built."""

    name: str = cli.option("a", "a kind", ("a", "b"), flag="model", common=True)
    hidden_dim: Optional[int] = cli.option(None, "width", least=1)


@dataclasses.dataclass(frozen=True)
class Data:
    """What is read."""

    rate: float = cli.option(0.5, "a rate", within="[0, 1)", common=True)
    sizes: tuple[int, ...] = cli.option((1, 2), "sizes", nargs="+", metavar="N")
    kinds: tuple[str, ...] = cli.option((), "kinds", ("x", "y"), nargs="+")
    model: Model = Model()

    def __post_init__(self):
        cli.check(self)


@dataclasses.dataclass(frozen=True)
class Options:
    """The rest."""

    data: Data = Data()
    fast: bool = cli.option(False, "a switch", common=True)
    name: Optional[str] = cli.option(None, "a name", common=True)


RENAMED = {"width": "hidden_dim"}


def parse(*argv):
    return cli.parse(Options, list(argv), "prog", "What it does.", renamed=RENAMED)[0]


def refused(capsys, *argv):
    """The line with which a command line is refused."""
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    return capsys.readouterr().err.splitlines()[-1]


def test_types_and_depths():
    assert parse() == Options()
    words = "--rate 0.25 --name x --fast --sizes 3 4 --kinds y x --model b --hidden-dim 8"
    expected = Options(Data(0.25, (3, 4), ("y", "x"), Model("b", 8)), True, "x")
    assert parse(*words.split()) == expected
    assert parse("--no-fast").fast is False
    assert parse(*cli.words(expected)) == expected and cli.words(Options()) == []
    assert "--name" not in cli.words(expected, leave_out=("name",))


def test_debug_is_no_option_of_the_record():
    assert cli.parse(Options, ["--debug"], "prog", "What it does.") == (Options(), True)


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--rate", "1"], r"error: rate must lie in [0, 1), got 1.0"),
        (["--hidden-dim", "0"], "error: hidden_dim must be at least 1, got 0"),
        (["--model", "c"], "--model: invalid choice: 'c'"),
        (["--kinds", "z"], "--kinds: invalid choice: 'z'"),
        (["--sizes", "1", "x"], "--sizes: invalid int value: 'x'"),
        (["--width", "3"], "error: --width is now --hidden-dim"),
        (["--width=3"], "error: --width is now --hidden-dim"),
        (["--rat", "0.1"], "unrecognized arguments: --rat"),
    ],
)
def test_wrong_flags_are_named(capsys, argv, message):
    if argv[0] == "--hidden-dim":  # `Model` checks nothing by itself, as its author forgot
        with pytest.raises(OptionError, match="hidden_dim must be at least 1"):
            cli.check(Model(hidden_dim=0))
        return
    assert message in refused(capsys, *argv)


def test_help_shows_what_people_use_and_help_all_the_rest(capsys):
    texts = []
    for flag in ("--help", "--help-all"):
        with pytest.raises(SystemExit) as stop:
            parse(flag)
        assert stop.value.code == 0
        texts.append(capsys.readouterr().out)
    for flag in ("--rate", "--fast, --no-fast", "--model {a,b}", "--help-all", "--debug"):
        assert flag in texts[0] and flag in texts[1]
    for flag in ("--sizes N [N ...]", "--hidden-dim"):
        assert flag not in texts[0] and flag in texts[1]
    assert "a rate (default: 0.5)" in texts[0] and "a name\n" in texts[0]
    order = [texts[1].index(f"{title}:\n") for title in ("What is read", "What is built")]
    assert order[0] < texts[1].index("--rate") < order[1] < texts[1].index("--model {a,b}")


def test_options_by_name():
    options = cli.replace(Options(), hidden_dim=4, rate=0.1, fast=True)
    assert options == Options(Data(rate=0.1, model=Model(hidden_dim=4)), True)
    assert cli.value_of(options, "hidden_dim") == 4 and cli.value_of(options, "model") == "a"
    with pytest.raises(OptionError, match="unknown option 'speed'"):
        cli.replace(Options(), speed=1)
    with pytest.raises(OptionError, match=r"rate must lie in \[0, 1\), got 2"):
        cli.replace(Options(), rate=2)
    assert list(cli.leaves(Options))[:2] == ["rate", "sizes"]


def test_values_that_only_fit_together_are_replaced_at_once():
    @dataclasses.dataclass(frozen=True)
    class Pair:
        """Two numbers."""

        low: int = cli.option(0, "low")
        high: int = cli.option(1, "high")

        def __post_init__(self):
            if self.low >= self.high:
                raise OptionError("low must be below high")

    assert cli.replace(Pair(), low=5, high=6) == Pair(5, 6)
    assert cli.from_json(Pair, {"low": 5, "high": 6}) == Pair(5, 6)


@pytest.mark.parametrize("nested", [True, False])
def test_options_come_back_from_json(nested):
    options = Options(Data(0.25, (3,), ("x",), Model("b", 8)), True, "x")
    values = cli.to_json(options)
    assert values["data"]["model"] == {"name": "b", "hidden_dim": 8}
    if not nested:  # as older versions wrote it, under an older name and with other things beside
        values = {"rate": 0.25, "sizes": [3], "kinds": ["x"], "model": "b", "width": 8}
        values |= {"fast": True, "name": "x", "versions": {"python": "3"}}
    read = cli.from_json(Options, json.loads(json.dumps(values)), RENAMED, ignored=("versions",))
    assert read == options


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "cannot be read as JSON"),
        ("[1]", "expected a JSON object"),
        ('{"speed": 1}', "unknown option 'speed'; see --help-all"),
        ('{"data": {"speed": 1}}', "unknown option 'data.speed'"),
        ('{"rate": "high"}', "rate must be float, got 'high'"),
        ('{"fast": 1}', "fast must be bool, got 1"),
        ('{"data": {"model": {"hidden_dim": true}}}', "hidden_dim must be int, got True"),
        ('{"sizes": [1, 2.5]}', "sizes must be int, got 2.5"),
        ('{"rate": -1}', "rate must lie in [0, 1), got -1"),
    ],
)
def test_a_bad_file_of_options_is_named(tmp_path, capsys, content, message):
    path = tmp_path / "c.json"
    path.write_text(content)
    line = refused(capsys, "--config", str(path))
    assert message in line and line.count("c.json") == 1


def test_a_missing_file_of_options_is_named(capsys):
    assert "nowhere.json: cannot be read" in refused(capsys, "--config", "nowhere.json")


def test_flags_win_over_the_file(tmp_path):
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"data": {"rate": 0.1, "sizes": [9]}, "name": None}))
    found = parse("--config", str(path), "--rate", "0.3")
    assert found == Options(Data(0.3, (9,)))


def test_choices_are_checked_in_files_too():
    with pytest.raises(OptionError, match="model must be one of a, b, got 'c'"):
        cli.check(Model("c"))


def fail(error):
    raise error


def tensorflow_error(name, message):
    import tensorflow as tf

    return getattr(tf.errors, name)(None, None, message)


@pytest.mark.parametrize(
    "error, code, line",
    [
        (DataError("a: empty"), 2, "error: a: empty"),
        (OptionError("rate"), 2, "error: rate"),
        (FloatingPointError("diverged"), 1, "error: diverged"),
        (ChildProcessError("gone"), 1, "error: gone"),
        (ConnectionError("refused"), 1, "error: refused"),
        (OSError(errno.ENOSPC, "No space", "a"), 1, "error: a: the disk is full: free some space"),
        (MemoryError("8 GiB"), 1, "error: out of memory or disk: 8 GiB"),
    ],
)
def test_what_is_no_bug_is_one_line(error, code, line, capsys):
    assert cli.run(fail, error) == code
    assert capsys.readouterr().err == line + "\n"
    assert cli.run(fail, error, debug=True) == code
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback") and printed.endswith(line + "\n")


@pytest.mark.parametrize(
    "name, message, line",
    [
        (
            "ResourceExhaustedError",
            "d/a; No space left",
            "out of memory or disk: d/a; No space left",
        ),
        (
            "ResourceExhaustedError",
            "Graph execution error:\n\nnode x\nOOM when allocating\nHint: more",
            "out of memory or disk: OOM when allocating",
        ),
        ("UnavailableError", "peer gone\nmore", "TensorFlow: peer gone"),
        ("PermissionDeniedError", "/a; Permission denied", "TensorFlow: /a; Permission denied"),
    ],
)
def test_tensorflows_own_errors_are_one_line(name, message, line, capsys):
    assert cli.run(fail, tensorflow_error(name, message)) == 1
    assert capsys.readouterr().err == f"error: {line}\n"


def test_bugs_show_their_traceback(capsys):
    bugs = (ValueError("oops"), tensorflow_error("InvalidArgumentError", "shapes"))
    for error in (*bugs, KeyError("k"), AssertionError()):
        assert cli.run(fail, error) == 1
        lines = capsys.readouterr().err.splitlines()
        assert lines[0].startswith("Traceback") and "report it" in lines[-1]
        assert type(error).__name__ in lines[-1]


def test_a_command_gives_its_exit_code(capsys):
    assert cli.run(lambda: None) == 0 and cli.run(lambda: 1) == 1
    assert cli.run(fail, KeyboardInterrupt(), stopped="12 folds are kept") == 130
    assert capsys.readouterr().err == "12 folds are kept\n"


BUSY = """
import sys, threading
from pipelines import cli
cli.on_abort(lambda: print("aborted", flush=True))
def command():
    print("ready", flush=True)
    {wait}
sys.exit(cli.run(command, stopped="kept: go on with the same line"))
"""
# A call into C that no signal interrupts: a minute at least.
C_CALL = "import hashlib; hashlib.pbkdf2_hmac('sha512', b'', b'', 10**9)"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait, aborts", [("threading.Event().wait()", False), (C_CALL, True)])
def test_a_signal_ends_a_command_within_five_seconds(number, wait, aborts):
    line = [sys.executable, "-c", BUSY.format(wait=wait)]
    reset = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, **pipes, **reset) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.5)  # it is in the call by now
        start = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - start < 5
    assert process.returncode == 130
    assert err == "kept: go on with the same line\n"
    assert out == ("aborted\n" if aborts else "")


def test_signals_are_as_before_after_a_command():
    before = signal.getsignal(signal.SIGTERM), len(os.listdir("/proc/self/fd"))
    cli.run(lambda: None)
    assert (signal.getsignal(signal.SIGTERM), len(os.listdir("/proc/self/fd"))) == before
