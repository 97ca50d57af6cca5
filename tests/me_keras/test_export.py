import errno
import importlib.util
import os
import pathlib
import subprocess
import sys

import exported
import pytest

from me_keras import export
from me_keras.exporting import export_model, signatures, trained

ROOT = pathlib.Path(__file__).parents[2]


def run(*argv, capsys):
    """Exit code and the lines on stderr, but for those that say what is done."""
    code = export.main(list(argv))
    lines = capsys.readouterr().err.splitlines()
    return code, [line for line in lines if " writing the signatures " not in line]


def test_a_run_is_asked_for(capsys):
    code, lines = run(capsys=capsys)
    assert code == 2 and lines == ["error: --run is required: the folder of a run of me_keras.loso"]
    with pytest.raises(SystemExit):
        export.main(["--run", "x", "--version", "0"])
    assert "version must be at least 1, got 0" in capsys.readouterr().err


def test_mistakes_are_one_line_before_any_work(tmp_path, capsys, monkeypatch):
    code, lines = run("--run", str(tmp_path), capsys=capsys)
    assert code == 2 and len(lines) == 1 and "not a run, it holds no config.json" in lines[0]
    monkeypatch.setattr(trained, "train_on_all", lambda *_: pytest.fail("worked for nothing"))
    out = tmp_path / "model"
    (out / "3").mkdir(parents=True)
    asked = ["--run", str(tmp_path), "--out", str(out), "--version", "3"]
    code, lines = run(*asked, capsys=capsys)
    assert code == 2 and lines == [
        f"error: {out / '3'} exists, and a version is never overwritten: choose another "
        "--version, or none for the next"
    ]
    (tmp_path / "file").write_text("")
    code, lines = run("--run", str(tmp_path), "--out", str(tmp_path / "file"), capsys=capsys)
    assert code == 2 and "a file, not a folder of versions" in lines[0]


def disk_full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def tensorflows_disk_full(*_):
    import tensorflow as tf

    raise tf.errors.ResourceExhaustedError(None, None, "variables; No space left on device")


@pytest.mark.parametrize("full", [disk_full, tensorflows_disk_full])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, capsys, monkeypatch, full):
    monkeypatch.setattr(trained, "train_on_all", lambda *_: exported.tiny())
    monkeypatch.setattr(signatures, "save", full)
    out = tmp_path / "model"
    code, lines = run("--run", str(tmp_path), "--out", str(out), capsys=capsys)
    assert code == 1 and len(lines) == 1
    assert lines[0].startswith(f"error: {out}: the disk is full, nothing was exported")
    assert list(out.iterdir()) == []


def test_help_needs_no_tensorflow():
    code = "import sys; from me_keras import export\ntry: export.main(['--help'])\n"
    code += "finally: assert not {'tensorflow', 'keras'} & set(sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0 and "--run" in ran.stdout and ran.stderr == ""


def test_options_say_where_the_data_are_now(monkeypatch, tmp_path, capsys):
    asked = []
    monkeypatch.setattr(trained, "train_on_all", lambda *args: asked.append(args))
    monkeypatch.setattr(export_model, "write_version", lambda *args: tmp_path / "1")
    flags = ["--seed", "3", "--data-root", "a=1", "b=2", "--prepared", "p", "--out", str(tmp_path)]
    assert export.main(["--run", "r", *flags]) == 0
    assert asked == [("r", 3, ("a=1", "b=2"), "p")]
    said = capsys.readouterr().out
    assert said == f"{tmp_path / '1'}: 0.0 MiB; serve {tmp_path} as {tmp_path.name}\n"


def test_a_file_is_named_and_its_packages_are_asked_for_first(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(trained, "train_on_all", lambda *_: pytest.fail("worked for nothing"))
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda n: None if n == "tf2onnx" else found(n))
    code, lines = run("--run", "r", "--format", "onnx", capsys=capsys)
    assert code == 2 and lines == [
        "error: --format onnx needs me-keras[onnx], on Python 3.10 or newer: pip install "
        "'me-keras[onnx]'"
    ]
    with pytest.raises(SystemExit):
        export.main(["--run", "r", "--format", "coreml"])
    assert "invalid choice: 'coreml'" in capsys.readouterr().err
    (tmp_path / "model.tflite").write_bytes(bytes(2**19))
    monkeypatch.setattr("me_keras.export_model", lambda **options: tmp_path, raising=False)
    assert export.main(["--run", "r", "--format", "tflite"]) == 0
    line = f"{tmp_path / 'model.tflite'}: 0.50 MiB, with the contract in it\n"
    assert capsys.readouterr().out == line
