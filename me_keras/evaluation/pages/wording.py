"""What a page says in words: how a run was made, what is missing, and what its score is not."""

from __future__ import annotations

from me_keras.models import FLOWS, MODELS
from pipelines import protocols
from pipelines.schema import DataError

MOTIONS = {
    "dgm": "the learned displacement generator, from onset to apex",
    "frames": "none computed: the model looks at both frames",
    "precomputed": "the flow images of the database",
    "difference": "the difference of apex and onset",
    "dynamic_image": "a dynamic image of all frames",
    "ranked_image": "a rank-pooled image of all frames",
    "intensity_image": "an image of the moving intensities",
    "dynamic_images": "dynamic images of all frames",
}


def motion(options) -> str:
    """Where the motion comes from."""
    name = options.model.motion
    if name in FLOWS:
        return f"optical flow from onset to apex ({name})"
    return MOTIONS.get(name, str(name))


def protocol(run) -> dict:
    """`name`, `title` ("" if unknown) and `held_out`, a sentence, of a run's protocol."""
    name = run.options.data.protocol or run.results.get("protocol") or "not recorded"
    try:
        found = protocols.choose(run.options.dataset, run.options.data.protocol)
    except DataError:  # of another version
        return {"name": name, "title": "", "held_out": ""}
    count, folds = run.options.run.num_folds, run.predictions["group"].nunique()
    held_out = {
        protocols.LOSO: "Each subject is held out in turn (leave-one-subject-out).",
        protocols.HOLDOUT: "Each database is held out in turn.",
        protocols.SPLITS: "Trained and tested on the database's own parts.",
    }[found.evaluation]
    if count:
        held_out = f"The subjects are held out in {folds} groups."
    return {"name": found.name, "title": found.title, "held_out": held_out}


def notes(run) -> list[str]:
    """What a reader must know before the numbers, a line each."""
    found, options, results = [], run.options, run.results
    if len(run.seeds) == 1 and MODELS[options.model.name].classical:
        found.append("One seed: nothing is drawn in fitting this model, every seed gives the same.")
    elif len(run.seeds) == 1:
        found.append("One seed: how far results spread from training to training is unknown.")
    tuned = results.get("tuned_on")
    if tuned:
        found.append(f"Options were {tuned['note']}.")
    if results.get("tuning"):
        found.append(f"Search of options: {results['tuning'].get('note', 'not recorded')}.")
    if options.run.num_folds:
        found.append(
            "Several subjects are held out at a time, so each fold trains on fewer than "
            "leave-one-subject-out does: not to be compared with such results."
        )
    if options.run.subjects:
        found.append("Only some subjects were held out: " + ", ".join(options.run.subjects) + ".")
    absent = set(range(len(run.classes))) - set(run.predictions["label"])
    if absent:
        names = ", ".join(run.classes[label] for label in sorted(absent))
        found.append(f"No clip of {names} was tested: it counts as 0 in UF1 and UAR.")
    lacking = [name for name in ("per_class_f1", "per_database", "ensemble") if name not in results]
    if lacking or any("ci95" not in results[name] for name in ("uf1", "uar", "accuracy")):
        found.append("Made by an older version, which recorded less: what is missing is a dash.")
    return found


def no_curves(run) -> str:
    """Why there are no learning curves."""
    if MODELS[run.options.model.name].classical:
        return (
            f"{run.options.model.name} is fitted by scikit-learn in one step: it has no epochs, so "
            "there are no learning curves."
        )
    return "The records of the folds are no longer in the run's folder: no curves can be drawn."


def no_displacement(run) -> str:
    """Why there are no pictures of displacements."""
    if run.options.model.motion not in ("dgm", "precomputed", *FLOWS):
        return "This motion is no displacement: there is nothing to draw."
    if MODELS[run.options.model.name].classical:
        return "For models fitted by scikit-learn no displacement is kept."
    return "The run kept no displacement of its clips: it was made by an older version."


def no_attention(run) -> str:
    """Why there is no table of attention."""
    name = run.options.model.name
    if MODELS[name].classical:
        return f"{name} is fitted by scikit-learn: it has no attention."
    if name != "frl_dgt":
        return f"{name} has no attention over action-unit regions; frl_dgt does."
    if not run.options.model.global_fusion:
        return "The Transformer across the regions was switched off (--no-global-fusion)."
    return "The run kept no attention of its clips: it was made by an older version."


def probabilities(run) -> str:
    """What is to be known of how the probabilities came about; "" if nothing."""
    if MODELS[run.options.model.name].classical:
        return (
            "This model has no probabilities of its own: its decision scores went through softmax."
        )
    smoothing = run.options.training.label_smoothing
    if smoothing:
        return f"Labels were smoothed by {smoothing:g} in training, which keeps confidence below 1."
    return ""


def meaning(run) -> list[str]:
    """What the score does not say, a line each."""
    found = []
    if run.options.dataset == "synthetic":
        found.append(
            "Not of human faces: the data are rendered cartoons. It shows that the machinery works."
        )
    else:
        found.append(
            "Not of everyday life: clips come from a laboratory, with induced emotions, one camera "
            "and even light, cut out beforehand. Expect less anywhere else."
        )
        found.append("Not of finding expressions in a film: onset and apex were given.")
    found += [
        "Not of a feeling: labels say what coders saw or a film was meant to induce.",
        "Not comparable with scores of other protocols, classes, clips or ways of pooling folds.",
    ]
    if run.results.get("tuned_on") and run.results["tuned_on"].get("reported"):
        found.append("Not of options chosen beforehand: they were tuned on people reported here.")
    else:
        found.append(
            "Not free of choices: whoever tried other options on these people before, and kept the "
            "best, reports too much. The page cannot know."
        )
    if len(run.seeds) > 1:
        found.append("The interval is over subjects, the sd over seeds: neither holds the other.")
    return found
