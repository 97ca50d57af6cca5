import os
import subprocess
import sys
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


NOISY = """
import importlib.util, os, sys
from pipelines import silence
silence.quiet()
silence.quiet()  # once for a command, once more in its processes
importlib.util.find_spec("tensorflow")  # a library that only asks whether it is there
import tensorflow as tf
print([type(finder).__name__ for finder in sys.meta_path].count("_Quiet"))
crops = tf.function(tf.image.crop_and_resize)  # it warns that it cannot estimate the cost
for size in (8, 9):
    crops(tf.ones((size, 8, 8, 1)), tf.ones((size, 4)), tf.range(size), (2, 2))
print("no stderr lost", file=sys.stderr)
"""


def test_tensorflow_says_nothing_of_its_own_but_where_it_is_asked_to():
    for level, quiet in (("3", True), ("0", False), ("no number", False)):
        env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": level}
        line = [sys.executable, "-c", NOISY]
        done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
        assert done.stdout == "1\n"
        assert (done.stderr == "no stderr lost\n") == quiet, done.stderr


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
