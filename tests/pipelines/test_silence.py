import os
import threading

import pytest

from pipelines import silence


def test_stderr_of_libraries_is_kept_off_the_terminal_and_comes_back(capfd):
    os.write(2, b"before\n")
    with silence.without_stderr():
        os.write(2, b"inside\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "before\nafter\n"
    with pytest.raises(RuntimeError), silence.without_stderr():
        raise RuntimeError
    os.write(2, b"after an error\n")
    assert capfd.readouterr().err == "after an error\n"


def test_blocks_that_overlap_in_threads_bring_stderr_back(capfd):
    opened, closed = threading.Event(), threading.Event()

    def first():
        with silence.without_stderr():
            opened.set()
            closed.wait(5)
            os.write(2, b"inside\n")

    thread = threading.Thread(target=first)
    thread.start()
    opened.wait(5)
    with silence.without_stderr():
        closed.set()
        thread.join()  # the block that was opened first ends first
        os.write(2, b"inside\n")
    os.write(2, b"after\n")
    assert capfd.readouterr().err == "after\n"
