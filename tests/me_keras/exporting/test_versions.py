import os
import pathlib

import pytest

from me_keras.exporting import versions
from pipelines.schema import DataError


def folders(base, *names):
    for name in names:
        (base / name).mkdir(parents=True)


def test_the_newest_is_the_highest_number(tmp_path):
    folders(tmp_path, "9", "10", "2", ".tmp-11-1", "latest", "11x", "²")
    (tmp_path / "12").write_text("a file is no version")
    assert versions.newest_version(tmp_path) == tmp_path / "10"
    assert versions.numbers(tmp_path) == [2, 9, 10]
    assert versions.numbers(tmp_path / "nowhere") == []


def test_a_version_folder_is_taken_as_it_is(tmp_path):
    folders(tmp_path, "1", "2")
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"")
    assert versions.newest_version(tmp_path / "1") == tmp_path / "1"


def test_no_version_to_be_had(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: no such folder; make one with python -m"):
        versions.newest_version(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no version of a model in it"):
        versions.newest_version(tmp_path)


def test_a_version_appears_whole(tmp_path):
    base = tmp_path / "model"
    for expected in (1, 2):
        with versions.new_version(base) as (partial, number):
            assert number == expected and partial.name.startswith(".")
            (partial / "saved_model.pb").write_bytes(b"graph")
            assert versions.numbers(base) == list(range(1, expected))
        assert (base / str(expected) / "saved_model.pb").read_bytes() == b"graph"
    with versions.new_version(base, 7):
        pass
    assert sorted(p.name for p in base.iterdir()) == ["1", "2", "7"]


def test_a_failed_export_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        with versions.new_version(tmp_path) as (partial, _):
            (partial / "half").write_bytes(b"")
            raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_export_left_is_removed_and_a_running_one_is_not(tmp_path):
    folders(tmp_path, f".tmp-4-{2**22 + 1}", f".tmp-5-{os.getppid()}")
    with versions.new_version(tmp_path):
        pass
    assert sorted(p.name for p in tmp_path.iterdir()) == [f".tmp-5-{os.getppid()}", "1"]


def test_a_version_is_never_overwritten(tmp_path):
    folders(tmp_path, "03")
    with pytest.raises(DataError, match="exists, and a version is never overwritten"):
        with versions.new_version(tmp_path, 3):
            raise AssertionError("not reached")


def test_of_two_exports_at_once_the_slower_one_is_told(tmp_path):
    with pytest.raises(DataError, match="exists, and a version is never overwritten"):
        with versions.new_version(tmp_path) as (partial, _):
            (partial / "saved_model.pb").write_bytes(b"slower")
            folders(tmp_path, "1")
            (tmp_path / "1" / "saved_model.pb").write_bytes(b"faster")
    assert (tmp_path / "1" / "saved_model.pb").read_bytes() == b"faster"
    assert [p.name for p in tmp_path.iterdir()] == ["1"]


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="a file, not a folder of versions: choose another --out"):
        with versions.new_version(tmp_path / "file"):
            pass
    with pytest.raises(DataError, match="cannot be written .*choose another folder with --out"):
        with versions.new_version(pathlib.Path(tmp_path, "file", "below")):
            pass
