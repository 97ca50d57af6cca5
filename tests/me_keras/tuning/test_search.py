import json

import pandas as pd
import pytest

from me_keras import parallel
from me_keras.tuning import trials
from me_keras.tuning.search import LIFETIME, search
from pipelines.schema import OptionError

EVERYONE = {f"smic/s{n:02d}" for n in range(1, 9)}


@pytest.fixture
def parts(seen, monkeypatch):
    """What the datasets of each trial, as against those of the report, were made of."""
    found, original = [], trials.try_out

    def try_out(task):
        before = {name: len(rows) for name, rows in seen.items()}
        result = original(task)
        made = [rows for name in seen for rows in seen[name][before[name] :]]
        found.append(frozenset().union(*made))
        return result

    monkeypatch.setattr(trials, "try_out", try_out)
    return found


def read(path):
    return json.loads(path.read_text())


def test_development_no_reported_subject_reaches_a_trial(options, seen, parts, tmp_path):
    record = search(options(max_trials=3))
    best = read(tmp_path / "tuned/best.json")["run"]
    tuned_on = set(best["tuned_on"])
    assert len(parts) == 3 and tuned_on and record["best"].run.tuned_on == tuple(best["tuned_on"])
    for subjects in parts:
        assert subjects and subjects <= tuned_on
    reported = pd.read_csv(tmp_path / "tuned/report/predictions.csv")
    assert set(reported["subject_key"]) == EVERYONE - tuned_on == set(best["subjects"])
    # the run that reports is trained without the development subjects
    for subjects in seen["train"][-len(best["subjects"]) :]:
        assert not subjects & tuned_on and len(subjects) == len(best["subjects"]) - 1


def test_nested_no_held_out_subject_reaches_a_trial_of_its_search(options, parts, tmp_path):
    found = search(options(scope="nested", max_trials=2))["report"]
    held = [group for group in sorted(EVERYONE) for _ in range(2)]
    assert [EVERYONE - subjects for subjects in parts] == [{group} for group in held]
    table = pd.read_csv(tmp_path / "tuned/report/hyperparameters.csv")
    assert table["search"].tolist() == sorted(EVERYONE) and "learning_rate" in table
    assert found["tuning"]["scope"] == "nested" and found["counts"]["subjects"] == 8
    assert found["tuned_on"] is None
    for group in EVERYONE:
        name = group.replace("/", "_")
        fold = read(tmp_path / f"tuned/report/folds/seed-0/{name}.json")
        one = read(tmp_path / f"tuned/searches/{name}/best.json")
        assert fold["options"] == one and one["run"]["subjects"] == [group]
        assert set(one["run"]["tuned_on"]) == EVERYONE - {group}
        rate = found["tuning"]["searches"][group]["options"]["learning_rate"]
        assert one["training"]["learning_rate"] == rate


def test_all_is_stamped_also_in_a_run_made_with_it(options, quick, tmp_path, flow, capsys):
    from me_keras import loso

    record = search(options(scope="all", max_trials=2))
    assert record["report"]["tuned_on"]["note"] == "tuned on the reported subjects"
    best = str(tmp_path / "tuned/best.json")
    assert loso.main(["--config", best, "--out", "run", "--data-root", str(flow)]) == 0
    stamped = read(tmp_path / "run/results.json")["tuned_on"]
    assert stamped["note"] == "tuned on the reported subjects" and len(stamped["reported"]) == 8
    assert "note: tuned on the reported subjects" in capsys.readouterr().out


def test_best_of_development_reports_the_others_and_everyone_only_with_a_stamp(
    options, quick, tmp_path, flow
):
    from me_keras import loso

    record = search(options(max_trials=2, report=False))
    assert record["report"] is None and not (tmp_path / "tuned/report").exists()
    assert read(tmp_path / "tuned/tuning.json")["trials"] == len(record["trials"]) == 2
    best = tmp_path / "tuned/best.json"
    run = ["--config", str(best), "--data-root", str(flow), "--out"]
    assert loso.main([*run, "others"]) == 0
    stamp = read(tmp_path / "others/results.json")["tuned_on"]
    assert stamp["reported"] == [] and "other subjects" in stamp["note"]
    everyone = read(best)
    everyone["run"]["subjects"] = []
    best.write_text(json.dumps(everyone))
    assert loso.main([*run, "everyone"]) == 0
    stamp = read(tmp_path / "everyone/results.json")["tuned_on"]
    assert stamp["note"] == "tuned on the reported subjects: 3 of 8"


def test_a_stopped_search_goes_on_and_more_trials_may_follow(options, quick, monkeypatch, tmp_path):
    original, ran, stop_after = trials.try_out, [], [2]

    def try_out(task):
        if len(ran) in stop_after:
            stop_after.clear()
            raise KeyboardInterrupt
        ran.append(task.options.training.learning_rate)
        return original(task)

    monkeypatch.setattr(trials, "try_out", try_out)
    with pytest.raises(KeyboardInterrupt):
        search(options(max_trials=4))
    assert len(pd.read_csv(tmp_path / "tuned/trials.csv")) == 3  # one of them was cut off
    search(options(max_trials=4))
    search(options(max_trials=4))  # nothing is left to do
    assert len(ran) == 4
    search(options(max_trials=6))
    assert len(ran) == len(set(ran)) == 6
    table = pd.read_csv(tmp_path / "tuned/trials.csv", dtype={"trial": str})
    assert table["trial"].tolist() == [str(n) for n in range(6)]
    assert table["learning_rate"].tolist() == ran
    search(options(max_trials=6, out="whole"))
    assert ran[6:] == ran[:6]


@pytest.mark.parametrize("tuner", ["hyperband", "bayesian"])
def test_the_other_tuners(options, quick, tmp_path, tuner):
    record = search(options(tuner=tuner, max_trials=6, objective="loss"))
    table = pd.read_csv(tmp_path / "tuned/trials.csv")
    assert len(table) == 6 and table["status"].eq("completed").all()
    best = record["report"]["tuning"]["searches"]["search"]
    assert best["inner_score"] == table["loss"].min() and best["inner_score_of_start"] > 0


def test_failed_trials_end_the_search_with_their_reason(options, quick, monkeypatch, tmp_path):
    monkeypatch.setattr(trials, "try_out", lambda task: "diverged: the loss is no longer a number")
    with pytest.raises(FloatingPointError, match="the last 3 trials failed.*no longer a number"):
        search(options(max_trials=9))
    table = pd.read_csv(tmp_path / "tuned/trials.csv")
    assert table["status"].tolist() == ["failed"] * 3
    assert table["reason"].str.contains("diverged").all()


def test_a_bad_trial_is_recorded_and_the_search_goes_on(options, quick, monkeypatch, capsys):
    original = trials.try_out

    def try_out(task):
        return "out of memory" if task.trial_id == "1" else original(task)

    monkeypatch.setattr(trials, "try_out", try_out)
    record = search(options(max_trials=4, report=False))
    assert [row["status"] for row in record["trials"]] == ["completed", "failed"] + [
        "completed"
    ] * 2
    assert record["trials"][1]["reason"] == "out of memory"
    printed = capsys.readouterr().err
    assert "trial 1 (2 of at most 4)  failed: out of memory" in printed
    assert "trial 2 (3 of at most 4)  uf1 " in printed


@pytest.fixture
def elsewhere(monkeypatch):
    """Has `parallel.run` end tasks out of order, some of them dead; returns its calls."""
    calls = []

    def run(function, tasks, execution, own_process=False, **_):
        calls.append({"own_process": own_process, "jobs": execution.jobs, "tasks": []})
        out, tasks = [], iter(tasks)
        while True:
            while len(out) < execution.jobs:
                task = next(tasks, None)
                if task is None:
                    break
                calls[-1]["tasks"].append(task)
                out.append(task)
            if not out:
                return
            task = out.pop()
            died = str(task) == "search, trial 1"
            yield task, parallel.Died("killed by SIGKILL") if died else function(task)

    monkeypatch.setattr(parallel, "run", run)
    return calls


def test_a_trial_whose_process_died_is_a_failed_one(options, quick, elsewhere):
    record = search(options(max_trials=4, jobs=2, report=False))
    failed = [row for row in record["trials"] if row["status"] == "failed"]
    assert [row["trial"] for row in failed] == ["1"] and len(record["trials"]) == 4
    assert failed[0]["reason"] == "its process died: killed by SIGKILL"
    assert [row["trial"] for row in record["trials"]] == ["1", "2", "3", "0"]


def test_many_trials_run_in_processes_that_are_renewed(options, quick, elsewhere):
    search(options(max_trials=LIFETIME + 3, report=False))
    assert [len(call["tasks"]) for call in elsewhere] == [LIFETIME, 3, 0]
    assert all(call["own_process"] for call in elsewhere)
    search(options(max_trials=LIFETIME + 5, report=False))
    assert not elsewhere[-1]["own_process"]


def test_searches_share_the_processes(options, quick, elsewhere):
    search(options(scope="nested", max_trials=2, jobs=3, report=False))
    tasks = elsewhere[0]["tasks"]
    assert [task.search for task in tasks] == [
        group for group in sorted(EVERYONE) for _ in range(2)
    ]
    assert len({str(task) for task in tasks}) == 16


def test_kerastuners_variables_are_refused(options, monkeypatch):
    monkeypatch.setenv("KERASTUNER_ORACLE_IP", "127.0.0.1")
    with pytest.raises(OptionError, match="KERASTUNER_ORACLE_IP: unset; .* --executor ray"):
        search(options())
