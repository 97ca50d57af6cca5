"""A small copy of a database of flow images, the quickest that a whole run can be made on."""

import json

import cv2
import numpy as np
import pandas as pd

FLAGS = ["--epochs", "2", "--warmup-epochs", "1", "--batch-size", "4", "--filters", "8", "8"]
FLAGS += ["--hidden-dim", "16", "--num-heads", "2"]


def write_flow(folder, subjects=("s01", "s02", "s03"), per_class=1):
    """Writes a smic-flow folder whose classes are plain to see: a bright band at a third of it."""
    folder.mkdir()
    rows = []
    for subject in subjects:
        for index in range(3 * per_class):
            label = index % 3
            rng = np.random.default_rng(len(rows))
            image = rng.integers(110, 146, (28, 28, 3)).astype(np.uint8)
            image[9 * label : 9 * label + 9, :, 1] = 255
            clip = f"{subject}_{('ne', 'po', 'sur')[label]}_{index + 1:02d}"
            cv2.imwrite(str(folder / f"{clip}.png"), image)
            rows.append((f"{clip}.png", subject, clip, label))
    table = pd.DataFrame(rows, columns=["file", "subject", "clip", "label"])
    table.to_csv(folder / "labels.csv", index=False)
    return folder


def records(out):
    """The records in a run's folder, by name, without their times."""
    found = {path.name: json.loads(path.read_text()) for path in out.rglob("folds/**/*.json")}
    for record in found.values():
        assert 0 < record.pop("seconds_setup") < record.pop("seconds")
    return found
