import json
import math

import numpy as np
import pytest

from me_keras.options import Options, resolve
from me_keras.tuning import space
from me_keras.tuning.options import SearchOptions
from me_keras.tuning.oracles import COMPLETED, FAILED, START, Oracle
from pipelines import cli
from pipelines.parallel import WAIT
from pipelines.schema import DataError

RATE = (space.DECLARED["learning_rate"],)


def make(tmp_path, name="a", parameters=RATE, **options):
    """An oracle of one parameter, in its folder."""
    options = cli.replace(SearchOptions(), **{"dataset": "smic-flow", "epochs": 9, **options})
    start = resolve(options.start, "precomputed")
    return Oracle(options, start, parameters, tmp_path / name / "trials.json")


def run(oracle, score=lambda trial: 0.5):
    """Runs a trial and ends it; a score that is text fails it. None after the last."""
    trial = oracle.next_trial()
    if trial is None or trial is WAIT:
        return trial
    value = score(trial)
    scores = {name: value for name in ("uf1", "uar", "accuracy", "loss", "seconds")}
    return oracle.end_trial(trial.trial_id, value if isinstance(value, str) else scores)


def rate(trial):
    return trial.hyperparameters.values["learning_rate"]


def rates(oracle, count):
    return [rate(run(oracle)) for _ in range(count)]


@pytest.mark.parametrize("tuner", ["random", "hyperband", "bayesian"])
def test_the_start_comes_first_and_the_trials_end(tmp_path, tuner):
    oracle = make(tmp_path, tuner=tuner, max_trials=5)
    found = [run(oracle) for _ in range(7)]
    assert found[0].hyperparameters.values[START] == 1
    assert [t.status for t in found[:5]] == [COMPLETED] * 5 and found[5:] == [None] * 2
    assert len(oracle.trials) == oracle.ended == 5


def test_the_first_trial_runs_the_options_given_even_outside_the_space(tmp_path):
    oracle = make(tmp_path, learning_rate=1e-6)
    trial = oracle.next_trial()
    assert rate(trial) == 3e-4  # as near as the space has it
    assert oracle.options(trial).training.learning_rate == 1e-6
    assert oracle.options(trial) == oracle.start
    oracle.end_trial(trial.trial_id, "bad")
    second = oracle.next_trial()
    assert 3e-4 <= oracle.options(second).training.learning_rate <= 1e-2


@pytest.mark.parametrize("seed", [0, 7])
def test_the_same_seed_gives_the_same_trials(tmp_path, seed):
    first, second = (rates(make(tmp_path, n, seed=seed), 6) for n in "ab")
    assert first == second
    assert first != rates(make(tmp_path, "c", seed=seed + 1), 6)


def test_hyperband_hands_out_epochs_and_goes_on_to_the_last_trial(tmp_path):
    oracle = make(tmp_path, tuner="hyperband", max_trials=40)
    ended = [trial for trial in (run(oracle, score=rate) for _ in range(45)) if trial]
    epochs = [oracle.options(trial).training.epochs for trial in ended[1:]]
    assert set(epochs) == {1, 3, 9} and len(ended) == 40
    assert oracle.options(ended[0]).training.epochs == 9


def test_hyperband_without_other_values_waits_for_those_that_run(tmp_path):
    switch = (space.DECLARED["local_fusion"],)
    oracle = make(tmp_path, parameters=switch, tuner="hyperband", max_trials=40)
    out = []
    while out[-1:] != [WAIT]:
        out.append(oracle.next_trial())
    for trial in out[:-1]:
        oracle.end_trial(trial.trial_id, dict.fromkeys(("uf1", "seconds"), 0.5))
    assert oracle.next_trial() is not WAIT


def test_the_bayesian_model_is_used_within_the_trials_given(tmp_path, monkeypatch):
    from sklearn.gaussian_process import GaussianProcessRegressor

    fitted, fit = [], GaussianProcessRegressor.fit
    monkeypatch.setattr(
        GaussianProcessRegressor, "fit", lambda self, x, y: fitted.append(len(y)) or fit(self, x, y)
    )
    oracle = make(tmp_path, tuner="bayesian", max_trials=5)
    for _ in range(5):
        run(oracle, score=lambda trial: -abs(math.log10(rate(trial)) + 3))
    assert fitted == [3, 4]


def test_failures_in_a_row_end_the_search_and_more_may_be_allowed(tmp_path):
    oracle = make(tmp_path, max_trials=10, max_failures=3)
    assert run(oracle).status == COMPLETED
    bad = [run(oracle, score=lambda t: "bad") for _ in range(4)]
    assert [t.status for t in bad[:3]] == [FAILED] * 3 and bad[3] is None
    assert [t.message for t in oracle.failures()] == ["bad"] * 3
    again = make(tmp_path, max_trials=10, max_failures=4)
    assert run(again).status == COMPLETED and not again.failures()


@pytest.mark.parametrize("scores", [[0.5, "a", 0.4, "b", 0.6, "c"], ["a", 0.1, "b", 0.2, "c"]])
def test_failures_with_successes_between_do_not_end_it(tmp_path, scores):
    oracle = make(tmp_path, max_trials=8, max_failures=2)
    assert all(run(oracle, score=lambda t, value=value: value) for value in scores)


def test_a_score_that_is_no_number_is_a_failed_trial(tmp_path):
    trial = run(make(tmp_path), score=lambda t: float("nan"))
    assert trial.status == FAILED and trial.message == "its uf1 is not a number"


@pytest.mark.parametrize("tuner", ["random", "hyperband"])
def test_a_killed_process_loses_no_trial(tmp_path, tuner):
    whole = rates(make(tmp_path, "whole", tuner=tuner, max_trials=6), 6)
    oracle = make(tmp_path, "cut", tuner=tuner, max_trials=6)
    first = rates(oracle, 3)
    oracle.next_trial()  # killed while it runs
    again = make(tmp_path, "cut", tuner=tuner, max_trials=6)
    assert [trial.status for trial in again.trials] == [COMPLETED] * 3 + ["RUNNING"]
    rest = rates(again, 3)
    assert first + rest == whole and run(again) is None
    assert [trial.trial_id for trial in again.trials] == [str(n) for n in range(6)]


def test_several_trials_cut_off_are_handed_out_again_first(tmp_path):
    oracle = make(tmp_path, max_trials=6)
    lost = [oracle.next_trial() for _ in range(3)]
    oracle.end_trial(lost[1].trial_id, {"uf1": 0.5})
    again = make(tmp_path, max_trials=6)
    names = [run(again).trial_id for _ in range(5)]  # one after the other: fewer processes
    assert names == ["0", "2", "3", "4", "5"] and run(again) is None
    assert again.ended == 6


def test_more_trials_may_follow(tmp_path):
    rates(make(tmp_path, max_trials=3), 3)
    again = make(tmp_path, max_trials=12)
    assert run(again).trial_id == "03" and again.ended == 4


@pytest.mark.parametrize("objective, sign", [("uf1", 1), ("loss", -1)])
def test_the_earliest_of_equal_trials_is_best(tmp_path, objective, sign):
    oracle = make(tmp_path, objective=objective)
    assert oracle.best() is None
    for value in ("bad", 0.5, 0.7, 0.7):
        run(oracle, score=lambda t, value=value: value if value == "bad" else sign * value)
    assert oracle.best().trial_id == "02"
    assert make(tmp_path, objective=objective).best().trial_id == "02"


@pytest.mark.parametrize("damage", ['{"oracle": ', "[]", "{}", '{"trials": [{}], "oracle": {}}'])
def test_a_damaged_file_is_named_with_a_remedy(tmp_path, damage):
    run(make(tmp_path))
    path = tmp_path / "a" / "trials.json"
    path.write_text(damage)
    with pytest.raises(DataError) as caught:
        make(tmp_path)
    text = str(caught.value)
    assert text.startswith(str(path)) and "delete that folder" in text and "\n" not in text


def test_nothing_but_one_file_is_written(tmp_path):
    rates(make(tmp_path), 2)
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(json.loads(path.read_text())["trials"]) == 2


def test_options_of_a_trial_are_those_of_loso(tmp_path):
    oracle = make(tmp_path)
    run(oracle)
    options = oracle.options(oracle.next_trial())
    assert type(options) is Options and not np.isnan(options.training.learning_rate)
