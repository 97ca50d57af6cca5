import shlex

import cv2
import numpy as np

from me_keras.evaluation import report
from me_keras.options import Options
from pipelines import cli


def results(seeds=2, databases=1, gain=0.41):
    score = {"mean": 0.7123, "sd": 0.01, "per_seed": [0.7] * seeds, "ci95": [0.6, 0.8]}
    return {
        "dataset": "smic",
        "model": "frl_dgt",
        "classes": ["negative", "positive", "surprise"],
        "out": "runs/a",
        "counts": {"clips": 9, "subjects": 3, "skipped": 1},
        "uf1": score,
        "uar": score,
        "accuracy": score,
        "per_class_f1": {"negative": 0.9, "positive": 0.5, "surprise": 0.7},
        "per_database": {
            f"db{i}": {"uf1": score, "uar": score, "clips": 4} for i in range(databases)
        },
        "ensemble": {"uf1": 0.75, "uar": 0.74, "accuracy": 0.76},
        "dgm_gain": gain,
        "confusion": [[3, 0, 0], [1, 1, 1], [0, 0, 3]],
        "skipped": [{"key": "smic/s01/x", "path": "x.bmp", "reason": "no face found in x.bmp"}],
    }


def test_table_says_everything():
    text = report.table(results(databases=2))
    for part in (
        "9 clips, 3 subjects, 1 skipped, 2 seed(s)",
        "UF1                     0.7123  0.0100   0.6000 .. 0.8000",
        "F1 surprise             0.7000",
        "db1",
        "seeds voting            0.7500",
        "DGM gain                0.4100           share of onset-apex change explained,",
        "held-out people; noise keeps it below 1",
        "skipped smic/s01/x: no face found in x.bmp",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 80


def test_table_leaves_out_what_does_not_apply():
    text = report.table(results(seeds=1, gain=None))
    assert "voting" not in text and "DGM" not in text and "db0" not in text
    assert "note:" not in text


def test_a_class_without_clips_is_said_to_count_as_0():
    without = {**results(), "confusion": [[3, 0, 0], [1, 2, 0], [0, 0, 0]]}
    note = "note: no clip of surprise was tested: counts as 0 in UF1 and UAR"
    assert note in report.table(without).splitlines()


def test_the_summary_of_a_finished_run():
    text = report.summary(results(), Options())
    assert text == f"{report.table(results())}\nresults in runs/a"


def test_after_a_shard_the_folds_left_and_the_command_that_pools():
    given = {"dataset": "smic", "data_root": ("/data/my copy",), "num_seeds": 3}
    given |= {"subjects": ("s01", "s02"), "face_fusion": False}
    options = cli.replace(Options(), **given, jobs=4, shard="2/8")
    left = {"out": "runs/a b", "missing": [f"fold {n}" for n in range(25)], "num_folds": 30}
    *lines, command = report.summary(left, options).splitlines()
    start = "shard 2/8 is done. runs/a b: 25 of 30 folds are missing: fold 0; fold 1; "
    assert "\n".join(lines).startswith(start) and "; fold 9; and 15 more. When" in lines[0]
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "me_keras.loso"]
    again, _ = cli.parse(Options, words[3:], "loso", "text")
    assert again == cli.replace(Options(), **given, out="runs/a b", merge=True)


def test_a_worker_that_writes_no_results():
    text = report.summary({"out": "runs/a"}, Options())
    assert text == "this worker is done; the first one writes runs/a"


def test_figures_are_pictures(tmp_path):
    report.confusion_figure(results(), tmp_path / "confusion.png")
    history = [{"loss": 1.0 / (i + 1), "accuracy": i / 5} for i in range(5)]
    records = [{"history": history}, {"history": history[:3]}]  # tuned apart: of other epochs
    report.curves_figure(records, results(), tmp_path / "curves.png")
    for name in ("confusion", "curves"):
        image = cv2.imread(str(tmp_path / f"{name}.png"))
        assert min(image.shape[:2]) > 300 and len(np.unique(image)) > 20
