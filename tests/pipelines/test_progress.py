"""Progress: dated lines at each tenth where there is no terminal, a bar where there is one."""

import contextlib
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from pipelines import progress


def lines(capsys):
    dated = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (.*)"
    return [re.fullmatch(dated, line)[1] for line in capsys.readouterr().err.splitlines()]


def test_a_line_at_each_tenth(capsys):
    progress.say("reading")
    with progress.Progress(40, "folds", "fold") as bar:
        for i in range(40):
            bar.update(note=f"s{i:02d}")
    first, *tenths = lines(capsys)
    assert first == "reading" and len(tenths) == 10
    assert re.fullmatch(r"folds: 4 of 40 folds, \d+ s left \(s03\)", tenths[0])
    assert re.fullmatch(r"folds: 40 of 40 folds, \d+ s \(s39\)", tenths[-1])


def test_few_units_have_a_line_each_and_many_at_once_one(capsys):
    with progress.Progress(3, "a", "b") as bar:
        for _ in range(3):
            bar.update()
    assert len(lines(capsys)) == 3
    with progress.Progress(100, "a", "b") as bar:
        bar.update(95)
    assert len(lines(capsys)) == 1


def test_what_was_done_before_does_not_count_for_the_time_left(capsys, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.Progress(10, "folds", "fold", initial=5) as bar:
        now[0] += 60
        bar.update()
    assert lines(capsys) == ["folds: 6 of 10 folds, 4 min left"]


def test_nothing_to_do(capsys):
    with progress.Progress(0, "folds", "fold"):
        pass
    assert lines(capsys) == []


@pytest.mark.parametrize(
    "seconds, words", [(0, "0 s"), (99, "99 s"), (150, "2 min"), (9000, "2.5 h")]
)
def test_durations(seconds, words):
    assert progress.duration(seconds) == words


def test_a_bar_in_a_terminal():
    code = (
        "from pipelines.progress import Progress, say\nsay('reading')\n"
        "with Progress(2, 'folds', 'fold') as bar:\n    bar.update(note='s01')\n"
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    subprocess.run([sys.executable, "-c", code], check=True, stderr=theirs)
    os.close(theirs)
    shown = ""
    with open(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # at its end
        while part := terminal.read(65536):
            shown += part.decode()
    assert "reading" in shown and "folds:  50%" in shown and "s01" in shown
    assert not re.search(r"\d{4}-\d\d-\d\d", shown)
