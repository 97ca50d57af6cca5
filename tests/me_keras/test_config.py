import dataclasses
import json

import pytest

from me_keras.config import PRESETS, LosoConfig, with_presets
from pipelines import cli


def parse(*argv):
    return cli.parse(LosoConfig, list(argv), "loso", "text")


def test_defaults_flags_and_file(tmp_path):
    assert parse() == LosoConfig()
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"epochs": 7, "filters": [8, 12], "face_fusion": False}))
    config = parse("--config", str(path), "--epochs", "9", "--subjects", "s01", "s02")
    assert (config.epochs, config.filters, config.face_fusion) == (9, (8, 12), False)
    assert config.subjects == ("s01", "s02")


def test_a_written_config_reads_back(tmp_path):
    config = LosoConfig(dataset="smic", epochs=3, filters=(8, 16), mirror_test=False)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dataclasses.asdict(config)))
    assert parse("--config", str(path)) == config


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--mirror", "2"], r"mirror must lie in \[0, 1\]"),
        (["--motion", "magic"], "invalid choice: 'magic'"),
        (["--num-seeds", "0"], "num_seeds must be at least 1"),
        (["--weight-average", "1"], r"weight_average must lie in \[0, 1\)"),
        (["--epoch", "x"], "invalid int value: 'x'"),
    ],
)
def test_wrong_values_end_with_2_and_one_line(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    import re

    assert re.search(message, capsys.readouterr().err)


def test_presets_fill_only_what_is_open():
    config = with_presets(LosoConfig(epochs=5), "frames")
    assert (config.epochs, config.motion) == (5, "dgm")
    assert config.learning_rate == PRESETS["frames"]["learning_rate"]
    assert with_presets(LosoConfig(dataset="smic-flow"), "precomputed").motion == "precomputed"
    assert with_presets(LosoConfig(model="ststnet"), "frames").motion == "farneback"


@pytest.mark.parametrize(
    "options, kind, message",
    [
        ({"motion": "tvl1"}, "precomputed", "motion images, use precomputed"),
        ({"motion": "precomputed"}, "frames", "it holds frames"),
        ({"motion": "dgm", "model": "ststnet"}, "frames", "needs motion maps"),
    ],
)
def test_contradictions(options, kind, message):
    with pytest.raises(ValueError, match=message):
        with_presets(LosoConfig(**options), kind)
