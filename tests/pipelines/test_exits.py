"""How commands end: one line or a traceback, exit codes, signals within five seconds."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from pipelines import cli
from pipelines.schema import DataError, OptionError


def fail(error):
    raise error


GPU_FULL = (
    "OOM when allocating tensor with shape[512,128,128,32] and type float on "
    "/job:localhost/replica:0/task:0/device:GPU:0 by allocator GPU_0_bfc"
)


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
        (
            "ResourceExhaustedError",
            f"Graph execution error:\n\nnode x\n{GPU_FULL}\n\t [[node x]]\nHint: more",
            "out of GPU memory: lower --batch-size, or train in half precision: "
            f"--mixed-precision: {GPU_FULL}",
        ),
        ("UnavailableError", "peer gone\nmore", "TensorFlow: peer gone"),
        ("PermissionDeniedError", "/a; Permission denied", "TensorFlow: /a; Permission denied"),
    ],
)
def test_tensorflows_own_errors_are_one_line(name, message, line, capsys):
    assert cli.run(fail, tensorflow_error(name, message)) == 1
    assert capsys.readouterr().err == f"error: {line}\n"


@pytest.mark.parametrize("given, used", [(None, "true"), ("false", "false")])
def test_a_command_takes_gpu_memory_as_it_needs_it(monkeypatch, given, used):
    name = "TF_FORCE_GPU_ALLOW_GROWTH"  # what TensorFlow itself reads
    monkeypatch.setenv(name, "")
    monkeypatch.setenv(name, given) if given else monkeypatch.delenv(name)
    assert cli.run(lambda: os.environ[name] != used) == 0


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
import signal, sys, threading
from pipelines import cli
def command():
    signal.signal(signal.SIGWINCH, lambda *_: None)
    print("ready", flush=True)
    {wait}
sys.exit(cli.run(command, stopped="kept: go on with the same line"))
"""
# A call into C that no signal interrupts: a minute at least.
C_CALL = "import hashlib; hashlib.pbkdf2_hmac('sha512', b'', b'', 10**9)"
# Python drops what is raised while an object is deleted.
DELETION = "import time; type('A', (), {'__del__': lambda _: time.sleep(2)})(); time.sleep(60)"
# A library in C, or one that wraps errors in its own, makes another error of it.
ANOTHER = """
    import time
    try:
        time.sleep(60)
    except KeyboardInterrupt as error:
        raise SystemError("bad argument to internal function") from error
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait", ["threading.Event().wait()", C_CALL, DELETION, ANOTHER])
def test_a_signal_ends_a_command_within_five_seconds(number, wait):
    line = [sys.executable, "-c", BUSY.format(wait=wait)]
    reset = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(line, **pipes, **reset) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGWINCH)  # which a library may listen to
        time.sleep(0.5)  # it is in the call by now
        start = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
        assert time.monotonic() - start < 5
    assert process.returncode == 130
    assert err == "kept: go on with the same line\n"


def test_an_interrupt_that_the_shell_ignores_stays_ignored():
    """As a shell starts what runs in the background: its Ctrl-C is for others."""
    line = [sys.executable, "-c", BUSY.format(wait="import time; time.sleep(2)")]
    ignore = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, **ignore) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_signals_are_as_before_after_a_command():
    before = signal.getsignal(signal.SIGTERM), len(os.listdir("/proc/self/fd"))
    cli.run(lambda: None)
    assert (signal.getsignal(signal.SIGTERM), len(os.listdir("/proc/self/fd"))) == before
