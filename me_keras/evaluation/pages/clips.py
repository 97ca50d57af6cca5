"""Which people and which clips a run gets right: tables from its predictions."""

from __future__ import annotations

import numpy as np

from me_keras.evaluation.pages import calibration


def per_subject(predictions):
    """How many clips of each subject are recognised.

    Args:
        predictions: DataFrame with a row per seed and clip, as predictions.csv.
    Returns:
        DataFrame: `dataset`, `subject` (without its database), `clips`, `correct` (mean over
        seeds), `share` of the clips; by database, then the best first.
    """
    table = predictions.assign(correct=predictions["prediction"] == predictions["label"])
    grouped = table.groupby(["dataset", "subject_key"], sort=True)
    found = grouped.agg(clips=("key", "nunique"), share=("correct", "mean")).reset_index()
    found["correct"] = found["share"] * found["clips"]
    found["subject"] = [
        key.removeprefix(f"{dataset}/")
        for key, dataset in zip(found["subject_key"], found["dataset"])
    ]
    order = ["dataset", "share", "clips", "subject"]
    found = found.sort_values(order, ascending=[True, False, False, True], kind="stable")
    return found[["dataset", "subject", "clips", "correct", "share"]].reset_index(drop=True)


def class_counts(predictions, classes):
    """DataFrame of the number of clips: a row per database, a column per class; each clip once."""
    import pandas as pd

    clips = predictions.drop_duplicates("key")
    counts = pd.crosstab(clips["dataset"], clips["label"])
    counts = counts.reindex(columns=range(len(classes)), fill_value=0)
    counts.columns = list(classes)
    return counts


def hardest(predictions, classes, count):
    """The clips with the highest loss: -log of the true class's probability, mean over seeds.

    Args:
        predictions: DataFrame as predictions.csv. classes: names of the labels. count: of clips.
    Returns:
        DataFrame, the hardest first: `key`, `dataset`, `loss` (nats), `label` and `prediction`
        (ids; the class of the highest mean probability), `p_<class>` (mean over seeds) and
        `wrong`, the share of seeds that miss it. Equal losses are in the order of their keys.
    """
    columns = [f"p_{name}" for name in classes]
    table = predictions.assign(
        loss=calibration.losses(predictions[columns].to_numpy(float), predictions["label"]),
        wrong=predictions["prediction"] != predictions["label"],
    )
    grouped = table.groupby("key", sort=True)
    found = grouped[["loss", "wrong", *columns]].mean()
    found[["dataset", "label"]] = grouped[["dataset", "label"]].first()
    found["prediction"] = found[columns].to_numpy().argmax(axis=1)
    found = found.reset_index().sort_values("loss", ascending=False, kind="stable")
    return found.head(count).reset_index(drop=True)


def confusion_by_database(predictions, num_classes) -> dict:
    """dict of database -> (k, k) confusion matrix, summed over seeds."""
    from me_keras import metrics

    return {
        name: metrics.confusion(rows["label"], rows["prediction"], num_classes)
        for name, rows in predictions.groupby("dataset")
    }


def mean_attention(predictions, seen, num_classes):
    """What the regions receive, mean over the clips of each true class and over seeds.

    Args:
        predictions: as `RunFolder.predictions`, with `row`. seen: as `RunFolder.seen`.
    Returns:
        tuple of (regions, k) shares over all clips and over those recognised, NaN for a class
        without one; None where no attention was kept.
    """
    parts = []
    for (seed, group), arrays in seen.items():
        if "attention" in arrays:
            of_fold = predictions[(predictions["seed"] == seed) & (predictions["group"] == group)]
            place = {int(row): i for i, row in enumerate(arrays["row"])}
            known = of_fold[of_fold["row"].isin(place)]
            index = [place[row] for row in known["row"]]
            right = (known["prediction"] == known["label"]).to_numpy()
            parts.append((arrays["attention"][index], known["label"].to_numpy(), right))
    if not parts:
        return None
    attention, labels, right = (np.concatenate(part) for part in zip(*parts))
    return tuple(
        np.stack([_mean(attention[use & (labels == k)]) for k in range(num_classes)], axis=1)
        for use in (np.ones_like(right), right)
    )


def _mean(rows):
    """(r,) mean of (n, r), NaN where n is 0."""
    return rows.mean(axis=0) if len(rows) else np.full(rows.shape[1], np.nan)


def displacement_of(key, predictions, seen):
    """The displacement (h, w, 2) of a clip in the first seed that kept it; None where none did."""
    for line in predictions[predictions["key"] == key].sort_values("seed").itertuples():
        arrays = seen.get((int(line.seed), line.group), {})
        if "displacement" in arrays:
            place = np.flatnonzero(arrays["row"] == line.row)
            if len(place):
                return arrays["displacement"][place[0]].astype(np.float32)
    return None
