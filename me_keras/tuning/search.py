"""A search over the options of `me_keras.loso`: hands out trials, and reports what was found."""

from __future__ import annotations

import contextlib
import json
import os

from me_keras.tuning.options import SearchOptions
from pipelines import files
from pipelines.progress import Progress, say
from pipelines.schema import OptionError

LIFETIME = 25  # trials of a process: TensorFlow 2.15 keeps some memory of each, 20 MiB as a rule


def search(options: SearchOptions) -> dict:
    """Searches, goes on with a search that was stopped, or reports a finished one.

    The folder holds best.json (options for `--config`), trials.csv, tuning.json, three figures,
    TensorBoard's HParams, and in report/ the run that evaluates the best options.

    Returns:
        dict: `out`, the folder; `best`, the `Options` found; `trials`, a list of dicts, the rows of
        trials.csv; `tuning`, what tuning.json holds; `report`, what its results.json holds, or None
        if none is asked for; `report_start`, likewise for the options that the search started from.
    Raises:
        DataError: data or subjects cannot be used, or a file of the folder is damaged. OptionError:
            the options cannot be used, or the folder holds another search. FloatingPointError: too
            many trials failed. OSError: the disk is full, or a process died in the report.
    """
    from me_keras import parallel
    from me_keras.tuning import tables
    from me_keras.tuning.oracles import Oracle
    from me_keras.tuning.plan import claim, make_plan

    given = sorted(name for name in os.environ if name.startswith("KERASTUNER_"))
    if given:
        raise OptionError(
            f"{', '.join(given)}: unset; a search runs on several machines with --executor ray"
        )
    parallel.set_up(options.execution)
    plan = make_plan(options)
    claim(plan)
    _introduce(plan)
    oracles = {
        one.name: Oracle(options, plan.start, plan.parameters, plan.folder(one) / "trials.json")
        for one in plan.searches
    }
    try:
        _run_trials(plan, oracles)
    finally:
        frame = tables.trial_table(plan, oracles)
        if len(frame):
            files.write_whole(plan.out / "trials.csv", frame.to_csv(index=False))
    _check(oracles)
    return _report(plan, oracles, frame)


def _introduce(plan):
    settings, first = plan.options.search, plan.searches[0]
    say(
        {
            "development": f"{len(first.subjects)} subjects set apart for the search, the other "
            f"{len(first.reported)} are reported, trained on each other only: "
            f"{', '.join(first.subjects)}",
            "nested": f"{len(plan.searches)} searches, one for each held-out group on the others",
            "all": f"one search on all {len(first.subjects)} subjects, which are also reported: "
            "results are stamped",
        }[settings.scope]
    )
    say(
        f"{settings.tuner}, up to {settings.max_trials} trials a search, {settings.inner_folds} "
        f"inner folds, {len(plan.parameters)} options: {' '.join(p.name for p in plan.parameters)}"
    )


def _run_trials(plan, oracles):
    """Runs all trials that are left, on the processes that the options ask for."""
    from me_keras import parallel
    from me_keras.evaluation.data import ClipsOnDisk
    from me_keras.tuning import tables, trials

    execution = plan.options.execution
    clips = ClipsOnDisk.of(plan.prepared, plan.start)
    trials.keep(clips, plan.prepared)
    total = plan.options.search.max_trials * len(oracles)
    done = sum(oracle.ended for oracle in oracles.values())
    many = total - done > LIFETIME
    if many and execution.in_this_process:
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # two processes on a GPU
    before = None
    with Progress(total, "search", "trial", done) as progress:
        while done != before:
            before = done
            tasks = _tasks(plan, oracles, clips, LIFETIME * execution.jobs)
            ended = parallel.run(trials.try_out, tasks, execution, own_process=many)
            with contextlib.closing(ended):
                for task, result in ended:
                    if isinstance(result, parallel.Died):
                        result = f"its process died: {result}"
                    oracle = oracles[task.search]
                    trial = oracle.end_trial(task.trial_id, result)
                    done += 1
                    progress.update()
                    row = tables.trial_row(plan, task.search, oracle, trial)
                    say(tables.trial_line(plan, oracle, row))


def _tasks(plan, oracles, clips, most):
    """Yields trials as processes ask for them: at most so many, then fresh processes take over."""
    from me_keras.tuning.trials import Trial
    from pipelines.parallel import WAIT

    while most:
        waits = False
        for one in plan.searches:
            trial = oracles[one.name].next_trial()
            if trial is WAIT:
                waits = True
            elif trial is not None:
                options = oracles[one.name].options(trial)
                task = one.name, trial.trial_id, options, one.inner, options.run.seed, clips
                yield Trial(*task)
                most -= 1
                break
        else:
            if not waits:
                return
            yield WAIT


def _check(oracles):
    for name, oracle in oracles.items():
        failures = oracle.failures()
        if failures:
            raise FloatingPointError(
                f"{name}: the last {len(failures)} trials failed, the last one with: "
                f"{failures[-1].message}: narrow the space with --only or --space FILE in another "
                "--out, or raise --max-failures and give the same command again"
            )
    if not all(oracle.best() for oracle in oracles.values()):
        raise FloatingPointError("no trial was completed: see trials.csv for the reasons")


def _report(plan, oracles, frame):
    """Writes everything that the search found; evaluates it unless told not to."""
    from me_keras.tuning import figures, report, tables

    settings = plan.options.search
    tables.write_hparams(plan, frame)
    figures.draw(plan, frame)
    best = report.find_best(plan, oracles)
    tuning = report.tuning_record(plan, frame, best)
    files.write_whole(plan.out / "tuning.json", json.dumps(tuning, indent=1) + "\n")
    found = report.write_best(plan, best)
    say(f"best options in {plan.out / 'best.json'}")
    evaluated = report.evaluate_best(plan, best, tuning) if settings.report else None
    start = report.evaluate_start(plan) if settings.report and settings.report_start else None
    return {
        "out": str(plan.out),
        "best": found,
        "trials": frame.to_dict("records"),
        "tuning": tuning,
        "report": evaluated,
        "report_start": start,
    }
