"""What no setting of a C++ library silences, kept off the terminal."""

import contextlib
import os
import sys
import threading

_lock = threading.Lock()
_kept: list = []  # stderr's own descriptor while a block is open, once per open block


@contextlib.contextmanager
def without_stderr():
    """Drops what is written to stderr inside, by C++ libraries too.

    MediaPipe chatters when it starts, libpng complains of broken images; TensorFlow 2.15 warns,
    with a page of text, that it cannot estimate the cost of a `CropAndResize` whenever it optimises
    a saved model of ours. Blocks may overlap in threads: the last to end brings stderr back.
    """
    with _lock:
        if not _kept:
            sys.stderr.flush()
            _kept.append(os.dup(2))
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, 2)
            os.close(null)
        else:
            _kept.append(_kept[0])
    try:
        yield
    finally:
        with _lock:
            own = _kept.pop()
            if not _kept:
                os.dup2(own, 2)
                os.close(own)
