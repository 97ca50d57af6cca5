"""All that is found in a copy, as a record, as lines for a person and as JSON."""

from __future__ import annotations

import collections
import dataclasses
import functools
import json
import pathlib

from pipelines import databases, parallel, protocols, schema
from pipelines.doctor import checks, inventory, reading
from pipelines.doctor.checks import Finding
from pipelines.progress import Progress

SHOWN = 12  # findings of one kind for a person


class Place:
    """A copy: its database, what `read` takes, and the folder of each database in it.

    Raises DataError where there is no folder.
    """

    def __init__(self, dataset: str, data_root=None):
        self.database = databases.load(dataset)
        self.root = self.database.locate(data_root)
        roots = self.database.sources(self.root)
        if roots is None:
            folder = self.database.folder(self.root)
            roots = dict.fromkeys(self.database.members(folder), folder)
        self.roots = roots
        for folder in roots.values():
            if not folder.is_dir():
                raise schema.DataError(f"no such folder: {folder}")


@dataclasses.dataclass
class Report:
    """What a copy holds, and what is wrong with it."""

    dataset: str
    roots: dict[str, str]  # database -> its folder
    layouts: list[str] = dataclasses.field(default_factory=list)  # lines about paths
    summary: list[str] = dataclasses.field(default_factory=list)  # of clips, subjects and frames
    clips: list[schema.Clip] = dataclasses.field(default_factory=list)  # that can be used
    findings: list[Finding] = dataclasses.field(default_factory=list)

    @property
    def healthy(self) -> bool:
        return all(finding.severity == checks.NOTE for finding in self.findings)

    @property
    def counts(self) -> collections.Counter:
        """Severity -> number of findings."""
        return collections.Counter(finding.severity for finding in self.findings)


def make(place: Place, protocol: str | None = None, sample: int = 100, jobs: int = 0) -> Report:
    """Looks a copy over.

    Args:
        protocol: name of the protocol whose clips are expected; None: the default.
        sample: number of clips whose faces are looked at; -1 for all.
        jobs: processes; 0 for one per core.
    Raises:
        DataError: an unknown protocol.
    """
    database = place.database
    expected = protocols.choose(database.name, protocol)
    report = Report(database.name, {name: str(root) for name, root in place.roots.items()})
    for root in dict.fromkeys(place.roots.values()):
        own = {name for name, other in place.roots.items() if other == root}
        report.findings += checks.of_inventory(inventory.take(root, own))
    skipped: list[schema.Skipped] = []
    try:
        report.clips = clips = database.read(place.root, skipped)
    except schema.DataError as error:
        where = next(iter(report.roots.values()))
        report.findings.append(Finding("not recognised", "", where, str(error)))
        return report
    for root in dict.fromkeys(place.roots.values()):
        inside = [c for c in clips if root in pathlib.Path(c.frames[0]).parents]
        report.layouts += inventory.layouts(root, inside)
    report.summary = protocols.summary(clips, expected).splitlines()
    report.findings += _counts(clips, expected)
    report.findings += checks.of_skipped(skipped, expected)
    errata = [erratum for name in place.roots for erratum in databases.load(name).errata]
    report.findings += checks.of_clips(clips, errata)
    read = _read(clips, database.name, len(clips) if sample < 0 else sample, jobs)
    report.findings += checks.of_files(read)
    report.summary += _facts(read)
    return report


def _counts(clips, protocol):
    for line in protocols.differences(clips, protocol):
        name = line.partition(":")[0]
        kind = "counts in doubt" if protocol.expected[name].recalled else "counts"
        yield Finding(kind, "", name, f"{protocol.name}: {line}")


def _read(clips, dataset, sample, jobs) -> list[reading.Reading]:
    """Reads the files of all clips, and looks at the faces of a sample."""
    step = max(1.0, len(clips) / max(sample, 1))
    wanted = {int(i * step) for i in range(len(clips) if sample else 0)}
    tasks = [(clip, index in wanted) for index, clip in enumerate(clips)]
    function = functools.partial(reading.read_clip, dataset=dataset)
    found = []
    with Progress(len(tasks), "read", "clip") as progress:
        for _, result in parallel.run(function, tasks, jobs, ordered=True, retries=1):
            if isinstance(result, parallel.Died):
                raise result
            found.append(result)
            progress.update()
    return found


def _facts(read) -> list[str]:
    """What the frames are like, a line each."""
    sizes = collections.Counter(size for one in read for size in one.sizes)
    (width, height), _ = sizes.most_common(1)[0] if sizes else ((0, 0), 0)
    more = f" and {len(sizes) - 1} other sizes" if len(sizes) > 1 else ""
    lines = [f"{sum(one.num_read for one in read)} frames read: {width}x{height}{more}"]
    eyes = sorted(one.portrait.eye_distance for one in read if one.portrait)
    if eyes:
        span = f"{eyes[len(eyes) // 2]:.0f} px apart ({eyes[0]:.0f}-{eyes[-1]:.0f})"
        lines.append(f"{len(eyes)} faces looked at: eyes {span}")
    return lines


def text(report: Report) -> str:
    """The report for a person."""
    lines = [f"{name:<10}{root}" for name, root in report.roots.items()]
    lines += [f"layout    {line}" for line in report.layouts]
    lines += [f"clips     {line}" for line in report.summary]
    kinds = collections.defaultdict(list)
    for finding in report.findings:
        kinds[finding.severity, finding.kind].append(finding)
    for severity, kind in sorted(kinds):  # error, note, warning
        own = kinds[severity, kind]
        lines += ["", f"{severity.upper()}  {kind} ({len(own)}): {own[0].remedy}"]
        for finding in own[:SHOWN]:
            lines.append(f"  {finding.path}")
            lines.append(f"    {' '.join(filter(None, [finding.clip, finding.detail]))}")
        if len(own) > SHOWN:
            lines.append(f"  … and {len(own) - SHOWN} more: see them all with --json FILE")
    total = ", ".join(f"{report.counts[name]} {name}s" for name in ("error", "warning", "note"))
    return "\n".join([*lines, "", f"{'healthy' if report.healthy else 'not healthy'}: {total}"])


def json_text(report: Report) -> str:
    """The report as JSON."""
    value = {
        "dataset": report.dataset,
        "roots": report.roots,
        "healthy": report.healthy,
        "layouts": report.layouts,
        "summary": report.summary,
        "num_clips": len(report.clips),
        "num_subjects": len({clip.subject_key for clip in report.clips}),
        "counts": report.counts,
        "findings": [finding.to_json() for finding in report.findings],
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"
