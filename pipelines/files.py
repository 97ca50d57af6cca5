"""Files and folders that appear on disk whole or not at all, whoever else writes, however it ends.

Locks are `filelock`'s: the kernel's on Linux, macOS and Windows, so they fall with their process.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import pathlib
import shutil
import socket
import tempfile
import typing

from pipelines.schema import DataError

FULL = (errno.ENOSPC, errno.EDQUOT)
TIMEOUT = 4 * 3600.0  # seconds to wait for the process that makes a folder
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


def write_whole(path, content) -> None:
    """Writes a file, str or bytes, as `whole_file` does."""
    with whole_file(path) as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def write_new(path, content) -> bool:
    """As `write_whole`, but leaves a file that is there alone; returns whether it wrote."""
    try:
        with whole_file(path, os.link) as file:
            file.write(content if isinstance(content, bytes) else content.encode())
    except FileExistsError:
        return False
    return True


@contextlib.contextmanager
def whole_file(path, place=os.replace) -> typing.Iterator[typing.IO[bytes]]:
    """A file to write that will be there whole or not at all, even if the process is killed.

    Several processes, on several machines, may write the same file: it is one of theirs.

    Args:
        path: its folder is made if missing.
        place: function of two paths that puts what was written in its place.
    Raises:
        OSError: with a message that names the file, the reason and, for a full disk, a remedy.
    """
    path, partial = pathlib.Path(path), None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".partial", delete=False
        ) as file:
            partial = pathlib.Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())  # a full disk on another machine may show only now
        partial.chmod(0o644)
        _move(partial, path, place)
    except OSError as error:
        if isinstance(error, FileExistsError) and place is os.link:
            raise
        remedy = ": free some space" if error.errno in FULL else ""
        raise OSError(f"{path} cannot be written ({error.strerror or error}){remedy}") from error
    finally:
        if partial is not None:
            partial.unlink(missing_ok=True)


def _move(partial, path, place):
    try:
        place(partial, path)
    except OSError as error:
        if place is not os.link or isinstance(error, FileExistsError) or error.errno in FULL:
            raise
        os.replace(partial, path)  # a file system without hard links


def is_partial(name: str) -> bool:
    """Whether a file of this name is one that is being written, or was when a process died."""
    return name.startswith(".") and name.endswith(".partial")


def read_json(path, remedy: str) -> dict | None:
    """The JSON object in a file; None where there is no file.

    Args:
        remedy: what to do about a damaged file, for the message.
    Raises:
        DataError: the file cannot be read or holds no JSON object; names file and remedy.
    """
    try:
        value = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): {remedy}") from None
    if not isinstance(value, dict):
        raise DataError(f"{path} holds no JSON object: {remedy}")
    return value


def digest(value) -> str:
    """Eight characters for a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]


@contextlib.contextmanager
def replaced_whole(out: pathlib.Path) -> typing.Iterator[pathlib.Path]:
    """Gives an empty folder beside `out` to write into, which becomes `out` if all goes well.

    An earlier `out` is replaced only then. What killed runs left beside it is removed.
    Raises DataError if the folder cannot be made.
    """
    partial = hidden(out.parent, f".{out.name}.partial", f".{glob.escape(out.name)}.partial", out)
    try:
        yield partial
        old = partial.with_name(partial.name + "-old")
        if out.exists():
            out.rename(old)
        partial.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def hidden(parent: pathlib.Path, name: str, family: str, out: pathlib.Path) -> pathlib.Path:
    """Makes the empty folder `parent`/`name`-<number of this process>.

    Args:
        family: pattern of the names whose folders are removed if a killed process left them.
        out: what is being written, for the message.
    Raises:
        DataError: the folder cannot be made.
    """
    for left in parent.glob(f"{family}-*"):
        pid = left.name.rpartition("-")[2]
        if pid.isdigit() and not _is_running(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    partial = parent / f"{name}-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    with _writable(out):
        partial.mkdir(parents=True)
    return partial


def _is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextlib.contextmanager
def _writable(out):
    try:
        yield
    except OSError as error:
        reason = f"cannot be written ({error.strerror}): choose another folder with --out"
        raise DataError(f"{out}: {reason}") from error


@contextlib.contextmanager
def locked(out: pathlib.Path, timeout: float = TIMEOUT) -> typing.Iterator[None]:
    """Holds the folder `out` for this process; waits while another one holds it.

    The lock is on a file beside `out`, which stays: removing it could give two processes a lock
    each. A file system that knows no locks gives none, and the block runs all the same.

    Args:
        timeout: seconds to wait at most.
    Raises:
        DataError: another process still holds it after `timeout`, or the place cannot be written.
    """
    import filelock

    from pipelines.progress import say

    path = out.parent / f".{out.name}.lock"
    lock = filelock.FileLock(path)
    with _writable(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        owner = path.read_text().strip() or "another process"  # filelock of Python 3.9 empties it
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        if timeout > 0:
            say(f"{out}: waiting for {owner}, {timeout:g} s at most")
        try:
            lock.acquire(timeout=timeout, poll_interval=0.25)
        except filelock.Timeout:
            raise DataError(
                f"{out}: {owner} has been making it for over {timeout:g} s: wait for it, end it, "
                "or choose another folder"
            ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    except NotImplementedError:  # filelock's word for a file system without locks
        pass
    try:
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n")
        yield
    finally:
        path.write_text("")
        lock.release()
