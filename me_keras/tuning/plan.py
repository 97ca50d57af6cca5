"""The plan of a search: its data, its searches and its space; and its folder, to go on in."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

from me_keras.options import Options
from me_keras.tuning import scopes, space
from me_keras.tuning.options import SearchOptions
from pipelines import cli, files
from pipelines.schema import OptionError

_REMEDY = "choose another --out, or delete that folder"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What all parts of a search share.

    Attributes:
        options: presets and protocol filled in.
        start: the options searched from, those of `me_keras.loso` among them.
        prepared: the clips that the protocol takes, with their motion.
        manifest: of the whole prepared form.
        groups: the group of each clip.
        parameters: what is searched, of `space.choose`.
        searches: of `scopes.plan`.
        out: the folder.
    """

    options: SearchOptions
    start: Options
    prepared: Any
    manifest: dict
    groups: list
    parameters: tuple
    searches: list
    out: pathlib.Path

    @property
    def objective(self) -> str:
        """Name of the score that is sought."""
        return self.options.search.objective

    def folder(self, search) -> pathlib.Path:
        """Where a search's own files are."""
        return self.out / "searches" / search.name.replace("/", "_")


def make_plan(options: SearchOptions) -> Plan:
    """Reads the data and plans the searches; writes nothing but the prepared form.

    Raises:
        DataError: data or subjects cannot be used. OptionError: the space cannot.
    """
    from me_keras.evaluation import data
    from pipelines import protocols

    settings = options.search
    protocol = protocols.choose(options.dataset, options.data.protocol)
    prepared, manifest = data.load_data(options)
    options = data.resolved(cli.replace(options, tuned_on=()), prepared.kind)
    start = options.start
    fixed = ("epochs",) if settings.tuner == "hyperband" else ()
    parameters = space.choose(settings.space, settings.only, start, fixed)
    prepared, groups, folds = data.under_protocol(prepared, manifest, protocol, start)
    prepared = data.with_motion(prepared, start)
    searches = scopes.plan(options, prepared, folds)
    folder = f"tuning/{options.dataset}-{settings.scope}-{settings.tuner}"
    out = pathlib.Path(options.run.out or folder)
    return Plan(options, start, prepared, manifest, groups, parameters, searches, out)


def claim(plan: Plan) -> None:
    """Makes the folder that of this search, or checks that it already is.

    Its config.json is what `--config` takes, beside all that decides what a trial is.

    Raises:
        DataError: config.json is damaged. OptionError: the folder holds another search, or
            something else.
    """
    from me_keras.evaluation.results import versions

    path, out, record = plan.out / "config.json", plan.out, _decisive(plan)
    earlier = files.read_json(path, _REMEDY)
    if earlier is not None:
        conflict = _conflict(earlier.get("tuning"), record)
        if conflict:
            raise OptionError(f"{out} holds a search {conflict}: {_REMEDY}")
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OptionError(f"{out} exists and is not a search: choose another --out")
    options = cli.to_json(cli.replace(plan.options, out=str(out)))
    config = {**options, "versions": versions(), "tuning": record}
    files.write_whole(path, json.dumps(config, indent=1) + "\n")


def space_record(plan: Plan) -> dict:
    """The parameters as JSON holds them."""
    return {p.name: dataclasses.asdict(p) for p in plan.parameters}


def _decisive(plan):
    """What decides what a trial is, as it is read back from JSON: tuples are lists."""
    from me_keras.evaluation.results import decisive_options

    record = decisive_options(plan.options)
    record |= {"seed": plan.start.run.seed, "data_digest": plan.prepared.digest}
    record["space"] = space_record(plan)
    if plan.options.search.scope != "nested":  # whose searches may be for some subjects only
        record["subjects"] = plan.searches[0].subjects
    return json.loads(json.dumps(record))


def _conflict(earlier, now):
    """What is different about the search on disk, in words; "" for the same search."""
    if not earlier:
        return "or a run of another version"
    for name, value in now.items():
        before = earlier.get(name, value)
        if before != value and name == "space":
            changed = sorted(n for n in {**before, **value} if before.get(n) != value.get(n))
            return f"of another space (differs in {', '.join(changed)})"
        if before != value:
            return f"with another {name} ({before}, now {value})"
    return ""
