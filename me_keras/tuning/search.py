"""A search over the options of `me_keras.loso`: hands out trials, and reports what was found."""

from __future__ import annotations

import contextlib
import json
import os

from me_keras.options import Options
from me_keras.tuning.options import SearchOptions
from pipelines import files
from pipelines.progress import Progress, say
from pipelines.schema import OptionError

LIFETIME = 25  # trials of a process: TensorFlow 2.15 keeps some memory of each, 20 MiB as a rule


def search(options: SearchOptions) -> dict:
    """Searches, goes on with a search that was stopped, or reports a finished one.

    The folder holds best.json (options for `--config`), trials.csv, tuning.json, three figures,
    TensorBoard's HParams, and in report/ the run that evaluates the best options.

    Args:
        options: `SearchOptions`.
    Returns:
        dict: `out`, the folder; `best`, the options found, an `Options`; `trials`, a list of dicts,
        the rows of trials.csv; `tuning`, what tuning.json holds; `report`, what its results.json
        holds, None without `report`; `report_start`, likewise for the options started from.
    Raises:
        DataError: data or subjects cannot be used, or a file of the folder is damaged. OptionError:
            the options cannot be used, or the folder holds another search. FloatingPointError: too
            many trials failed. OSError: the disk is full, or a process died in the report.
    """
    from me_keras import parallel
    from me_keras.tuning import report, tables
    from me_keras.tuning.oracles import Oracle
    from me_keras.tuning.plan import claim, make_plan

    _refuse_several_machines()
    parallel.set_up(options.execution)
    plan = make_plan(options)
    claim(plan)
    for line in _introduction(plan):
        say(line)
    oracles = [
        Oracle(options, plan.start, plan.parameters, plan.folder(one) / "trials.json")
        for one in plan.searches
    ]
    try:
        _run_trials(plan, oracles)
    finally:
        frame = tables.trial_table(plan, oracles)
        if len(frame):
            tables.write_csv(plan.out / "trials.csv", frame)
    _check_trials(plan, oracles)
    best = [report.Best.of(plan, one, oracle) for one, oracle in zip(plan.searches, oracles)]
    return _report(plan, frame, best)


def _refuse_several_machines():
    given = sorted(name for name in os.environ if name.startswith("KERASTUNER_"))
    if given:
        raise OptionError(
            f"{given[0]} is set: a search runs on several machines with --executor ray; unset "
            f"{', '.join(given)}"
        )


def _introduction(plan) -> list[str]:
    """What is about to be searched."""
    settings, first = plan.options.search, plan.searches[0]
    counts = {
        "development": f"{len(first.subjects)} subjects set apart for the search, the other "
        f"{len(first.reported)} are reported, trained on each other only: "
        f"{', '.join(first.subjects)}",
        "nested": f"{len(plan.searches)} searches, one for each held-out group among the others",
        "all": f"all {len(first.subjects)} subjects, which are also reported: results are stamped",
    }
    return [
        f"scope {settings.scope}: {counts[settings.scope]}",
        f"{settings.tuner}, up to {settings.max_trials} trials a search, {settings.inner_folds} "
        f"inner folds, {len(plan.parameters)} options: {' '.join(p.name for p in plan.parameters)}",
    ]


def _run_trials(plan, oracles):
    """Runs all trials that are left, on the processes that the options ask for."""
    from me_keras import parallel
    from me_keras.evaluation.data import ClipsOnDisk
    from me_keras.tuning import tables, trials

    execution, settings = plan.options.execution, plan.options.search
    clips = ClipsOnDisk.of(plan.prepared, plan.start)
    trials.keep(clips, plan.prepared)
    total, done = settings.max_trials * len(oracles), sum(oracle.ended for oracle in oracles)
    many = total - done > LIFETIME
    if many and execution.in_this_process:
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # two processes on a GPU
    with Progress(total, "search", "trial", done) as progress:
        while True:
            tasks = _tasks(oracles, plan.searches, clips, LIFETIME * execution.jobs)
            results = parallel.run(trials.try_out, tasks, execution, own_process=many)
            before = done
            with contextlib.closing(results):
                for task, result in results:
                    oracle, one = oracles[task.search], plan.searches[task.search]
                    if isinstance(result, parallel.Died):
                        result = f"its process died: {result}"
                    trial = oracle.end_trial(task.trial_id, result)
                    done += 1
                    progress.update()
                    say(tables.line(plan, oracle, tables.trial_row(plan, one, oracle, trial)))
            if done == before:
                return


def _tasks(oracles, searches, clips, most):
    """Yields trials as processes ask for them: at most so many, then others take over."""
    from me_keras.tuning.trials import FoldsTask
    from pipelines.parallel import WAIT

    while most:
        waits = False
        for number, (oracle, one) in enumerate(zip(oracles, searches)):
            trial = oracle.next_trial()
            waits = waits or trial is WAIT
            if trial is not None and trial is not WAIT:
                most -= 1
                options = oracle.options(trial)
                where = f"{one.name} " if len(searches) > 1 else ""
                name, seeds = f"{where}trial {trial.trial_id}", (options.run.seed,)
                yield FoldsTask(name, number, trial.trial_id, options, one.inner, seeds, clips)
                break
        else:
            if not waits:
                return
            yield WAIT


def _check_trials(plan, oracles):
    for one, oracle in zip(plan.searches, oracles):
        failures = oracle.failures()
        if failures:
            raise FloatingPointError(
                f"{one.name}: the last {len(failures)} trials failed, the last one with: "
                f"{failures[-1].message}: narrow the space with --only or --space FILE in another "
                "--out, or raise --max-failures and give the same command again"
            )
    if not all(oracle.best() for oracle in oracles):
        raise FloatingPointError("no trial was completed: see trials.csv for the reasons")


def _report(plan, frame, best):
    """Writes everything that the search found; evaluates it unless told not to."""
    from me_keras.tuning import figures, report, tables

    tables.write_hparams(plan, frame)
    figures.draw(plan, frame)
    tuning = report.tuning_record(plan, frame, best)
    files.write_whole(plan.out / "tuning.json", json.dumps(tuning, indent=1) + "\n")
    found: Options = report.write_best(plan, best)
    say(f"best options in {plan.out / 'best.json'}")
    settings = plan.options.search
    return {
        "out": str(plan.out),
        "best": found,
        "trials": frame.to_dict("records"),
        "tuning": tuning,
        "report": report.evaluate_best(plan, best, tuning) if settings.report else None,
        "report_start": report.evaluate_start(plan)
        if settings.report and settings.report_start
        else None,
    }
