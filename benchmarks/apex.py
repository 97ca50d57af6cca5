"""python -m benchmarks.apex: how far the spotted apex and the middle frame are from the apex.

On synthetic people, drawn anew for each seed, or on any prepared database with apex labels
(--prepared). Errors are in frames of the recording; "of the clip" is their mean as a share of it.
"""

import argparse
import collections
import json
import pathlib
import sys

import numpy as np

from me_keras import console

RULES = ("spotted", "middle")


def main(argv=None):
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.apex", description=__doc__)
    parser.add_argument("--prepared", metavar="DIR", help="a prepared database with apex labels")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="of people")
    parser.add_argument("--clips", type=int, default=24, help="clips for each seed")
    parser.add_argument("--num-frames", type=int, default=34, help="mean length; SMIC's is 34")
    parser.add_argument("--json", metavar="FILE", help="write the figures there as well")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0 for one per core")
    arguments = parser.parse_args(argv)
    console.quiet_tensorflow()
    return console.guarded(compare, arguments)


def compare(arguments):
    """Measures and prints the table."""
    groups = prepared_errors(arguments.prepared) if arguments.prepared else errors(arguments)
    rows = {(name, rule): summary(groups[name], rule) for name in groups for rule in RULES}
    if len(groups) > 1:
        together = [clip for clips in groups.values() for clip in clips]
        rows |= {("all", rule): summary(together, rule) for rule in RULES}
    heads = ("clips", "mean", "median", "p90", "of the clip")
    print(f"{'':<24}" + "".join(f"{head:>12}" for head in heads))
    for (name, rule), row in rows.items():
        values = "".join(f"{row[head]:>12.3g}" for head in heads)
        print(f"{name + ' ' + rule:<24}{values}")
    if arguments.json:
        report = {f"{name} {rule}": row for (name, rule), row in rows.items()}
        pathlib.Path(arguments.json).write_text(json.dumps(report, indent=1) + "\n")


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


def errors(arguments):
    """Per seed, the signed errors of both rules on each synthetic clip, and its length."""
    from pipelines import parallel
    from pipelines.schema import CLASSES
    from pipelines.synthetic import plan

    groups = {}
    for seed in arguments.seeds:
        config = plan.SynthesisConfig(
            seed=seed + 1000, num_frames=arguments.num_frames, frame_size=(320, 240)
        )
        specs = [
            plan.draw_spec(config, 1 + number // 6, number % 6, CLASSES[number % len(CLASSES)])
            for number in range(arguments.clips)
        ]
        groups[f"seed {seed}"] = list(parallel.run(synthetic_error, specs, None, arguments.jobs))
    return groups


def synthetic_error(spec, _=None):
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
    from pipelines import schema
    from pipelines.faces import apex
    from pipelines.prepared.arrays import open_prepared

    prepared = open_prepared(folder)
    manifest = json.loads(pathlib.Path(folder, "manifest.json").read_text())
    if prepared.kind != "frames" or manifest["parameters"]["apex"] != "annotated":
        raise schema.DataError(f"{folder} holds no annotated apex: prepare with --apex annotated")
    groups = collections.defaultdict(list)
    for row, entry in enumerate(manifest["clips"]):
        if entry["apex"] is None:
            continue
        frames = prepared.frames[prepared.first[row] :][: entry["num_frames"], ..., None]
        onset, offset, numbers = entry["onset"], entry["offset"], entry["numbers"]
        spotted = apex.spot(frames, prepared.regions[row], onset, offset)
        true = numbers[entry["apex"]]
        groups[entry["dataset"]].append(
            {
                "spotted": numbers[spotted] - true,
                "middle": apex.middle(numbers[onset], numbers[offset]) - true,
                "length": numbers[offset] - numbers[onset] + 1,
            }
        )
    if not groups:
        raise schema.DataError(f"no clip of {folder} has an apex label: nothing to compare with")
    return dict(groups)


if __name__ == "__main__":
    sys.exit(main())
