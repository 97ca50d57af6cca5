"""Files and folders: whole or not at all, leftovers removed, one maker at a time."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time

import filelock
import pytest

from pipelines import files
from pipelines.schema import DataError


def test_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "deep" / "a.json"
    files.write_whole(path, "1")
    files.write_whole(str(path), b"22")
    assert path.read_bytes() == b"22" and os.listdir(path.parent) == ["a.json"]
    assert path.stat().st_mode & 0o777 == 0o644

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="a.json cannot be written .No space left.*free some space"):
        files.write_whole(path, "333")
    assert path.read_bytes() == b"22" and os.listdir(path.parent) == ["a.json"]


def test_of_many_writers_one_wins_whole(tmp_path):
    path = tmp_path / "a"
    texts = [str(n) * 50_000 for n in range(8)]
    writers = [threading.Thread(target=files.write_whole, args=(path, text)) for text in texts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_text() in texts and os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("hard_links", [True, False])
def test_new_leaves_what_is_there(tmp_path, monkeypatch, hard_links):
    if not hard_links:

        def refuse(*_):
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "a"
    assert files.write_new(path, "1") and path.read_text() == "1"
    if hard_links:
        assert not files.write_new(path, "2") and path.read_text() == "1"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file/a cannot be written"):
        files.write_whole(tmp_path / "file" / "a", "1")


@pytest.mark.parametrize(
    "content, message",
    [
        (b"{", "a.json cannot be read .*: do this"),
        (b"\xff\xfe", "a.json cannot be read .*: do this"),
        (b"[1]", "a.json holds no JSON object: do this"),
    ],
)
def test_damaged_json_is_named_with_its_remedy(tmp_path, content, message):
    path = tmp_path / "a.json"
    assert files.read_json(path, "do this") is None
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        files.read_json(path, "do this")
    path.write_text(json.dumps({"a": 1}))
    assert files.read_json(path, "do this") == {"a": 1}


def test_names_of_files_being_written():
    assert files.is_partial(".a.json.x1.partial")
    assert not files.is_partial("a.partial") and not files.is_partial(".hidden")


def test_a_folder_appears_when_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with files.replaced_whole(out) as partial:
        (partial / "new").write_text("1")
        assert not out.exists()
    assert os.listdir(out.parent) == ["out"] and os.listdir(out) == ["new"]


def test_an_earlier_folder_is_replaced_only_by_a_whole_one(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("1")
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), files.replaced_whole(out) as partial:
            (partial / "new").write_text("1")
            raise error
        assert os.listdir(tmp_path) == ["out"] and os.listdir(out) == ["old"]
    with files.replaced_whole(out) as partial:
        (partial / "new").write_text("1")
    assert os.listdir(tmp_path) == ["out"] and os.listdir(out) == ["new"]


def test_leftovers_of_killed_runs_are_removed_those_of_running_ones_are_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = tmp_path / f".out.partial-{gone.pid}"
    alive = tmp_path / f".out.partial-{os.getppid()}"
    for folder in (dead, alive):
        folder.mkdir()
    with files.replaced_whole(tmp_path / "out"):
        pass
    assert not dead.exists() and alive.exists()


@pytest.mark.parametrize("made", [files.replaced_whole, files.locked])
def test_a_place_that_cannot_be_written(tmp_path, made):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file/out: cannot be written.*another folder with --out"):
        with made(tmp_path / "file" / "out"):
            pass


HOLD = (
    "import pathlib, sys, time\nfrom pipelines import files\n"
    "with files.locked(pathlib.Path(sys.argv[1])):\n"
    "    print('held', flush=True)\n    time.sleep(float(sys.argv[2]))"
)


def hold(out, seconds):
    """Another process that holds `out`, once it does."""
    command = [sys.executable, "-c", HOLD, str(out), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_waits_for_the_first(tmp_path, capsys):
    out = tmp_path / "deep" / "out"
    with hold(out, 1.0) as other:
        start = time.monotonic()
        with files.locked(out):
            assert time.monotonic() - start > 0.5
            assert other.wait(10) == 0
    printed = capsys.readouterr().err
    assert f"out: waiting for process {other.pid} on " in printed and printed.count("\n") == 1
    assert (tmp_path / "deep" / ".out.lock").read_text() == ""


def test_waiting_ends_with_a_line_that_names_the_other(tmp_path):
    with hold(tmp_path / "out", 60) as other:
        try:
            message = f"process {other.pid} on .* for over 0.1 s: wait for it, end it"
            with pytest.raises(DataError, match=message), files.locked(tmp_path / "out", 0.1):
                pass
        finally:
            other.kill()


def test_a_killed_process_holds_nothing(tmp_path, capsys):
    with hold(tmp_path / "out", 60) as other:
        os.kill(other.pid, signal.SIGKILL)
    with files.locked(tmp_path / "out", 0.0):
        assert str(os.getpid()) in (tmp_path / ".out.lock").read_text()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOLCK, "No locks available"), NotImplementedError()]
)
def test_a_file_system_without_locks(tmp_path, monkeypatch, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with files.locked(tmp_path / "out"):
        (tmp_path / "out").mkdir()
    assert (tmp_path / "out").is_dir()
