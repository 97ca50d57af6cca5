"""Whether what is said of a model's reasons is true, on rendered people, whose motion is known.

Two questions, each clip answered by a model that was trained on other people. Does the read-out of
a displacement name an action unit that the person's emotion moved among its first two guesses?
Does occlusion, or attention, point at a region that moved? Of clips whose class was right; a region
moved if its mean true motion is at least half of the most moved region's. Beside both stands
chance: two units drawn at random, a region drawn at random.
"""

import dataclasses
import math
import pathlib
import sys
import tempfile

import numpy as np

from benchmarks import people, report
from benchmarks.measure import Output
from pipelines import cli
from pipelines.cli import option
from pipelines.schema import MIRRORED_REGIONS, REGIONS

GUESSES = 2
MOVED = 0.5  # of the most moved region's mean true motion
OWN = 0.5  # weight below which a unit is a nuisance, not of the emotion
BOOTSTRAPS = 2000


@dataclasses.dataclass(frozen=True)
class InterpretationOptions(people.People):
    """Who is rendered, and how the models are trained."""

    output: Output = Output()
    num_subjects: int = option(18, "rendered people", least=4)
    render_seed: int = option(31, "of the rendered people: none of the demo, none tuned on")
    parts: int = option(
        2, "parts of the people: each is looked at by a model of the others", least=2
    )
    epochs: int = option(30, "epochs of each training", least=1)
    seed: int = option(0, "first seed of the training")
    num_seeds: int = option(1, "trainings: seed, seed + 1, …", least=1)


def compare(options):
    """Renders, trains, reads and occludes."""
    quick = options.output.quick
    few = {"num_subjects": 4, "clips_per_class": 1, "num_frames": 6} if quick else {}
    changes = {"seed": options.render_seed, "frame_size": (320, 240), **few}
    config = options.config(False, **changes)
    with tempfile.TemporaryDirectory() as folder:
        clips, training = _answers(options, config, pathlib.Path(folder), quick)
    rows = {}
    for name, field in (("DGM's displacement", "displacement"), ("true displacement", "truth")):
        for guesses in (1, GUESSES):
            hits = [_named(clip, field, guesses) for clip in clips]
            chance = [_chance_of_a_unit(clip, guesses) for clip in clips]
            title = f"own action unit among the first {guesses}" if guesses > 1 else "… the first"
            rows[f"{title}; {name}"] = row(hits, chance, clips)
    right = [clip for clip in clips if clip["right"]]
    for name in ("occlusion", "attention"):
        hits = [bool(clip["moved"][np.argmax(clip[name])]) for clip in right]
        rows[f"a region that moved; {name}"] = row(hits, [c["moved"].mean() for c in right], right)
    most = [int(np.argmax(clip["length"])) == int(np.argmax(clip["occlusion"])) for clip in right]
    rows["the most moved region; occlusion"] = row(most, [1 / len(REGIONS)] * len(most), right)
    notes = {
        "people": people.rendered(config),
        "training": training,
        "class right": f"{len(right)} of {len(clips)} clips and seeds",
        "interval": f"95 %, bootstrap over people, {BOOTSTRAPS} draws",
        "own": "a unit of the emotion, not the weak or the blended one on top",
        "moved": f"mean true motion at least {MOVED:g} of the most moved region's",
    }
    return report.Result(rows=rows, notes=notes)


def row(hits, chance, clips):
    """Share of hits, as text with its interval over people, beside chance."""
    if not hits:
        return {"share": math.nan, "95 %": "", "clips": "0", "chance": math.nan}
    low, high = over_people(hits, [clip["subject"] for clip in clips])
    return {
        "share": float(np.mean(hits)),
        "95 %": f"[{low:.3f}, {high:.3f}]",
        "clips": f"{sum(hits)} of {len(hits)}",
        "chance": float(np.mean(chance)),
    }


def over_people(hits, subjects, seed=0):
    """The 95 % bootstrap interval of a share: whole people are drawn, with all their clips."""
    names, which = np.unique(subjects, return_inverse=True)
    counts = np.bincount(which)
    found = np.bincount(which, np.asarray(hits, float))
    drawn = np.random.default_rng(seed).integers(len(names), size=(BOOTSTRAPS, len(names)))
    shares = found[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    return tuple(np.percentile(shares, (2.5, 97.5)))


def _named(clip, field, guesses):
    from me_keras.interpretation import motion_units

    units = motion_units.read(clip[field], clip["boxes"]).units[:guesses]
    return bool(clip["own"] & {unit.number for unit in units})


def _chance_of_a_unit(clip, guesses):
    """That of some units drawn at random, without replacement, one is an own one."""
    from me_keras.interpretation.motion_units import UNITS

    others = len(UNITS) - len(clip["own"])
    return 1 - math.comb(others, guesses) / math.comb(len(UNITS), guesses)


def _answers(options, config, folder, quick):
    """A dict of each clip and seed, by models of other people; and the training in words."""
    import me_keras
    from me_keras.evaluation import data, folds
    from me_keras.options import resolve
    from pipelines.synthetic.write import generate

    generate(folder / "rendered", config)
    tiny = {**people.QUICK, "image_size": 64} if quick else {"epochs": options.epochs}
    chosen = cli.replace(
        me_keras.Options(),
        dataset="synthetic",
        data_root=(str(folder / "rendered"),),
        prepared=str(folder / "prepared"),
        seed=options.seed,
        num_seeds=options.num_seeds,
        **tiny,
    )
    chosen = data.resolved(resolve(chosen, "frames"), "frames")
    prepared, manifest = data.load_data(chosen)
    known = _known(config, folder, prepared)
    groups = folds.share_out(list(prepared.subject_keys), options.parts)
    trainer = data.make_trainer(chosen, prepared)
    datasets = data.Datasets(prepared, chosen.data)
    clips = []
    for seed in range(options.seed, options.seed + options.num_seeds):
        for fold in folds.leave_one_subject_out(list(groups)):
            trainer.reset(seed)
            trainer.warm_up(datasets.pairs(fold.train, seed))
            trainer.fit(datasets.train(fold.train, seed))
            clips += list(_look(trainer, datasets.test(fold.test), known))
    training = chosen.training
    words = (
        f"{options.parts} parts of the people, seeds {options.seed} to {seed}, "
        f"{training.warmup_epochs} + {training.epochs} epochs, {len(prepared)} clips"
    )
    return clips, words


def _known(config, folder, prepared):
    """What is true of each row: dict of its own units, its displacement, its boxes and class."""
    from pipelines.synthetic import plan
    from pipelines.synthetic.write import read_truth

    _, specs = read_truth(folder / "rendered")
    # Drawn again without a blend: the units that come first are the same.
    plain = plan.plan(dataclasses.replace(config, blend=0.0))
    own = {
        f"{job.row.subject}/{job.row.clip}": {u.number for u in job.spec.units if u.weight >= OWN}
        for job in plain
    }
    known = []
    for row, key in enumerate(prepared.keys):
        name = key.partition("/")[2]
        subject = str(prepared.subject_keys[row])
        known.append({"own": own[name], "subject": subject, "label": int(prepared.labels[row])})
        known[-1]["truth"] = _true_displacement(specs[name], prepared, row)
    return known


def _true_displacement(spec, prepared, row):
    """(S, S, 2) px of the aligned face, from the onset to the frame that is compared with it."""
    from pipelines.faces import align, landmarks
    from pipelines.synthetic import clip

    (onset,) = clip.render(spec, [int(prepared.onset[row])])
    size = prepared.image_size
    matrix = align.face_matrix(landmarks.detect(onset), size, 0)
    return clip.aligned_displacement(spec, matrix, size, int(prepared.apex[row]))


def _look(trainer, dataset, known):
    """Yields a dict for each clip of a test dataset: what is true of it, and what is said of it."""
    from me_keras.interpretation import motion_units, occlusion
    from me_keras.models.frl_dgt import with_attention

    model = with_attention(trainer.model)
    ask = mirrored(occlusion.probabilities_of(trainer.model))
    for inputs, place in dataset:
        kept = place["row"].numpy() >= 0
        inputs = {name: values.numpy()[kept] for name, values in inputs.items()}
        outputs = model.predict(inputs, verbose=0)
        shares, falls = ask(inputs), occlusion.occlusion(ask, inputs)
        for i, row in enumerate(place["row"].numpy()[kept]):
            boxes, facts = inputs["regions"][i], known[row]
            length = np.array(
                [each.length for each in motion_units.region_motions(facts["truth"], boxes)]
            )
            yield {
                **facts,
                "boxes": boxes,
                "displacement": outputs["displacement"][i],
                "right": shares[i].argmax() == facts["label"],
                "length": length,
                "moved": length >= MOVED * length.max(),
                "occlusion": falls[i],
                "attention": outputs["attention"][i],
            }


def mirrored(ask):
    """`ask` whose probabilities are averaged with the mirrored face's, as predictions are."""

    def both(inputs):
        turned = {name: values[:, :, ::-1] for name, values in inputs.items() if name != "regions"}
        y1, x1, y2, x2 = np.moveaxis(inputs["regions"][:, MIRRORED_REGIONS], -1, 0)
        turned["regions"] = np.stack([y1, 1 - x2, y2, 1 - x1], axis=-1)
        return 0.5 * (ask(inputs) + ask(turned))

    return both


main = report.command(compare, InterpretationOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
