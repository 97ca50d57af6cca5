"""A film is there as long as a browser waits for it, and no longer."""

import os
import time

import pytest

from me_keras.webpage.uploads import Uploads


@pytest.fixture
def uploads(tmp_path):
    return Uploads(tmp_path)


@pytest.fixture
def put(tmp_path):
    """put(name, age): an upload, in a folder of its own as Gradio makes them."""

    def write(name, age=0.0):
        path = tmp_path / f"folder of {name}" / name
        path.parent.mkdir()
        path.write_text("film")
        then = time.time() - age
        os.utime(path, (then, then))
        return path

    return write


def test_a_film_goes_with_its_folder_when_it_is_released(uploads, put, tmp_path):
    path = put("a.avi")
    uploads.hold("one", str(path))
    assert path.exists()
    uploads.release("one")
    uploads.release("one")
    assert list(tmp_path.iterdir()) == []


def test_a_film_that_two_browsers_sent_stays_until_both_are_done(uploads, put):
    path = put("a.avi")
    uploads.hold("one", path)
    uploads.hold("two", path)
    uploads.release("one")
    assert path.exists()
    uploads.leave("two")
    assert not path.exists()


def test_a_new_film_takes_the_place_of_the_last(uploads, put):
    first, second = put("a.avi"), put("b.avi")
    uploads.hold("one", first)
    uploads.hold("one", second)
    uploads.hold("one", second)
    assert not first.exists() and second.exists()


def test_a_browser_that_left_holds_nothing(uploads, put):
    before, after = put("a.avi"), put("b.avi")
    uploads.hold("one", before)
    assert not uploads.is_gone("one")
    uploads.leave("one")
    assert uploads.is_gone("one") and not before.exists()
    uploads.hold("one", after)  # came in while it left
    assert not after.exists()


def test_broken_off_uploads_are_swept(uploads, put):
    kept, old, young = put("held.avi", 100), put("old.avi", 100), put("young.avi", 10)
    uploads.hold("one", kept)
    uploads.sweep()
    assert kept.exists() and young.exists() and not old.exists() and not old.parent.exists()
