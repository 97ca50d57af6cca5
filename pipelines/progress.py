"""How far a long piece of work is: a bar with ETA in a terminal, elsewhere a dated line a tenth."""

from __future__ import annotations

import datetime
import sys
import time


def say(text: str) -> None:
    """A stage that begins or ended, as one line on stderr; dated where that is no terminal."""
    if sys.stderr.isatty():
        from tqdm import tqdm

        tqdm.write(text, file=sys.stderr)
    else:
        now = datetime.datetime.now().isoformat(" ", "seconds")
        print(f"{now} {text}", file=sys.stderr, flush=True)


class Progress:
    """Counts units of work; a context manager.

    Args:
        total: number of units.
        title: what is done.
        unit: what is counted, in the singular.
        initial: units that were done before.
    """

    def __init__(self, total: int, title: str, unit: str, initial: int = 0):
        from tqdm import tqdm

        self.total, self.title, self.unit = total, title, unit
        self.initial = self.done = initial
        self._start = time.monotonic()
        # disable=None: silent where the output is not a terminal
        self._bar = tqdm(total=total, initial=initial, desc=title, unit=unit, disable=None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._bar.close()

    def update(self, count: int = 1, note: str = "") -> None:
        """So many units more are done.

        Args:
            note: about what was done last: "s03 seed 0".
        """
        tenth = 10 * self.done // max(self.total, 1)
        self.done += count
        if not self._bar.disable:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(count)
        elif 10 * self.done // max(self.total, 1) > tenth:
            say(self._line(note))

    def _line(self, note):
        seconds = time.monotonic() - self._start
        left = seconds * (self.total - self.done) / max(self.done - self.initial, 1)
        text = f"{self.title}: {self.done} of {self.total} {self.unit}s"
        text += f", {duration(left)} left" if self.done < self.total else f", {duration(seconds)}"
        return f"{text} ({note})" if note else text


def duration(seconds: float) -> str:
    """Seconds in words: "45 s", "3 min", "2.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
