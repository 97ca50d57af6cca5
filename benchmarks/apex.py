"""How far the spotted apex and the middle frame are from the apex.

On synthetic people, drawn anew for each seed, or on any prepared database with apex labels
(--prepared). Errors are in frames of the recording; "of the clip" is their mean as a share of it.
"""

import collections
import dataclasses
import sys
from typing import Optional

import numpy as np

from benchmarks import report
from benchmarks.measure import Output
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import CLASSES, DataError

RULES = ("spotted", "middle")


@dataclasses.dataclass(frozen=True)
class ApexOptions(Output):
    """Which clips, and where the figures go."""

    prepared: Optional[str] = option(None, "a prepared database with apex labels", metavar="DIR")
    seeds: tuple[int, ...] = option((0, 1, 2), "of people", nargs="+", metavar="N")
    clips: int = option(24, "clips for each seed", least=1)
    num_frames: int = option(34, "mean length; SMIC's is 34", least=5)
    jobs: int = option(0, "processes; 0 for one per core", least=0)

    def __post_init__(self):
        cli.check(self)


def compare(options):
    """Compares both rules, in each group of clips and in all."""
    groups = prepared_errors(options.prepared) if options.prepared else rendered_errors(options)
    if len(groups) > 1:
        groups = {**groups, "all": [clip for clips in groups.values() for clip in clips]}
    rows = {f"{name} {rule}": summary(groups[name], rule) for name in groups for rule in RULES}
    return report.Result(rows=rows)


def summary(clips, rule):
    """Mean, median and 90th percentile of the errors of a rule, in frames."""
    error = np.array([abs(clip[rule]) for clip in clips], float)
    return {
        "clips": len(error),
        "mean": float(error.mean()),
        "median": float(np.median(error)),
        "p90": float(np.percentile(error, 90)),
        "of the clip": float(np.mean(error / [clip["length"] for clip in clips])),
    }


def rendered_errors(options):
    """Per seed, the signed errors of both rules on each synthetic clip, and its length."""
    from pipelines import parallel
    from pipelines.synthetic import plan
    from pipelines.synthetic.options import SynthesisConfig

    groups = {}
    for seed in options.seeds:
        config = SynthesisConfig(
            seed=seed + 1000, num_frames=options.num_frames, frame_size=(320, 240)
        )
        specs = [
            plan.draw_spec(config, 1 + number // 6, number % 6, CLASSES[number % len(CLASSES)])
            for number in range(options.clips)
        ]
        found = parallel.run(errors, specs, options.jobs, ordered=True)
        groups[f"seed {seed}"] = [clip for _, clip in found]
    return groups


def errors(spec):
    """Renders a clip, aligns it and compares both rules with its apex."""
    from pipelines.faces import align, apex
    from pipelines.synthetic import clip

    aligned = align.align_clip(clip.render(spec))
    boxes = align.region_boxes(aligned.landmarks, aligned.frames.shape[1])
    return {
        "spotted": apex.spot(aligned.frames, boxes) - spec.apex,
        "middle": apex.middle(0, spec.num_frames - 1) - spec.apex,
        "length": spec.num_frames,
    }


def prepared_errors(folder):
    """The same of a prepared database, by its databases; frames it does not keep are not found."""
    from pipelines.faces import apex
    from pipelines.prepared import open_prepared
    from pipelines.prepared.manifest import checked_manifest

    prepared, manifest = open_prepared(folder), checked_manifest(folder)
    if prepared.kind != "frames" or manifest["parameters"]["apex"] != "annotated":
        raise DataError(f"{folder} holds no annotated apex: prepare with --apex annotated")
    groups = collections.defaultdict(list)
    for row, entry in enumerate(manifest["clips"]):
        if entry["apex"] is None:
            continue
        frames = prepared.frames[prepared.first[row] :][: entry["num_frames"], ..., None]
        onset, offset, numbers = entry["onset"], entry["offset"], entry["numbers"]
        spotted = apex.spot(frames, prepared.regions[row], onset, offset)
        true = numbers[entry["apex"]]
        found = {
            "spotted": numbers[spotted] - true,
            "middle": apex.middle(numbers[onset], numbers[offset]) - true,
            "length": numbers[offset] - numbers[onset] + 1,
        }
        groups[entry["dataset"]].append(found)
    if not groups:
        raise DataError(f"no clip of {folder} has an apex label: nothing to compare with")
    return dict(groups)


main = report.command(compare, ApexOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
