"""Folders: replaced when whole, untouched otherwise, leftovers removed."""

import os
import subprocess
import sys

import pytest

from pipelines import folders, schema


def test_it_appears_when_whole(tmp_path):
    out = tmp_path / "deep" / "out"
    with folders.replaced_whole(out) as partial:
        (partial / "new").write_text("1")
        assert not out.exists()
    assert os.listdir(out.parent) == ["out"] and os.listdir(out) == ["new"]


def test_the_earlier_one_is_replaced_only_by_a_whole_one(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("1")
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), folders.replaced_whole(out) as partial:
            (partial / "new").write_text("1")
            raise error
        assert os.listdir(tmp_path) == ["out"] and os.listdir(out) == ["old"]
    with folders.replaced_whole(out) as partial:
        (partial / "new").write_text("1")
    assert os.listdir(tmp_path) == ["out"] and os.listdir(out) == ["new"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(schema.DataError, match="file/out: cannot be written.*another --out"):
        with folders.replaced_whole(tmp_path / "file" / "out"):
            pass


def test_leftovers_of_killed_runs_are_removed_those_of_running_ones_are_not(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    dead = tmp_path / f".out.partial-{gone.pid}"
    alive = tmp_path / f".out.partial-{os.getppid()}"
    for folder in (dead, alive):
        folder.mkdir()
    with folders.replaced_whole(tmp_path / "out"):
        pass
    assert not dead.exists() and alive.exists()
