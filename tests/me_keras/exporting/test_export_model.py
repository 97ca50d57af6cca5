"""A version is written whole or not at all; `test_export` has the disk that is full."""

import dataclasses
import os
import pathlib
import signal
import subprocess
import sys

import exported
import pytest
import tensorflow as tf

from me_keras.exporting import card, contract, edge, export_model, trained, versions, warmup
from pipelines.schema import DataError, OptionError

ROOT = pathlib.Path(__file__).parents[3]


def test_a_version_is_whole(version, tiny):
    assert versions.newest_version(version.parent) == version
    for path in ("saved_model.pb", "variables/variables.index", warmup.PATH, card.PATH):
        assert (version / path).stat().st_size
    promised = contract.read_contract(version)
    assert promised["model"] == "tiny" and promised["version"] == 1
    assert promised["image_size"] == 32 and tuple(promised["classes"]) == exported.CLASSES
    assert promised["data"] == tiny.data and promised["score"] == tiny.score
    assert promised["canonical_regions"][0] == pytest.approx([0.1, 0.15, 0.3, 0.4])
    assert promised["ranges"]["encoded_side_px"] == [1, 1024]
    assert promised["versions"]["tensorflow"] == tf.__version__
    assert {*promised["signatures"]} >= {"serving_default", "serving_bytes", "displacement"}
    assert len(warmup.read(version)) == 5 * len(warmup.BATCHES)


def test_a_file_goes_into_the_version_of_its_model(tmp_path, monkeypatch):
    model = exported.tiny("ststnet", image_size=28, motion="precomputed")
    other = dataclasses.replace(model, training={**model.training, "seed": 6})
    out, written = tmp_path / "ststnet", []
    monkeypatch.setattr(edge, "write", lambda model, folder, kind: written.append((folder, kind)))

    def asked(found, **options):
        monkeypatch.setattr(trained, "train_on_all", lambda *_: found)
        return export_model.export_model("run", out, format="tflite", **options)

    assert asked(model) == out / "1"  # made, since there was none
    assert asked(model) == asked(model, version=1) == out / "1"
    with pytest.raises(DataError, match="1 exists, and a version is never overwritten"):
        asked(other, version=1)
    assert asked(other) == out / "2" and versions.numbers(out) == [1, 2]
    assert asked(model, version=1) == out / "1"
    assert written == [(out / number, "tflite") for number in ("1", "1", "1", "2", "1")]
    with pytest.raises(
        OptionError, match="format must be one of savedmodel, onnx, tflite, got 'x'"
    ):
        export_model.export_model("run", out, format="x")


KILLED = """
import os, signal, sys
import exported
from me_keras.exporting import card

card.write = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
exported.export_tiny(sys.argv[1], name="ststnet", image_size=28, motion="precomputed")
"""


@pytest.mark.slow
def test_a_killed_export_leaves_no_version_and_the_next_one_cleans_up(tmp_path):
    out = tmp_path / "model"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, "-c", KILLED, str(out)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == -signal.SIGKILL, ran.stderr[-2000:]
    (left,) = out.iterdir()
    assert left.name.startswith(".tmp-1-") and (left / "saved_model.pb").exists()
    assert versions.numbers(out) == []
    with versions.new_version(out):
        pass
    assert [path.name for path in out.iterdir()] == ["1"]
