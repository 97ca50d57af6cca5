"""The command: its flags, and what it refuses; how it serves is serving/test_server's."""

import socket
import subprocess
import sys

import pytest
from embedded_server import ROOT

from me_keras import serve
from pipelines.schema import OptionError


def run(*arguments):
    command = [sys.executable, "-m", "me_keras.serve", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)


def test_help_answers_without_anything_heavy():
    code = "import sys; from me_keras import serve\ntry: serve.main(['--help'])\n"
    code += "except SystemExit: pass\nheavy = {'tensorflow', 'grpc', 'numpy', 'cv2', 'aiohttp'}"
    code += "\nassert not heavy & {*sys.modules}, heavy & {*sys.modules}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout and "TensorFlow Serving" in done.stdout


@pytest.mark.parametrize("flag", ["--rest-port", "--grpc-port"])
def test_a_port_in_use_is_one_line(flag, tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = {"--rest-port", "--grpc-port"} - {flag}
        done = run("--model", tmp_path / "m", flag, port, other.pop(), 0)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"error: 127.0.0.1:{port} cannot be listened on (Address already in use): "
        f"choose another {flag}"
    ]


def test_a_model_that_is_not_there_is_one_line(tmp_path):
    done = run("--model", tmp_path / "none", "--rest-port", 0, "--grpc-port", 0)
    assert done.returncode == 2
    [line] = done.stderr.splitlines()
    assert "no such folder" in line and "python -m me_keras.export" in line


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--rest-port", "70000"], "rest_port must lie in [0, 65536), got 70000"),
        (["--max-batch", "0"], "max_batch must be at least 1"),
        (["--labels", "stable"], "labels must read label=number (stable=1), got 'stable'"),
        (["--labels", "stable=x"], "labels must read label=number"),
        (["--labels", "=1"], "labels must read label=number"),
    ],
)
def test_options_that_cannot_be_used(capsys, arguments, said):
    with pytest.raises(SystemExit) as caught:
        serve.main(arguments)
    assert caught.value.code == 2 and said in capsys.readouterr().err


def test_labels_are_names_of_versions():
    options = serve.ServeOptions(labels=("stable=1", "canary=12"))
    assert options.label_versions() == {"stable": 1, "canary": 12}
    with pytest.raises(OptionError):
        serve.ServeOptions(labels=("stable=-1",))
