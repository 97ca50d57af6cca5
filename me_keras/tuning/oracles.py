"""KerasTuner's oracle of one search: which trial comes next, and what the trials gave."""

from __future__ import annotations

import itertools
import json
import math
import pathlib
import shutil
import tempfile
import warnings
import weakref

from me_keras.options import Options
from me_keras.tuning import space
from me_keras.tuning.options import OBJECTIVES, SearchOptions
from pipelines import cli, files
from pipelines.parallel import WAIT
from pipelines.schema import DataError

RUNNING, IDLE, COMPLETED, FAILED = "RUNNING", "IDLE", "COMPLETED", "FAILED"  # as in KerasTuner
START = "tuner/start"  # marks the trial that runs the options the search starts from
NOISE = 0.05  # share of the scores' variance that the Gaussian process takes for chance
_REMEDY = "delete that folder to search anew, or choose another --out"


class Oracle:
    """Hands out the trials of one search in the one process that may, and keeps what they gave.

    Its state is one file, written whole whenever a trial begins or ends. Trials that were cut off
    are handed out again, first. The first trial of all runs the options that the search starts
    from, exactly, even if they lie outside the space.

    Args:
        options: `SearchOptions`.
        start: `Options` searched from, presets filled in.
        parameters: what is searched, of `space.choose`.
        path: the file.
    Raises:
        DataError: the file is damaged.
    """

    def __init__(self, options: SearchOptions, start: Options, parameters, path):
        self.start, self.path = start, pathlib.Path(path)
        self.max_failures = options.search.max_failures
        values = {p.name: p.nearest(cli.value_of(start, p.name)) for p in parameters}
        first = {name: space.encoded(value) for name, value in values.items()}
        self._oracle = _make(options, start, parameters, {**first, START: 1})
        self._handed_out: set[str] = set()
        self._give_folder()
        self._load()

    def next_trial(self):
        """The next trial, `WAIT` if it hangs on those that run, or None after the last."""
        if self.failures():
            return None
        ongoing = self._oracle.ongoing_trials
        cut_off = [who for who, t in ongoing.items() if t.trial_id not in self._handed_out]
        free = (str(n) for n in itertools.count() if str(n) not in ongoing)
        with warnings.catch_warnings():  # a Gaussian process fits few trials loosely, and says so
            warnings.simplefilter("ignore")
            trial = self._oracle.create_trial(cut_off[0] if cut_off else next(free))
        if trial.status != RUNNING:
            return WAIT if trial.status == IDLE else None
        self._handed_out.add(trial.trial_id)
        self._save()
        return trial

    def end_trial(self, trial_id: str, result):
        """Takes the result of a trial: a dict of scores, or the reason why it failed."""
        trial, objective = self._oracle.get_trial(trial_id), self._oracle.objective.name
        if isinstance(result, dict) and not math.isfinite(result[objective]):
            result = f"its {objective} is not a number"
        if isinstance(result, dict):
            self._oracle.update_trial(trial_id, result)
            trial.status = COMPLETED
        else:
            trial.status, trial.message = FAILED, result
        self._oracle.end_trial(trial)
        self._save()
        return trial

    def options(self, trial) -> Options:
        """The options that a trial runs."""
        values = trial.hyperparameters.values
        if values.get(START):
            return self.start
        options = space.options_of(values, self.start)
        epochs = values.get("tuner/epochs")  # Hyperband sets them
        return cli.replace(options, epochs=int(epochs)) if epochs else options

    @property
    def trials(self) -> list:
        """All trials: those that ended in the order of their ends, then those that run."""
        ended = [self._oracle.get_trial(trial_id) for trial_id in self._oracle.end_order]
        return ended + [t for t in self._oracle.trials.values() if t.status == RUNNING]

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return len(self._oracle.end_order)

    def best(self):
        """The best completed trial, the earliest of equals; None without any."""
        found = self._oracle.get_best_trials(1)
        return found[0] if found and found[0].status == COMPLETED else None

    def failures(self) -> list:
        """The last `max_failures` trials if all of them failed, else none."""
        tail = self.trials[: self.ended][-self.max_failures :] if self.max_failures else []
        full = len(tail) == self.max_failures and all(t.status == FAILED for t in tail)
        return tail if full else []

    def _give_folder(self):
        """KerasTuner has to have a folder; what it writes there, not whole, is not used."""
        from keras_tuner.engine.base_tuner import BaseTuner

        folder = tempfile.mkdtemp(prefix="keras-tuner-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        BaseTuner(self._oracle, directory=folder, project_name="trials")

    def _save(self):
        trials = [trial.get_state() for trial in self._oracle.trials.values()]
        state = {"oracle": self._oracle.get_state(), "trials": trials}
        files.write_whole(self.path, json.dumps(state) + "\n")

    def _load(self):
        from keras_tuner.engine import trial as kt

        saved = files.read_json(self.path, _REMEDY)
        if saved is None:
            return
        try:
            trials = [kt.Trial.from_state(state) for state in saved["trials"]]
            self._oracle.trials = {trial.trial_id: trial for trial in trials}
            self._oracle.set_state(saved["oracle"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = f"{type(error).__name__}: {error}"
            raise DataError(
                f"{self.path} holds no trials of a search ({what}): {_REMEDY}"
            ) from None


def _make(options, start, parameters, first):
    import keras_tuner as kt

    search = options.search
    given = {
        "objective": kt.Objective(search.objective, OBJECTIVES[search.objective]),
        "hyperparameters": space.declare(parameters, start),
        "seed": options.run.seed + 1,  # KerasTuner takes a seed of 0 for none
        "max_consecutive_failed_trials": math.inf,  # `Oracle.failures` counts them
    }
    kind = kt.oracles.RandomSearchOracle
    if search.tuner == "hyperband":
        kind = kt.oracles.HyperbandOracle
        # None: once through its brackets, Hyperband begins again, until there are trials enough
        given |= {"max_epochs": start.training.epochs, "hyperband_iterations": None}
    elif search.tuner == "bayesian":
        kind = kt.oracles.BayesianOptimizationOracle
        # KerasTuner's default, three times the number of parameters, would often never end
        given |= {"num_initial_points": max(3, search.max_trials // 3), "alpha": NOISE}

    class StartFirst(kind):  # type: ignore[valid-type, misc]
        def populate_space(self, trial_id):
            if not self.trials:
                return {"status": RUNNING, "values": dict(first)}
            return super().populate_space(trial_id)

    oracle = StartFirst(**given)
    oracle.max_trials = search.max_trials
    oracle.verbose = 0
    return oracle
