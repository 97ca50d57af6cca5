"""python -m pipelines.doctor: examines a copy of a database and changes nothing in it.

Says what layout, clips, subjects and classes it finds, how they differ from what the protocol
expects, and what is wrong: frames that lack or cannot be read, apexes in odd places, clips that are
there twice, faces that are not found, too large, too small or mirrored, archives not unpacked, and
files that do not belong there; each with its file and a remedy.

Exit code: 0 healthy, 1 something found, 2 misuse. A note, which says what is known and mended, is
no finding.
"""

import collections
import dataclasses
import json
import os
import pathlib
import sys
import typing
from typing import Optional

from pipelines import cli, databases, schema

SHOWN = 12  # findings of one kind on the terminal


@dataclasses.dataclass(frozen=True)
class DoctorConfig:
    """Options of the command."""

    dataset: str = cli.option("synthetic", "database to examine", tuple(databases.DATABASES))
    data_root: tuple[str, ...] = cli.option(
        (),
        "folder of the copy (default: $ME_KERAS_DATA); for megc2019 one folder that holds the "
        "three copies, or smic=DIR casme2=DIR samm=DIR",
        metavar="DIR",
        nargs="+",
    )
    protocol: Optional[str] = cli.option(
        None, "whose counts are expected (default: the field's usual one)", metavar="NAME"
    )
    sample: int = cli.option(100, "clips whose faces are looked at, evenly spread")
    all: bool = cli.option(False, "look at the faces of all clips")
    json: Optional[str] = cli.option(None, "write the report there too", metavar="FILE")
    sheet: Optional[str] = cli.option(
        None, "write a contact sheet of aligned faces (PNG), clips with findings first",
        metavar="FILE",
    )  # fmt: skip
    sheet_clips: int = cli.option(24, "clips on the contact sheet")
    jobs: int = cli.option(0, "parallel processes; 0 for one per core")

    def __post_init__(self):
        for name, least in (("sample", 0), ("sheet_clips", 1), ("jobs", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name.replace('_', '-')} must be at least {least}")


@dataclasses.dataclass
class Report:
    """What an examination has shown; lines as they are printed, findings as `examination` has."""

    dataset: str
    roots: dict[str, str]
    layouts: list[str] = dataclasses.field(default_factory=list)
    summary: list[str] = dataclasses.field(default_factory=list)
    clips: list = dataclasses.field(default_factory=list)
    findings: list = dataclasses.field(default_factory=list)

    @property
    def healthy(self) -> bool:
        return all(finding.severity == "note" for finding in self.findings)

    def to_json(self) -> dict:
        counts = collections.Counter(finding.severity for finding in self.findings)
        return {
            "dataset": self.dataset,
            "roots": self.roots,
            "healthy": self.healthy,
            "layouts": self.layouts,
            "summary": self.summary,
            "num_clips": len(self.clips),
            "num_subjects": len({clip.subject_key for clip in self.clips}),
            "counts": counts,
            "findings": [finding.to_json() for finding in self.findings],
        }


def examine(config: DoctorConfig) -> Report:
    """Examines a copy. Raises DataError for misuse: no such folder, an unknown protocol."""
    from pipelines import protocols
    from pipelines.doctor import checks as examination
    from pipelines.doctor import inventory

    protocol = protocols.choose(config.dataset, config.protocol)
    roots = _roots(config)
    report = Report(config.dataset, {name: str(root) for name, root in roots.items()})
    for root in dict.fromkeys(roots.values()):
        own = {name for name, other in roots.items() if other == root}
        report.findings += examination.of_inventory(inventory.take(root, own))
    skipped: list[schema.Skipped] = []
    try:
        clips = databases.load(config.dataset).read(_argument(config, roots), skipped)
    except schema.DataError as error:
        where = next(iter(report.roots.values()))
        report.findings.append(examination.Finding("not recognised", "", where, str(error)))
        return report
    report.clips = clips
    for root in dict.fromkeys(roots.values()):
        inside = [clip for clip in clips if _is_below(clip.frames[0], root)]
        report.layouts += inventory.layouts(root, inside)
    report.summary = protocols.summary(clips, protocol).splitlines()
    for line in protocols.differences(clips, protocol):
        name = line.partition(":")[0]
        kind = "counts in doubt" if protocol.expected[name].recalled else "counts"
        report.findings.append(examination.Finding(kind, "", name, f"{protocol.name}: {line}"))
    report.findings += examination.of_skipped(skipped) + _second_copies(roots)
    errata = [erratum for name in roots for erratum in _errata(name)]
    report.findings += examination.of_clips(clips, errata)
    seen = list(_observe(clips, config))
    report.findings += examination.of_observations(seen)
    report.summary += _facts(seen)
    return report


def _roots(config) -> dict[str, pathlib.Path]:
    """The folder of each database that is read."""
    from pipelines.databases import megc2019

    given = config.data_root or tuple(filter(None, [os.environ.get("ME_KERAS_DATA")]))
    module = databases.load(config.dataset)
    if config.dataset == "synthetic":
        from pipelines import prepare
        from pipelines.synthetic import write

        root = pathlib.Path(given[0]) if given else module.ensure(prepare.SYNTHETIC_ROOT)
        known = write.read_truth(root)[0] if root.is_dir() else None
        roots = {"smic" if known is None else known.layout: root}
    elif not given:
        advice = " ".join(module.HELP.split())
        raise schema.DataError(f"--dataset {config.dataset} needs --data-root. {advice}")
    elif config.dataset == "megc2019":
        roots = megc2019.sources(given)
    elif len(given) > 1:
        raise schema.DataError(f"--dataset {config.dataset} has one --data-root, got {len(given)}")
    else:
        from pipelines.protocols import table as protocol_table

        held = protocol_table.CONTENTS.get(config.dataset, (config.dataset,))
        roots = {name: pathlib.Path(given[0]).expanduser() for name in held}
    for root in roots.values():
        if not root.is_dir():
            raise schema.DataError(f"no such folder: {root}")
    return roots


def _argument(config, roots):
    """The root as the database's `read` wants it."""
    return roots if config.dataset == "megc2019" else next(iter(roots.values()))


def _is_below(path, root):
    return pathlib.Path(root) in pathlib.Path(path).parents


def _errata(name):
    """The known mistakes of a database's copies, as `annotated.Erratum`s."""
    module = databases.load(name)
    return module.DATABASE.errata if hasattr(module, "DATABASE") else getattr(module, "KNOWN", ())


def _second_copies(roots):
    """Findings of clips that have two folders, where the loader takes the first in silence."""
    from pipelines.databases import annotated
    from pipelines.doctor import checks as examination

    found = []
    for name, root in roots.items():
        database = getattr(databases.load(name), "DATABASE", None)
        folders = annotated.find(database, root).folders if database else {}
        for first, *others in folders.values():
            detail = f"a second copy of the clip in {first.path}, which is the one read"
            found += [examination.Finding("second copy", "", o.path, detail) for o in others]
    return found


def _observe(clips, config) -> typing.Iterator:
    """Yields an `observation.Observation` of each clip, faces for the sample."""
    from tqdm import tqdm

    from pipelines import parallel
    from pipelines.doctor import reading as observation

    step = 1 if config.all else max(1.0, len(clips) / max(config.sample, 1))
    wanted = {int(i * step) for i in range(len(clips))} if config.all or config.sample else set()
    items = [(clip, index in wanted) for index, clip in enumerate(clips)]
    with tqdm(total=len(items), desc="read", unit="clip", disable=None) as bar:
        for seen in parallel.run(observation.observe, items, config.dataset, config.jobs):
            bar.update()
            yield seen


def _facts(observations) -> list[str]:
    """What the frames are like, a line each."""
    sizes = collections.Counter(size for seen in observations for size in seen.sizes)
    (width, height), _ = sizes.most_common(1)[0] if sizes else ((0, 0), 0)
    more = f" and {len(sizes) - 1} other sizes" if len(sizes) > 1 else ""
    lines = [f"{sum(seen.num_read for seen in observations)} frames read: {width}x{height}{more}"]
    eyes = sorted(seen.portrait.eye_distance for seen in observations if seen.portrait)
    if eyes:
        middle = eyes[len(eyes) // 2]
        lines.append(
            f"{len(eyes)} faces looked at: eyes {middle:.0f} px apart "
            f"({eyes[0]:.0f}-{eyes[-1]:.0f})"
        )
    return lines


def write_sheet(report: Report, config: DoctorConfig) -> None:
    """Writes the contact sheet; what is found about a clip stands above its pictures."""
    from pipelines import parallel
    from pipelines.doctor import contact_sheet

    said = collections.defaultdict(list)
    for finding in report.findings:
        if finding.severity != "note":
            said[finding.clip].append(finding.kind)
    order = sorted(range(len(report.clips)), key=lambda i: report.clips[i].key not in said)
    troubled = sum(clip.key in said for clip in report.clips)
    healthy = order[troubled:]
    room = config.sheet_clips - min(troubled, config.sheet_clips)
    step = max(1.0, len(healthy) / max(room, 1))
    chosen = order[: min(troubled, config.sheet_clips)]
    chosen += [healthy[int(i * step)] for i in range(min(room, len(healthy)))]
    items = [(report.clips[i], ", ".join(said[report.clips[i].key])) for i in chosen]
    tiles = list(parallel.run(contact_sheet.tile, items, None, config.jobs))
    title = f"{config.dataset}: {len(tiles)} of {len(report.clips)} clips"
    contact_sheet.save(contact_sheet.sheet(tiles, title), config.sheet)


def show(report: Report) -> None:
    """Prints the report."""
    for name, root in report.roots.items():
        print(f"{name:<10}{root}")
    for title, lines in (("layout", report.layouts), ("clips", report.summary)):
        for line in lines:
            print(f"{title:<10}{line}")
    kinds = collections.defaultdict(list)
    for finding in report.findings:
        kinds[finding.severity, finding.kind].append(finding)
    for severity, kind in sorted(kinds):  # error, note, warning
        own = kinds[severity, kind]
        print(f"\n{severity.upper()}  {kind} ({len(own)}): {own[0].remedy}")
        for finding in own[:SHOWN]:
            print(f"  {finding.path}\n    {' '.join(filter(None, [finding.clip, finding.detail]))}")
        if len(own) > SHOWN:
            print(f"  … and {len(own) - SHOWN} more: see them all with --json FILE")
    counts = collections.Counter(finding.severity for finding in report.findings)
    total = [f"{counts[name]} {name}s" for name in ("error", "warning", "note")]
    print(f"\n{'healthy' if report.healthy else 'not healthy'}: {', '.join(total)}")


def _check_outputs(config, roots):
    """Nothing is written into the copy."""
    for name in ("json", "sheet"):
        path = getattr(config, name)
        if path is None:
            continue
        own = pathlib.Path(path).expanduser().resolve()
        for root in roots:
            if pathlib.Path(root).resolve() in own.parents:
                raise schema.DataError(f"--{name} {path} lies in the copy: write it elsewhere")
        if not own.parent.is_dir():
            raise schema.DataError(f"--{name} {path}: no such folder: {own.parent}")


def main(argv=None) -> int:
    """Runs the command; returns its exit code."""
    config = cli.parse(DoctorConfig, argv, "python -m pipelines.doctor", __doc__)
    try:
        _check_outputs(config, _roots(config).values())
        report = examine(config)
        show(report)
        if config.json:
            text = json.dumps(report.to_json(), indent=1, ensure_ascii=False)
            pathlib.Path(config.json).expanduser().write_text(text + "\n")
        if config.sheet and report.clips:
            write_sheet(report, config)
    except (schema.DataError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0 if report.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
