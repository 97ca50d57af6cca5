import json
import shlex

import numpy as np
import pandas as pd
import pytest
from run_fixture import write_run

from me_keras.evaluation.pages import run_folder
from me_keras.options import Options
from pipelines import cli
from pipelines.schema import DataError


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("runs") / "a", people=("01", "02", "NA"))


@pytest.fixture
def folder(whole, tmp_path):
    """A copy to damage."""
    import shutil

    return shutil.copytree(whole, tmp_path / "a")


def edit(path, change):
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def test_everything_is_read(whole):
    run = run_folder.read(whole)
    assert run.classes == ["negative", "positive", "surprise"] and run.seeds == [0, 1]
    assert run.probabilities.shape == (36, 3)
    assert set(run.predictions["subject_key"]) == {"synthetic/01", "synthetic/02", "synthetic/NA"}
    assert set(run.records) == {(s, g) for s in (0, 1) for g in run.predictions["group"].unique()}
    arrays = run.seen()[0, "synthetic/NA"]
    assert arrays["displacement"].shape == (6, 8, 8, 2)


def test_each_prediction_finds_its_row(whole):
    """Rows number the clips of the table, which the fixture predicts backwards."""
    run = run_folder.read(whole)
    table = run.predictions
    assert (table["row"] == table["key"].str[-2:].astype(int)).all()
    assert table["row"].tolist()[:6] == [5, 4, 3, 2, 1, 0]


def test_a_fold_without_its_record_leaves_a_gap(folder):
    (folder / "folds" / "seed-1" / "synthetic_02.json").unlink()
    run = run_folder.read(folder)
    table = run.predictions
    gone = (table["seed"] == 1) & (table["group"] == "synthetic/02")
    assert (table["row"] == -1).equals(gone) and len(run.records) == 5


def test_an_older_table_without_groups_held_out_one_subject_at_a_time(folder):
    path = folder / "predictions.csv"
    pd.read_csv(path, keep_default_na=False).drop(columns="group").to_csv(path, index=False)
    edit(folder / "results.json", lambda found: found.pop("classes"))
    run = run_folder.read(folder)
    assert (run.predictions["group"] == run.predictions["subject_key"]).all()
    assert run.classes == ["negative", "positive", "surprise"]


def test_what_is_not_finished_says_how_to_go_on(folder):
    (folder / "results.json").unlink()
    with pytest.raises(DataError) as caught:
        run_folder.read(folder)
    line = str(caught.value)
    assert f"{folder}: not finished, it holds 6 finished folds and no results.json: go on" in line
    words = shlex.split(line.partition("go on with ")[2])
    assert words[:3] == ["python", "-m", "me_keras.loso"] and words[-2:] == ["--out", str(folder)]
    options, _ = cli.parse(Options, words[3:], "loso", "")
    read, _, _ = run_folder.results.read_run(folder)
    assert options == cli.replace(read, out=str(folder))


def test_the_command_quotes_what_a_shell_would_take_apart():
    options = cli.replace(Options(), data_root=("my data",), threads=2, jobs=4, epochs=3)
    words = run_folder.command(options, "a b")
    assert words[:3] == ["python", "-m", "me_keras.loso"]
    text = " ".join(words)
    assert "--data-root 'my data'" in text and text.endswith("--threads 2 --out 'a b'")
    assert "--jobs" not in text


@pytest.mark.parametrize(
    "name, content, says",
    [
        ("config.json", None, "not a run, it holds no config.json"),
        ("config.json", "{", "config.json cannot be read"),
        ("results.json", "[]", "results.json holds no JSON object"),
        ("results.json", '{"uf1": {"mean": 1}}', "results.json holds no uar: write it again from"),
        ("predictions.csv", None, "predictions.csv cannot be read"),
        ("predictions.csv", "", "predictions.csv cannot be read"),
        ("predictions.csv", "seed,key\n0,a\n", "holds no subject_key: write it again from the"),
        ("folds/seed-0/synthetic_01.json", "{", "synthetic_01.json cannot be read"),
    ],
)
def test_damage_is_one_line_that_names_the_file_and_the_remedy(folder, name, content, says):
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(DataError) as caught:
        run_folder.read(folder)
    assert says in str(caught.value) and str(folder) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_cells_and_other_classes_are_found(folder):
    path = folder / "predictions.csv"
    table = pd.read_csv(path, keep_default_na=False)
    table.assign(p_positive=np.nan).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"predictions.csv has empty cells: write it again"):
        run_folder.read(folder)
    table.rename(columns={"p_positive": "p_happy"}).to_csv(path, index=False)
    with pytest.raises(DataError, match="results.json and predictions.csv have other classes"):
        run_folder.read(folder)


def test_options_that_a_model_lacks_are_not_its_own():
    frl_dgt, ststnet, ridge = map(run_folder.options_of, ("frl_dgt", "ststnet", "ridge"))
    assert {"filters", "epochs", "head_dropout", "motion", "image_size"} <= frl_dgt
    assert "filters" not in ststnet and {"head_dropout", "epochs"} <= ststnet
    assert "epochs" not in ridge and {"motion", "image_size", "num_folds"} <= ridge
