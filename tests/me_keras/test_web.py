"""The command: its options, and mistakes in one line before anything is loaded."""

import subprocess
import sys
import time

import pytest

from me_keras import web
from me_keras.webpage import server


@pytest.fixture
def run(capsys):
    def command(*arguments):
        try:
            code = web.main(list(arguments))
        except SystemExit as stop:
            code = stop.code
        return code, capsys.readouterr().err

    return command


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--model", "a", "b", "c"], "--model takes 2 folders, got 3"),
        (["--port", "70000"], "port must lie in [0, 65536), got 70000"),
        (["--max-mb", "0"], "max_mb must be at least 1, got 0"),
        (["--max-seconds", "0"], "max_seconds must lie in (0, inf), got 0"),
    ],
)
def test_options_that_make_no_sense(run, arguments, message):
    code, err = run(*arguments)
    assert code == 2 and message in err.splitlines()[-1]


def test_a_folder_that_holds_no_model(run, tmp_path):
    pytest.importorskip("gradio")
    for folder, message in ((tmp_path / "absent", "no such"), (tmp_path, "no version")):
        code, err = run("--model", str(folder))
        assert code == 2 and err.startswith("error: ") and message in err
        assert len(err.splitlines()) == 1


def test_what_is_asked_for_is_what_is_served(run, monkeypatch):
    served = []
    monkeypatch.setattr(server, "serve", lambda **options: served.append(options))
    assert run("--model", "a", "b", "--port", "0", "--max-mb", "5") == (0, "")
    (options,) = served
    assert options == {
        "model": ("a", "b"), "host": "127.0.0.1", "port": 0, "max_mb": 5, "max_seconds": 10.0
    }  # fmt: skip


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys; from me_keras import web\n"
        "try: web.main(['--help'])\n"
        "except SystemExit: pass\n"
        "loaded = {'tensorflow', 'cv2', 'gradio', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - start < 5  # 0.2 s on an idle machine
    assert "python -m me_keras.web --model saved_models/frl_dgt" in done.stdout
