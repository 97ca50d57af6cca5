import concurrent.futures
import multiprocessing
import pathlib
import types

import fold_workers
import numpy as np
import pytest
import tensorflow as tf
from sklearn import metrics as reference

from me_keras.evaluation.data import ClipsOnDisk
from me_keras.evaluation.folds import Fold
from me_keras.tuning import trials
from me_keras.tuning.search import LIFETIME
from pipelines import cli


def task_of(plan, **changes):
    """A trial of the first search of a plan."""
    clips = ClipsOnDisk.of(plan.prepared, plan.start)
    options = cli.replace(plan.start, **changes)
    return trials.Trial("search", "0", options, plan.searches[0].inner, 0, clips)


def test_scores_are_those_of_the_pool_not_means_over_folds(rng):
    labels = rng.integers(0, 3, 30)
    probabilities = rng.dirichlet([1, 1, 1], 30)  # (n, k)
    keys = np.array([f"d/s/{n}" for n in range(30)])
    table = {"key": keys, "subject_key": keys, "dataset": keys, "label": labels}
    prepared = types.SimpleNamespace(table=table, classes=("a", "b", "c"))
    prepared = type("P", (), {"__len__": lambda self: 30, **vars(prepared)})()
    inner = [Fold("inner-1", None, np.arange(0, 9)), Fold("inner-2", None, np.arange(9, 24))]
    records = [
        {
            "group": fold.group,
            "seed": 0,
            "predictions": {"row": list(fold.test), "probabilities": probabilities[fold.test]},
        }
        for fold in inner
    ]
    found = trials.scores(records, prepared, inner)
    predicted, true = probabilities[:24].argmax(1), labels[:24]
    assert found["uf1"] == pytest.approx(reference.f1_score(true, predicted, average="macro"))
    assert found["uar"] == pytest.approx(reference.recall_score(true, predicted, average="macro"))
    assert found["accuracy"] == pytest.approx(np.mean(true == predicted))
    assert found["loss"] == pytest.approx(reference.log_loss(true, probabilities[:24]))


def test_every_inner_fold_is_trained_for_as_long_as_its_clips_fill_batches(plan, quick):
    task = task_of(plan())
    found = trials.try_out(task)
    assert set(found) == {"uf1", "uar", "accuracy", "loss", "seconds"}
    clips = np.mean([len(fold.train) for fold in task.folds])
    assert [one.steps_per_epoch for one in quick] == [round(clips / 4)]


def test_clips_are_read_once_in_a_process_and_not_where_they_are_in_memory(plan, quick):
    loaded = plan()
    task = task_of(loaded)
    trials.keep(task.clips, loaded.prepared)
    assert trials.clips_of(task.clips) is loaded.prepared
    other = task_of(plan(prepared="elsewhere"))
    read = trials.clips_of(other.clips)
    assert read is not loaded.prepared and list(read.keys) == list(loaded.prepared.keys)
    assert trials.clips_of(task_of(plan(prepared="elsewhere")).clips) is read


@pytest.mark.parametrize(
    "error, reason",
    [
        (FloatingPointError("the loss is no longer a number"), "diverged: the loss is no longer"),
        (MemoryError(), "out of memory"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating"), "out of memory"),
        (ValueError("width must be a multiple\nof heads"), "ValueError: width must be a multiple"),
        (KeyError("bug"), "KeyError: 'bug'"),
    ],
)
def test_what_a_trial_runs_into_is_its_result_in_one_line(plan, quick, monkeypatch, error, reason):
    def fails(*_):
        raise error

    monkeypatch.setattr(trials, "run_fold", fails)
    found = trials.try_out(task_of(plan()))
    assert found.startswith(reason) and "\n" not in found


def test_ctrl_c_is_no_failed_trial(plan, quick, monkeypatch):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(trials, "run_fold", stopped)
    with pytest.raises(KeyboardInterrupt):
        trials.try_out(task_of(plan()))


@pytest.mark.slow
def test_a_trial_owes_nothing_to_those_before_it(plan):
    loaded = plan()

    def scored(**changes):
        few = {"local_fusion": False, "face_fusion": False}  # quicker to trace
        found = trials.try_out(task_of(loaded, learning_rate=5e-3, **few, **changes))
        return {name: value for name, value in found.items() if name != "seconds"}

    first, other = scored(), scored(hidden_dim=32)
    assert first != other and scored() == first


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="reads Linux' /proc")
def test_memory_stays_from_trial_to_trial(plan):
    """In a process that has done nothing else, as those of a search."""
    tasks = [task_of(plan(), hidden_dim=hidden_dim) for hidden_dim in (16, 32, 16, 32, 16)]
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as pool:
        sizes = pool.submit(fold_workers.memory_after_each_trial, tasks).result(timeout=300)
    grown = np.mean(np.diff(sizes[1:]))
    assert grown < 45, f"{grown:.0f} MiB a trial, too much for a process of {LIFETIME}"
