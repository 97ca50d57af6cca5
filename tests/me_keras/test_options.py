import json

import pytest

from me_keras.models import MODELS
from me_keras.options import (
    FUSIONS,
    NOT_OPTIONS,
    RENAMED,
    ExecutionOptions,
    Options,
    TrainingOptions,
    parse_shard,
    resolve,
)
from pipelines import cli
from pipelines.schema import OptionError


def parse(*argv):
    return cli.parse(Options, list(argv), "loso", "text", "", RENAMED, NOT_OPTIONS)[0]


def test_defaults_flags_and_file(tmp_path):
    assert parse() == Options()
    path = tmp_path / "c.json"
    path.write_text(json.dumps({"training": {"epochs": 7}, "model": {"filters": [8, 12]}}))
    options = parse("--config", str(path), "--epochs", "9", "--subjects", "s01", "s02")
    assert (options.training.epochs, options.model.filters) == (9, (8, 12))
    assert options.run.subjects == ("s01", "s02") and options.dataset == "synthetic"


def test_a_flat_file_of_an_older_version_reads(tmp_path):
    path = tmp_path / "config.json"
    old = {"width": 16, "heads": 2, "depth": 3, "model": "ststnet", "face_fusion": False}
    path.write_text(json.dumps({**old, "worker_timeout": 300.0, "steps_per_execution": 0}))
    model = parse("--config", str(path)).model
    assert (model.hidden_dim, model.num_heads, model.num_layers) == (16, 2, 3)
    assert model.name == "ststnet" and not model.face_fusion


def test_written_options_read_back(tmp_path):
    changed = {"dataset": "smic", "epochs": 3, "filters": (8, 16), "mirror_test": False}
    options = cli.replace(Options(), **changed)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(cli.to_json(options)))
    assert parse("--config", str(path)) == options


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--mirror", "2"], "mirror must lie in [0, 1]"),
        (["--motion", "magic"], "invalid choice: 'magic'"),
        (["--num-seeds", "0"], "num_seeds must be at least 1"),
        (["--weight-average", "1"], "weight_average must lie in [0, 1)"),
        (["--epochs", "x"], "invalid int value: 'x'"),
        (["--heads", "2"], "--heads is now --num-heads"),
        (["--shard", "5/4"], "shard i/n needs 1 <= i <= n, got 5/4"),
        (["--shard", "1/4", "--merge"], "merge takes the folds of all shards"),
        (["--executor", "ray", "--jobs", "2"], "jobs is for --executor local"),
        (["--strategy", "multiworker", "--jobs", "2"], "leave out --jobs and --executor"),
        (["--ray-timeout", "inf"], "ray_timeout must lie in [0, inf)"),
    ],
)
def test_wrong_values_end_with_2_and_one_line(capsys, argv, message):
    with pytest.raises(SystemExit) as stop:
        parse(*argv)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_a_loss_added_to_the_losses_is_an_option(monkeypatch):
    from me_keras import losses

    with pytest.raises(OptionError, match="one of photometric, census, structure, got 'huber'"):
        TrainingOptions(reconstruction="huber")
    monkeypatch.setitem(losses.RECONSTRUCTION, "huber", losses.photometric)
    assert TrainingOptions(reconstruction="huber").reconstruction == "huber"


def test_shards():
    assert parse_shard("2/16") == (2, 16)
    for text in ("2", "a/b", "-1/4", "1/4/2"):
        with pytest.raises(OptionError, match="shard must be i/n"):
            parse_shard(text)


def test_in_this_process():
    assert ExecutionOptions().in_this_process
    assert not ExecutionOptions(jobs=2).in_this_process
    assert not ExecutionOptions(executor="ray").in_this_process


def test_presets_fill_only_what_is_open():
    options = resolve(cli.replace(Options(), epochs=5), "frames")
    assert (options.training.epochs, options.model.motion) == (5, "dgm")
    preset = MODELS["frl_dgt"].presets["frames"]
    assert options.training.learning_rate == preset["learning_rate"]
    assert options.training.mixed_precision == "auto"
    flow = resolve(cli.replace(Options(), dataset="smic-flow"), "precomputed")
    assert (flow.model.motion, flow.model.hidden_dim) == ("precomputed", 32)
    assert resolve(cli.replace(Options(), model="ststnet"), "frames").model.motion == "farneback"


def test_the_places_of_fusion_are_the_models():
    from me_keras.models import tsfmicro

    assert FUSIONS == tsfmicro.FUSIONS


def test_models_that_train_otherwise_have_presets_of_their_own():
    options = resolve(cli.replace(Options(), model="tsfmicro"), "frames")
    training = options.training
    assert (options.model.motion, training.weight_decay, training.schedule) == (
        "frames",
        0.6,
        "exponential",
    )
    given = resolve(cli.replace(Options(), model="tsfmicro", weight_decay=0.7), "frames")
    assert given.training.weight_decay == 0.7


def test_resolved_options_are_complete():
    for kind in ("frames", "precomputed"):
        for name, model in MODELS.items():
            if kind == "precomputed" and kind not in model.motions:
                continue
            options = resolve(cli.replace(Options(), model=name), kind)
            wanted = {*model.presets[kind], "motion"}
            assert all(cli.value_of(options, option) is not None for option in wanted)


@pytest.mark.parametrize(
    "values, kind, message",
    [
        ({"motion": "tvl1"}, "precomputed", "motion images, use precomputed"),
        ({"motion": "precomputed"}, "frames", "it holds frames"),
        (
            {"motion": "dgm", "model": "ststnet"},
            "frames",
            "--model ststnet cannot take --motion dgm: choose farneback, dis, tvl1, difference",
        ),
        (
            {"model": "tsfmicro", "dataset": "smic-flow"},
            "precomputed",
            "--model tsfmicro needs frames, smic-flow holds motion images: choose frl_dgt, ststnet",
        ),
        ({"model": "lbp_top", "dataset": "smic-flow"}, "precomputed", "lbp_top needs frames"),
        ({"model": "afn", "motion": "tvl1"}, "frames", "afn cannot take --motion tvl1"),
        ({"model": "ridge", "save_models": True}, "frames", "ridge is fitted by scikit-learn"),
        ({"model": "lbp_top", "shift_apex": 1}, "frames", "--shift-apex: lbp_top is fitted by"),
    ],
)
def test_contradictions(values, kind, message):
    with pytest.raises(OptionError, match=message):
        resolve(cli.replace(Options(), **values), kind)
