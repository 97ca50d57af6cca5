"""SMIC-HS as precomputed optical flow: one small image of motion per clip, and a table of labels.

The images are those published with STSTNet (Liong et al., 2019, arXiv:1902.03634): onset-to-apex
flow of the cropped face. As OpenCV reads them, blue is optical strain, green is v (down) and red is
u (right), each min-max scaled to 0..255 per image: the amplitude and the zero level are lost.
"""

from __future__ import annotations

import pathlib

import numpy as np

from pipelines import schema
from pipelines.databases import tree as trees

PRECOMPUTED = True
HELP = """\
smic-flow is a folder of square PNG images of optical flow (as OpenCV reads them: blue strain,
green v, red u; 28x28 as published with STSTNet) and labels.csv with the columns file, subject,
clip, label (0 negative, 1 positive, 2 surprise)."""
COLUMNS = ("file", "subject", "clip", "label")

# Where the nine regions lie on these images, as fractions (y1, x1, y2, x2). The faces were cropped
# tightly by others and no landmarks are left: read off the mean absolute flow of the 164 clips,
# where the eyes stand out at rows 0.25, columns 0.2 and 0.8, the mouth at row 0.72.
REGION_BOXES = (
    (0.03, 0.02, 0.27, 0.42),  # brow_right: the subject's right is the image's left
    (0.03, 0.58, 0.27, 0.98),  # brow_left
    (0.03, 0.34, 0.33, 0.66),  # glabella
    (0.15, 0.02, 0.41, 0.42),  # eye_right
    (0.15, 0.58, 0.41, 0.98),  # eye_left
    (0.30, 0.28, 0.68, 0.72),  # nose
    (0.48, 0.08, 0.88, 0.48),  # mouth_right: corner and cheek
    (0.48, 0.52, 0.88, 0.92),  # mouth_left
    (0.64, 0.22, 1.00, 0.78),  # chin: mouth and chin
)


def read(root, skipped: list | None = None) -> list[schema.Clip]:
    """Reads labels.csv under `root` into clips whose one "frame" is the image of their motion.

    Args:
        root: the folder that holds labels.csv, or a parent of it (two levels at most).
        skipped: receives a `Skipped` record per row that cannot be used; None raises at the first.
    Returns:
        Clips in the order of the table; dataset "smic", since that is where the people come from.
    Raises:
        DataError: no table under `root`, a column missing, or no usable row.
    """
    import pandas as pd

    table = _find_table(root)
    try:
        rows = pd.read_csv(table, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise schema.DataError(f"{table}: cannot be read as CSV ({error})") from error
    rows.columns = rows.columns.str.strip().str.lower()
    missing = [name for name in COLUMNS if name not in rows]
    if missing:
        raise schema.DataError(f"{table}: no column {missing[0]!r}; expected {', '.join(COLUMNS)}")
    clips: dict[str, schema.Clip] = {}
    for number, row in enumerate(rows.to_dict("records"), start=2):  # line 1 is the header
        clip, reason = _clip(table.parent, row)
        if clip is not None and clip.key in clips:
            clip, reason = None, f"line {number}: a second row for {row['clip']}"
        if clip is not None:
            clips[clip.key] = clip
        elif skipped is None:
            raise schema.DataError(f"{table}: {reason}")
        else:
            key = f"smic/{row['subject']}/{row['clip']}"
            skipped.append(schema.Skipped(key, str(table.parent / row["file"]), reason))
    if not clips and not skipped:
        raise schema.DataError(f"{table}: the table is empty. {_one_line(HELP)}")
    return list(clips.values())


def read_motion(path) -> np.ndarray:
    """Reads one image of motion: (h, w, 3) float32, channels u, v, strain.

    The images keep neither amplitude nor zero, and one extreme pixel squeezes all others. The
    median of each channel, a fair zero since most of a face is still, is removed, and the channel
    is scaled to a standard deviation of 1 (a blank channel stays 0): our choice. Raises DataError
    for an unreadable file.
    """
    from pipelines.faces import frames

    motion = frames.read_frame(path).astype(np.float32)  # RGB is u, v, strain
    spread = np.maximum(motion.std(axis=(0, 1)), 1e-6)
    return (motion - np.median(motion, axis=(0, 1))) / spread


def _find_table(root) -> pathlib.Path:
    root = pathlib.Path(root).expanduser()
    if not root.is_dir():
        raise schema.DataError(f"no such folder: {root}. {_one_line(HELP)}")
    for pattern in ("labels.csv", "*/labels.csv", "*/*/labels.csv"):
        found = sorted(root.glob(pattern))
        if len(found) > 1:
            others = ", ".join(str(path.parent) for path in found)
            raise schema.DataError(f"several labels.csv under {root}: give one of {others}")
        if found:
            return found[0]
    raise schema.DataError(f"no labels.csv under {root}{trees.packed(root)}. {_one_line(HELP)}")


def _clip(folder: pathlib.Path, row: dict) -> tuple[schema.Clip | None, str]:
    """The clip of one row, or None and the reason why it cannot be used."""
    row = {name: row[name].strip() for name in COLUMNS}
    path = folder / row["file"]
    labels = [str(index) for index in range(len(schema.CLASSES))]
    if row["label"] not in labels:
        return (
            None,
            f"unknown class {row['label']!r} of {row['file']}: expected {', '.join(labels)}",
        )
    if folder.resolve() not in path.resolve().parents:
        return None, f"file {row['file']!r} lies outside {folder}"
    if not path.is_file():
        return None, f"no image {row['file']!r} beside the table"
    label = int(row["label"])
    clip = schema.Clip(
        dataset="smic",
        subject=row["subject"],
        clip=row["clip"],
        frames=(str(path),),
        numbers=(0,),
        onset=0,
        apex=0,
        offset=0,
        label=label,
        emotion=schema.CLASSES[label],
    )
    return clip, ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
