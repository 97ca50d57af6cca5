import json

import numpy as np
import pandas as pd
import pytest
from ablation_fixture import NOTHING_KNOWN, TWO_OF_THREE_KNOWN, stand_in
from flow_fixture import write_flow

from me_keras.ablation import run
from me_keras.ablation.options import AblationOptions
from me_keras.models import build
from me_keras.options import Options, resolve
from pipelines import cli
from pipelines.schema import DataError, OptionError

ROWS = {
    "fusion": {"no global fusion": {"global_fusion": False}},
    "ours": {"no linear read-out": {"linear_readout": False}},
}


@pytest.fixture
def trained(monkeypatch):
    """Folds take no time; the list of (options, fold) that were trained."""
    return stand_in(monkeypatch)


@pytest.fixture
def options(tmp_path, monkeypatch):
    """Makes `AblationOptions` of a small database and the rows given."""
    monkeypatch.chdir(tmp_path)
    flow = write_flow(tmp_path / "flow")

    def make(rows=None, **changes):
        (tmp_path / "rows.json").write_text(json.dumps(rows or ROWS))
        common = {"dataset": "smic-flow", "data_root": (str(flow),), "grid": "rows.json"}
        return cli.replace(AblationOptions(), **common, **{"out": "table", **changes})

    return make


@pytest.mark.usefixtures("trained")
def test_differences_and_p_values_by_hand(options, tmp_path):
    record = run.ablate(options(num_seeds=2))
    assert record["out"] == "table" and record["seeds"] == 2
    assert record["counts"] == {"clips": 9, "subjects": 3, "skipped": 0}
    reference, fusion, ours = record["rows"]
    assert reference["uf1"]["mean"] == 1.0 and "p" not in reference
    assert fusion["uf1"]["mean"] == pytest.approx(TWO_OF_THREE_KNOWN)
    # Only the third subject's answers differ: swapped or not, the systems are as far apart.
    assert fusion["p"] == fusion["p_holm"] == 1.0
    apart = fusion["difference"]
    assert apart["mean"] == pytest.approx(TWO_OF_THREE_KNOWN - 1)
    # Drawn without the third subject there is no difference; with it three times, all of it.
    assert apart["low"] == pytest.approx(NOTHING_KNOWN - 1) and apart["high"] == 0
    assert ours["uf1"]["mean"] == pytest.approx(NOTHING_KNOWN)
    # Of eight swaps, none and all of them are as far apart; twice that for two comparisons.
    assert ours["p"] == pytest.approx(2 / 8) and ours["p_holm"] == pytest.approx(4 / 8)
    assert list(ours["difference"].values()) == pytest.approx([NOTHING_KNOWN - 1] * 3)
    assert [row["parameters"] for row in record["rows"]] == [17] * 3
    assert ours["seconds"] == pytest.approx(2 * 3 * 0.1)
    assert [row["options"] for row in record["rows"]] == [
        {},
        {"global_fusion": False},
        {"linear_readout": False},
    ]
    out = tmp_path / "table"
    stored = json.loads((out / "ablation.json").read_text())
    assert {**stored, "out": "table"} == record
    assert pd.read_csv(out / "ablation.csv")["p_holm"].tolist()[1:] == [1.0, 0.5]
    assert {path.name for path in out.iterdir()} == {
        *("config.json", "ablation.json", "ablation.csv"),
        *("reference", "global_fusion=False", "linear_readout=False"),
    }


def test_all_rows_share_clips_folds_and_seeds(options, trained, tmp_path):
    run.ablate(options(num_seeds=2, seed=5))
    folds = [fold for _, fold in trained]
    assert folds[:6] == folds[6:12] == folds[12:] and len(set(folds)) == 6
    assert folds[0].endswith("s01, seed 5") and folds[5].endswith("s03, seed 6")
    tables = [pd.read_csv(path) for path in sorted((tmp_path / "table").rglob("predictions.csv"))]
    assert len(tables) == 3
    for table in tables[1:]:
        shared = ["seed", "key", "subject_key", "label", "group"]
        pd.testing.assert_frame_equal(table[shared], tables[0][shared])


def test_rows_that_are_there_are_not_trained_again(options, trained):
    one = {"fusion": ROWS["fusion"]}
    run.ablate(options(one))
    assert len(trained) == 6
    before = run.ablate(options())
    assert len(trained) == 9  # the new row's three folds
    assert run.ablate(options()) == before and len(trained) == 9
    renamed = {"parts": {"without": {"global_fusion": False}}}
    (_, row) = run.ablate(options(renamed))["rows"]
    assert (row["factor"], row["row"]) == ("parts", "without") and len(trained) == 9
    run.ablate(options(num_seeds=2))
    assert len(trained) == 18  # the second seed's alone


def test_a_stopped_ablation_goes_on(options, trained, monkeypatch):
    evaluate = run.run.evaluate

    def stop(asked):
        if asked.run.out.endswith("linear_readout=False"):
            raise KeyboardInterrupt
        return evaluate(asked)

    with monkeypatch.context() as patch:
        patch.setattr(run.run, "evaluate", stop)
        with pytest.raises(KeyboardInterrupt):
            run.ablate(options())
    assert len(trained) == 6
    assert len(run.ablate(options())["rows"]) == 3 and len(trained) == 9


def test_a_row_that_fails_is_named_and_the_others_are_kept(options, trained, capsys):
    bad = {"order": {"after": {"fusion_order": "after"}}}
    bad["test"] = {"unmirrored": {"mirror_test": False}}
    record = run.ablate(options({**bad, **ROWS}))
    _, diverged, damaged, fusion, ours = record["rows"]
    assert diverged["failed"].endswith("s01, seed 0: the loss is no number")
    assert damaged["failed"] == "a map is damaged: prepare again"
    assert "uf1" not in diverged and "p" not in damaged
    assert fusion["failed"] == ours["failed"] == "" and len(trained) == 9
    assert ours["p_holm"] == pytest.approx(2 * 2 / 8)  # corrected for the two that are there
    err = capsys.readouterr().err
    assert "order, after: failed: fold" in err and "test, unmirrored: failed: a map" in err


@pytest.mark.usefixtures("trained")
def test_without_the_reference_there_is_no_table(options):
    with pytest.raises(FloatingPointError, match="reference: .*s01, seed 0: the loss is no number"):
        run.ablate(options(fusion_order="after"))
    with pytest.raises(DataError, match="reference: a map is damaged"):
        run.ablate(options(mirror_test=False, out="other"))


@pytest.mark.usefixtures("trained")
def test_the_folder_is_of_one_ablation(options, tmp_path):
    (tmp_path / "table").mkdir()
    (tmp_path / "table/thesis.txt").write_text("")
    with pytest.raises(OptionError) as error:
        run.ablate(options())
    assert str(error.value) == "table exists and is not an ablation: choose another --out"
    run.run.evaluate(cli.replace(options().start, out="single"))
    with pytest.raises(OptionError, match="single exists and is not an ablation"):
        run.ablate(options(out="single"))
    run.ablate(options(out="mine"))
    with pytest.raises(OptionError, match="reference holds a run with another hidden_dim"):
        run.ablate(options(out="mine", hidden_dim=8))


@pytest.mark.usefixtures("trained")
def test_the_default_folder_is_named_by_the_reference(options):
    names = {run.ablate(options(out=None, dropout=dropout))["out"] for dropout in (0.1, 0.2)}
    assert len(names) == 2
    assert all(name.startswith("runs/ablation/smic-flow-frl_dgt-") for name in names)


def test_its_config_starts_the_same_table(options, trained, tmp_path):
    run.ablate(options())
    again, _ = cli.parse(
        AblationOptions, ["--config", "table/config.json"], "x", "y", ignored=("versions", "rows")
    )
    assert run.ablate(again)["rows"] and len(trained) == 9


def test_every_model_is_built_before_one_is_trained(options, trained, monkeypatch):
    def build(asked, image_size, num_classes):
        assert (image_size, num_classes) == (28, 3)
        if asked.model.hidden_dim == 18:
            raise ValueError("18 is not a multiple of 4 heads\nin layer 3")
        built.append(asked.model)
        return len(built)

    built: list = []
    monkeypatch.setattr(run, "num_parameters", build)
    same = {"loss": {"smooth": {"label_smoothing": 0.2}}}
    odd = {"size": {"odd": {"hidden_dim": 18}}}
    with pytest.raises(OptionError) as error:
        run.ablate(options({**ROWS, **same, **odd}))
    assert str(error.value) == "size, odd: 18 is not a multiple of 4 heads"
    assert not trained and len(built) == 3  # the reference's, two others: one of equal models
    record = run.ablate(options({**ROWS, **same}))
    assert [row["parameters"] for row in record["rows"]] == [4, 5, 6, 4]


def test_what_a_model_refuses_is_found():
    odd = cli.replace(Options(), motion="dis", hidden_dim=18, num_heads=4)
    with pytest.raises(ValueError, match="18"):
        run.num_parameters(resolve(odd, "frames"), 28, 3)


def test_parameters_are_those_trained():
    def counted(name, motion):
        options = cli.replace(Options(), model=name, motion=motion)
        return run.num_parameters(resolve(options, "frames"), 28, 3)

    streams = sum(3 * 3 * 3 * n + n + 2 * n for n in (3, 5, 8))  # as in test_ststnet
    assert counted("ststnet", "tvl1") == streams + 5 * 5 * 16 * 3 + 3
    of_image = sum(3 * 3 * 1 * n + n + 2 * n for n in (3, 5, 8))
    assert counted("ststnet", "difference") == of_image + 5 * 5 * 16 * 3 + 3
    assert counted("ridge", "tvl1") is None
    built = build("frl_dgt", 28, 3, 3, hidden_dim=64, linear_readout=True)
    weights = sum(int(np.prod(weight.shape)) for weight in built.trainable_weights)
    assert counted("frl_dgt", "tvl1") == weights
