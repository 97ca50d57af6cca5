"""The server: its own folder, and what stops it before anything is loaded."""

import os
import socket
import stat
import tempfile

import pytest

from me_keras.webpage import server
from pipelines.schema import DataError, OptionError


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_the_folder_is_private_and_goes_with_its_films(temporary):
    left = temporary / f"me_keras-web-{server.getpass.getuser()}-999999999"  # of a killed process
    left.mkdir()
    (left / "film.avi").write_text("x")
    with pytest.raises(KeyboardInterrupt), server.own_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and folder.parent == temporary
        assert not left.exists()
        (folder / "film.avi").write_text("x")
        raise KeyboardInterrupt
    assert list(temporary.iterdir()) == []


def test_gradio_is_told_where_to_put_films_and_to_call_nobody(tmp_path, monkeypatch):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.setenv(name, "")
    server.quiet(tmp_path)
    assert os.environ["GRADIO_TEMP_DIR"] == str(tmp_path)
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"


def test_without_gradio_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(server.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'me-keras\[web\]'.*3\.10"):
        server.serve()


def test_a_port_that_is_taken_is_said_before_anything_is_loaded(temporary, model_folder):
    pytest.importorskip("gradio")
    assert server.port_to_use("127.0.0.1", 0) > 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OptionError, match=f"127.0.0.1:{port} .*use.*another --port"):
            server.serve([str(model_folder)], port=port)
    assert list(temporary.iterdir()) == []


def test_a_model_that_cannot_be_loaded_is_said(capsys):
    class Broken:
        def load(self):
            raise DataError("broken: export it again")

    server.warm_up(Broken())
    assert "broken: export it again" in capsys.readouterr().err
