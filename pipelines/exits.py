"""How commands end: one line for what is no bug, the same exit codes everywhere, signals in time.

Exit codes: 0 done, 1 failed (training diverged, disk full, a process died, or a bug), 2 a user's
mistake, 130 stopped.
"""

import contextlib
import errno
import os
import signal
import sys
import threading
import traceback

from pipelines import silence, stack
from pipelines.schema import DataError, OptionError

STOPPED = 130  # exit code after Ctrl-C or SIGTERM
GRACE = 3.0  # seconds between Ctrl-C and the end, where a library does not return
FULL = (errno.ENOSPC, errno.EDQUOT)
# TensorFlow's errors that no change of the program could avoid; its others are bugs.
TENSORFLOW = ("Aborted", "DataLoss", "DeadlineExceeded", "PermissionDenied", "Unavailable")


def run(command, *args, stopped="stopped", debug=False):
    """Runs `command(*args)` and returns the process's exit code, which the command may return.

    A user's mistake (`DataError`, `OptionError`) is one line on stderr and code 2; what failed
    through no fault of the program (`FloatingPointError`, `OSError`, `MemoryError`) one line and
    code 1; Ctrl-C and SIGTERM the line `stopped` and code 130, after `GRACE` seconds at the latest,
    also where a library makes another error of the interrupt, as TensorFlow does while it traces.
    Anything else is a bug: its traceback, a line that asks to report it, and code 1. Packages that
    do not work together are a mistake for every command, also for one that needs no TensorFlow.
    """
    silence.quiet()
    asked = threading.Event()  # to stop
    try:
        with _stoppable(stopped, asked):
            stack.check()
            return command(*args) or 0
    except (KeyboardInterrupt, Exception) as error:
        if asked.is_set() or isinstance(error, KeyboardInterrupt):
            print(stopped, file=sys.stderr)
            return STOPPED
        code, line = explain(error)
        if debug or line is None:
            traceback.print_exc()
        bug = f"{type(error).__name__}: this is a bug; please report it with the lines above"
        print(f"error: {line or bug}", file=sys.stderr)
        return code


def explain(error):
    """tuple of the exit code for an error and the line to print, None for a bug."""
    if isinstance(error, (DataError, OptionError)):
        return 2, str(error)
    if isinstance(error, OSError) and error.errno in FULL:
        return 1, f"{error.filename or 'the disk'}: the disk is full: free some space"
    kind = type(error).__name__.removesuffix("Error")
    if isinstance(error, MemoryError) or kind == "ResourceExhausted":
        gist = _gist(error)
        if "GPU" in gist:  # the device or its allocator
            remedy = "lower --batch-size, or train in half precision: --mixed-precision"
            return 1, f"out of GPU memory: {remedy}: {gist}"
        return 1, f"out of memory or disk: {gist}"
    if kind in TENSORFLOW and type(error).__module__.startswith("tensorflow"):
        return 1, f"TensorFlow: {_gist(error)}"
    if isinstance(error, (FloatingPointError, OSError)):
        return 1, str(error)
    return 1, None


def _gist(error):
    """The line of a long message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no details"]
    if lines[0].startswith("Graph execution error"):
        lines = [line for line in lines if "OOM" in line or "exhausted" in line] or lines[::-1]
    return lines[0]


@contextlib.contextmanager
def _stoppable(line, asked):
    """SIGTERM counts as Ctrl-C, and neither waits for a library that runs for minutes."""
    if threading.current_thread() is not threading.main_thread():  # only it may set signals
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def interrupt(*_):
        asked.set()
        raise KeyboardInterrupt

    def watch():
        while (got := os.read(reader, 1)) != b"\0":
            if got[0] in (signal.SIGINT, signal.SIGTERM) and not done.wait(GRACE):
                print(line, file=sys.stderr, flush=True)
                os._exit(STOPPED)

    def dropped(raised):
        """Python drops an interrupt that comes while an object is deleted: it comes once more."""
        if raised.exc_type is KeyboardInterrupt:
            threading.Timer(0.05, again).start()
        else:
            before_hook(raised)

    def again():
        if not done.is_set():
            signal.pthread_kill(main, signal.SIGTERM)

    done, main = threading.Event(), threading.get_ident()
    thread = threading.Thread(target=watch, daemon=True)
    before_hook, sys.unraisablehook = sys.unraisablehook, dropped
    before_fd = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) != signal.SIG_IGN:  # as shells start what runs in background
        numbers.append(signal.SIGINT)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    thread.start()
    try:
        yield
    finally:
        done.set()
        sys.unraisablehook = before_hook
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        os.write(writer, b"\0")
        thread.join(GRACE + 1)
        os.close(writer)
        os.close(reader)
