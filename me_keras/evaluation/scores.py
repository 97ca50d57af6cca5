"""From a table of predictions to the record of a run."""

import numpy as np

from me_keras import metrics

NUM_BOOTSTRAP = 2000


def score(predictions, classes, bootstrap_seed=0):
    """Scores the pooled predictions of all seeds.

    Args:
        predictions: DataFrame with a row per seed and clip: `seed`, `key`, `subject_key`,
            `dataset`, `label` and `prediction` (class ids), one `p_<class>` column per class
            and, with a displacement generator, `error` and `error_unwarped`.
        classes: names of the classes.
    Returns:
        dict: `uf1`, `uar`, `accuracy` (each `mean`, `sd`, `per_seed`, `ci95`), `per_class_f1`,
        `per_database`, `ensemble` (mean of the seeds' probabilities), `dgm_gain`,
        `dgm_gain_per_seed` and `confusion` (summed over seeds). `ci95` is a bootstrap interval
        over subjects of the mean over seeds; `sd` is over seeds.
    """
    matrices = subject_matrices(predictions, len(classes))  # (seeds, subjects, k, k)
    pooled = matrices.sum(axis=1)  # (seeds, k, k)
    draws = _bootstrap(matrices, bootstrap_seed)  # (draws, seeds, k, k)
    record: dict = {}
    for name, function in metrics.SCORES.items():
        interval = np.percentile(function(draws).mean(axis=1), [2.5, 97.5])
        record[name] = {**summary(function(pooled)), "ci95": [float(v) for v in interval]}
    per_class = metrics.per_class_f1(pooled).mean(axis=0)
    record["per_class_f1"] = dict(zip(classes, map(float, per_class)))
    record["per_database"] = {
        name: _database(rows, len(classes)) for name, rows in predictions.groupby("dataset")
    }
    record["ensemble"] = _ensemble(predictions, classes)
    gains = _gains(predictions)
    record["dgm_gain"] = None if gains is None else float(np.mean(gains))
    record["dgm_gain_per_seed"] = gains
    record["confusion"] = pooled.sum(axis=0).tolist()
    return record


def subject_matrices(predictions, num_classes):
    """`(seeds, subjects, k, k)` confusion matrices of a prediction table."""
    return np.stack(
        [
            np.stack(
                [
                    metrics.confusion(rows["label"], rows["prediction"], num_classes)
                    for _, rows in of_seed.groupby("subject_key")
                ]
            )
            for _, of_seed in predictions.groupby("seed")
        ]
    )


def summary(values):
    """Mean, standard deviation (n - 1; 0 for one seed) and the values themselves."""
    values = [float(v) for v in values]
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"mean": float(np.mean(values)), "sd": spread, "per_seed": values}


def _bootstrap(matrices, seed):
    """Pools of subjects drawn with replacement, the same draw for every seed."""
    num_subjects = matrices.shape[1]
    drawn = np.random.default_rng(seed).multinomial(
        num_subjects, np.full(num_subjects, 1 / num_subjects), size=NUM_BOOTSTRAP
    )  # (draws, subjects) times each subject is in
    return np.einsum("ds,eskl->dekl", drawn, matrices)


def _database(rows, num_classes):
    matrices = subject_matrices(rows, num_classes).sum(axis=1)  # (seeds, k, k)
    scores = {name: summary(function(matrices)) for name, function in metrics.SCORES.items()}
    return {**scores, "clips": int(rows["key"].nunique())}


def _ensemble(predictions, classes):
    columns = [f"p_{name}" for name in classes]
    mean = predictions.groupby("key")[[*columns, "label"]].mean()
    votes = mean[columns].to_numpy().argmax(axis=1)
    matrix = metrics.confusion(mean["label"].to_numpy().astype(int), votes, len(classes))
    return {name: float(function(matrix)) for name, function in metrics.SCORES.items()}


def _gains(predictions):
    """Reconstruction gain of each seed: 1 - error(warped) / error(unwarped), over all clips."""
    if "error" not in predictions or predictions["error"].isna().all():
        return None
    sums = predictions.groupby("seed")[["error", "error_unwarped"]].sum()
    return [float(g) for g in 1.0 - sums["error"] / sums["error_unwarped"]]


REPORTED = "tuned on the reported subjects"


def tuning_stamp(tuned_on, reported):
    """Says of a result whether its options were tuned on the subjects that it reports.

    Args:
        tuned_on: subject keys that the options were tuned on; none if they were not tuned.
        reported: subject keys whose predictions are scored.
    Returns:
        None for options that were not tuned, else a dict: `subjects` (tuned on), `reported` (those
        of them that are scored) and `note`, a line for people.
    """
    if not tuned_on:
        return None
    reported = set(map(str, reported))
    overlap = sorted(reported & set(tuned_on))
    if not overlap:
        note = "tuned on other subjects than those reported"
    elif len(overlap) == len(reported):
        note = REPORTED
    else:
        note = f"{REPORTED}: {len(overlap)} of {len(reported)}"
    return {"subjects": sorted(tuned_on), "reported": overlap, "note": note}
