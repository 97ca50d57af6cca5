"""The uploaded films: which browser waits for which, and their end."""

from __future__ import annotations

import contextlib
import pathlib
import threading
import time

UNCLAIMED = 60.0  # seconds after which a file that no browser holds is deleted


class Uploads:
    """The files in a folder, each held by the browsers that sent it. Safe in several threads.

    A file is deleted when nobody holds it any more: two browsers may send the same film, which is
    one file then.
    """

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._held: dict[str, set[pathlib.Path]] = {}  # by session
        self._gone: set[str] = set()
        self._lock = threading.Lock()

    def hold(self, session: str, path) -> None:
        """A browser has sent this file; what it held before is let go. None: it holds none."""
        with self._lock:
            before = self._held.pop(session, set())
            if path and session not in self._gone:
                self._held[session] = {pathlib.Path(path)}
            self._delete_unheld(before if not path else {*before, pathlib.Path(path)})

    def release(self, session: str) -> None:
        """Lets go of what a browser sent."""
        self.hold(session, None)

    def leave(self, session: str) -> None:
        """The browser is gone, and what it held; `is_gone` from now on."""
        with self._lock:
            self._gone.add(session)
        self.release(session)
        self.sweep()

    def is_gone(self, session: str) -> bool:
        """Whether a browser has left."""
        return session in self._gone

    def sweep(self, age: float = UNCLAIMED) -> None:
        """Deletes the files that nobody holds and nobody wrote to for `age` seconds.

        Such are uploads that were broken off.
        """
        now = time.time()
        with self._lock, contextlib.suppress(OSError):
            for path in sorted(self.folder.rglob("*"), reverse=True):
                with contextlib.suppress(OSError):
                    if now - path.stat().st_mtime > age:
                        self._delete_unheld({path})

    def _delete_unheld(self, paths):
        held = set().union(*self._held.values())
        for path in paths - held:
            with contextlib.suppress(OSError):  # gone already, or a folder with something in it
                path.rmdir() if path.is_dir() else path.unlink()
            if path.parent != self.folder:
                with contextlib.suppress(OSError):
                    path.parent.rmdir()
