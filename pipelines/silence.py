"""What no setting of a C++ library silences, kept off the terminal."""

import contextlib
import ctypes
import functools
import importlib.abc
import importlib.machinery
import os
import pathlib
import sys
import threading

# absl::SetMinLogLevel, as TensorFlow 2.15 and 2.19 export it.
_SET_LEVEL = "_ZN4absl12lts_{}14SetMinLogLevelENS0_18LogSeverityAtLeastE"
_VERSIONS = ("20230125", "20230802")
_lock = threading.Lock()
_kept: list = []  # stderr's own descriptor while a block is open, once per open block


def quiet():
    """Silences the start-up noise of C++ libraries; call before they are imported.

    A quiet neighbour of other processes on a GPU, too: TensorFlow takes memory as it needs it.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    if not any(isinstance(finder, _Quiet) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Quiet())


class _Quiet(importlib.abc.MetaPathFinder):
    """Imports TensorFlow without a word: some of its logs come before, or beside, its own level."""

    def find_spec(self, name, path, target=None):
        if name != "tensorflow":
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            load = functools.partial(_load, spec.loader.exec_module)
            spec.loader.exec_module = load  # type: ignore[method-assign]
        return spec


def _load(load, module):
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") not in ("2", "3"):  # someone wants to read it
        load(module)
        return
    with without_stderr():
        load(module)
    for version in _VERSIONS:
        with contextlib.suppress(OSError, AttributeError):  # another version, or another system
            path = pathlib.Path(module.__file__).with_name("libtensorflow_cc.so.2")
            ctypes.CDLL(str(path))[_SET_LEVEL.format(version)](3)


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
