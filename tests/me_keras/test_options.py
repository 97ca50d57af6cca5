import json
import re

import pytest

from me_keras.models import MODELS
from me_keras.options import NOT_OPTIONS, RENAMED, Options, parse_shard, resolve
from pipelines import cli
from pipelines.schema import OptionError


def parse(*argv):
    options, _ = cli.parse(Options, list(argv), "loso", "text", "", RENAMED, NOT_OPTIONS)
    return options


def test_defaults_flags_and_file(tmp_path):
    assert parse() == Options()
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"epochs": 7, "filters": [8, 12], "model": {"face_fusion": False}}))
    options = parse("--config", str(path), "--epochs", "9", "--subjects", "s01", "s02")
    assert (options.training.epochs, options.model.filters) == (9, (8, 12))
    assert options.run.subjects == ("s01", "s02") and not options.model.face_fusion


def test_written_options_read_back(tmp_path):
    given = {"dataset": "smic", "epochs": 3, "filters": (8, 16), "mirror_test": False}
    options = cli.replace(Options(), **given)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(cli.to_json(options)))
    assert parse("--config", str(path)) == options


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--mirror", "2"], r"mirror must lie in \[0, 1\]"),
        (["--motion", "magic"], "invalid choice: 'magic'"),
        (["--num-seeds", "0"], "num_seeds must be at least 1"),
        (["--weight-average", "1"], r"weight_average must lie in \[0, 1\)"),
        (["--epochs", "x"], "invalid int value: 'x'"),
        (["--width", "32"], "--width is now --hidden-dim"),
        (["--strategy", "multiworker", "--jobs", "2"], "trains one fold on all machines: leave"),
    ],
)
def test_wrong_values_end_with_2_and_one_line(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.parametrize("text", ["3/2", "0/2", "1/0", "1", "a/b", "1/2/3", "-1/2", "", "1.5/2"])
def test_malformed_shards(text):
    with pytest.raises(OptionError, match="shard"):
        parse_shard(text)


def test_presets_fill_only_what_is_open():
    options = resolve(cli.replace(Options(), epochs=5), "frames")
    assert (options.training.epochs, options.model.motion) == (5, "dgm")
    assert options.training.learning_rate == MODELS["frl_dgt"].presets["frames"]["learning_rate"]
    flow = resolve(cli.replace(Options(), dataset="smic-flow"), "precomputed")
    assert flow.model.motion == "precomputed"
    assert resolve(cli.replace(Options(), model="ststnet"), "frames").model.motion == "farneback"


@pytest.mark.parametrize(
    "given, kind, message",
    [
        ({"motion": "tvl1"}, "precomputed", "motion images, use precomputed"),
        ({"motion": "precomputed"}, "frames", "it holds frames"),
        ({"motion": "dgm", "model": "ststnet"}, "frames", "needs motion maps"),
    ],
)
def test_contradictions(given, kind, message):
    with pytest.raises(OptionError, match=message):
        resolve(cli.replace(Options(), **given), kind)
