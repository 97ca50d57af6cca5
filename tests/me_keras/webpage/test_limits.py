"""Films that are too long or too large are refused by name."""

import numpy as np
import pytest

from me_keras.webpage import limits
from pipelines.schema import DataError


def test_length_is_that_of_the_film_or_as_filmed(film):
    limits.check(film, 0.25)  # 12 frames at 50 a second: the last after 0.22 s
    limits.check(film, 0.25, fps=50)
    with pytest.raises(DataError, match=r"^clip\.avi: lasts over 0\.1 s, .* cut it to the movem"):
        limits.check(film, 0.1)
    with pytest.raises(DataError, match="lasts over 1 s"):
        limits.check(film, 1.0, fps=5)
    limits.check(film, 0.1, fps=200)


def test_frames_too_large_for_the_memory(film, monkeypatch):
    monkeypatch.setattr(limits, "MOST_PIXELS", 320 * 240 - 1)
    with pytest.raises(DataError, match=r"clip\.avi: its frames are larger"):
        limits.check(film, 10.0)


def test_what_is_no_film_is_left_to_who_reads_it(tmp_path):
    path = tmp_path / "text.mp4"
    path.write_bytes(np.arange(100, dtype=np.uint8).tobytes())
    limits.check(path, 1.0)
