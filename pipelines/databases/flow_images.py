"""Databases published as images of optical flow: one small picture of motion per clip.

Reads either of two forms (STSTNet, Liong et al., 2019, arXiv:1902.03634; HTNet, Wang et al., 2023):
    a list     CSV with the columns subject (or sub), clip (filename_o), label and file (imagename),
               of several databases also dataset; images beside it or below
    a tree     <subject>/u_test/<class>/<subject>_<clip>.png, as STSTNet's code lays them out: only
               u_test is read, for u_train repeats every clip for every other subject
The images hold the flow from onset to apex of the cropped face. As OpenCV reads them, blue is
optical strain, green v (down) and red u (right), each min-max scaled to 0..255 per image: the
amplitude and the zero level are lost.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re

import numpy as np

from pipelines import progress, schema
from pipelines.databases import casme2, samm, smic
from pipelines.databases import sheet as sheets
from pipelines.databases import tree as trees
from pipelines.databases.database import Database
from pipelines.faces import frames

COLUMNS = {
    "subject": ("subject", "sub"),
    "clip": ("clip", "filenameo", "filename"),
    "label": ("label", "class"),
    "file": ("file", "imagename", "image"),
    "dataset": ("dataset", "database"),
}

# Where the nine regions lie on these images, as fractions (y1, x1, y2, x2). The faces were cropped
# tightly by others and no landmarks are left: read off the mean absolute flow of the 164 clips of
# SMIC-HS, where the eyes stand out at rows 0.25, columns 0.2 and 0.8, the mouth at row 0.72.
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


@dataclasses.dataclass(frozen=True)
class FlowImages(Database):
    """A database of flow images."""

    name: str
    help: str
    parts: tuple[str, ...]  # the databases whose clips it may hold
    listed_in: str = ""  # name of the list; "" for any CSV, or a tree

    precomputed = True
    region_boxes = REGION_BOXES

    def find_clips(self, root, skipped):
        """See `Database`: clips whose one frame is the image of motion, sorted by key."""
        root = self.folder(root)
        images, tables = _survey(root)
        clips: dict[str, schema.Clip] = {}
        for place, cells, paths in self._tree_rows(images) or self._list_rows(root, tables, images):
            dataset, subject, name = self._names(cells["subject"], cells["clip"], cells["dataset"])
            key = f"{dataset or '?'}/{subject}/{name or cells['clip']}"
            try:
                if key in clips:
                    first = clips[key].frames[0]
                    raise schema.DataError(f"a second row or image of the clip in {first}")
                path = self._image(dataset, name, cells, paths)
                label = int(cells["label"])
                clips[key] = schema.Clip(
                    dataset, subject, name, frames=(path,), numbers=(0,), onset=0, apex=0, offset=0,
                    label=label, emotion=schema.CLASSES[label],
                )  # fmt: skip
            except schema.DataError as error:
                skipped.append(schema.Skipped(key, place, str(error)))
        return [clips[key] for key in sorted(clips)]

    def read_motion(self, path) -> np.ndarray:
        """Reads one image of motion: (h, w, 3) float32, channels u, v, strain.

        The images keep neither amplitude nor zero, and one extreme pixel squeezes all others. The
        median of each channel, a fair zero since most of a face is still, is removed, and the
        channel is scaled to a standard deviation of 1 (a blank channel stays 0): our choice.
        Raises DataError for an unreadable file.
        """
        motion = frames.read_frame(path).astype(np.float32)  # RGB is u, v, strain
        spread = np.maximum(motion.std(axis=(0, 1)), 1e-6)
        return (motion - np.median(motion, axis=(0, 1))) / spread

    def _tree_rows(self, images):
        """The clips of STSTNet's tree, as (place, cells, paths of images); [] if this is none."""
        found, others = [], []
        for path in [] if self.listed_in else images:
            subject, part, label = path.parts[-4:-1] if len(path.parts) > 3 else ("", "", "")
            if part.lower() != "u_test":
                continue
            clip = re.sub(rf"^{re.escape(subject)}_", "", path.stem.strip())
            if self._names(subject, clip)[2]:
                cells = {"dataset": "", "subject": subject, "clip": clip, "label": label}
                found.append((str(path), cells, [path]))
            else:  # published folders hold flow of other spans and directions, as "…_1.png"
                others.append(path)
        if found and others:
            said = f"{len(others)} images are left out, for their names are no clip's"
            progress.say(f"{said}: {others[0]}" + " and others" * (len(others) > 1))
        return found

    def _list_rows(self, root, tables, images):
        """The rows of a list, as `_tree_rows`."""
        by_name, by_key = self._indices(images)
        rows = []
        for line in self._list(root, tables):
            cells = {field: line[field] for field in COLUMNS}
            # The list may say .jpg where the images are .png.
            found = by_name.get(pathlib.PurePath(cells["file"]).stem.strip().lower(), [])
            if not found and not self.listed_in:  # HTNet's names pictures of faces
                key = self._names(cells["subject"], cells["clip"], cells["dataset"])
                found = by_key.get(key, [])
            rows.append((line.place, cells, found))
        return rows

    def _list(self, root, tables) -> list[sheets.Line]:
        """The rows of the list nearest to the root. Raises DataError if there is none, or two."""
        lists, wrong = [], ""
        for table in tables:
            if self.listed_in and table.name.lower() != self.listed_in:
                continue
            try:
                lines = sheets.read(table, COLUMNS, ("dataset",))
                lists.append((len(table.parts), str(table), lines))
            except schema.DataError as error:
                wrong = f" ({error})"
        if not lists:
            what = self.listed_in or "list and no tree of flow images"
            wrong += trees.packed(root)
            raise schema.DataError(f"no {what} under {root}{wrong}. {self.advice()}")
        nearest = [(path, lines) for depth, path, lines in lists if depth == min(lists)[0]]
        if len(nearest) > 1:
            what = self.listed_in or "lists of flow images"
            places = ", ".join(path for path, _ in nearest)
            raise schema.DataError(f"several {what} under {root}: keep one of {places}")
        return nearest[0][1]

    def _indices(self, images):
        """Images by their name, and by (dataset, subject, clip) where the name tells."""
        by_name: dict[str, list] = {}
        by_key: dict[tuple, list] = {}
        for path in images:
            stem = path.stem.strip()  # HTNet's files have a blank before the suffix
            by_name.setdefault(stem.lower(), []).append(path)
            subject, _, clip = stem.partition("_")
            key = self._names(subject, clip)
            if all(key):
                by_key.setdefault(key, []).append(path)
        return by_name, by_key

    def _names(self, subject: str, clip: str, dataset: str = "") -> tuple[str, str, str]:
        """Dataset, subject and clip as the loaders of frames call them; "" for what is none.

        Without a word of its own the dataset is the only part, or that whose subject it is.
        """
        dataset = re.sub(r"[^a-z0-9]", "", dataset.lower())
        if not dataset and len(self.parts) == 1:
            dataset = self.parts[0]
        if not dataset:  # s01 is SMIC's, sub01 CASME II's, 006 SAMM's
            patterns = ((r"s\d+", "smic"), (r"sub\d+", "casme2"), (r"\d+", "samm"))
            fitting = [
                n for pattern, n in patterns if re.fullmatch(pattern, subject, re.IGNORECASE)
            ]
            dataset = fitting[0] if fitting else ""
        if dataset == "smic":
            clip = smic.clip_name(clip)
            subject = clip.split("_")[0] or subject
        elif dataset == "casme2":
            # EP02_01f, EP01_2, EP09f, EP06_02_01; but EP02_01f_1 is another image of the first
            is_clip = re.fullmatch(r"EP\d+(_\d+(_\d\d)?)?f?", clip, re.IGNORECASE)
            subject, clip = casme2.subject_name(subject), clip if is_clip else ""
        elif dataset == "samm":
            subject = f"{int(subject):03d}" if subject.isdigit() else subject
            clip = samm.NAMES.clip(clip)
            clip = clip if re.fullmatch(rf"{re.escape(subject)}_\d+_\d+", clip) else ""
        return dataset, subject, clip

    def _image(self, dataset, name, cells, paths) -> str:
        """The one image of a row. Raises DataError for whatever is wrong with the row."""
        labels = [str(index) for index in range(len(schema.CLASSES))]
        if dataset not in self.parts:
            said = cells["dataset"] or cells["subject"]
            expected = ", ".join(self.parts)
            raise schema.DataError(f"unknown dataset {said!r}: expected one of {expected}")
        if not name:
            raise schema.DataError(f"{cells['clip']!r} is no name of a clip of {dataset}")
        if cells["label"] not in labels:
            expected = ", ".join(labels)
            raise schema.DataError(f"unknown class {cells['label']!r}: expected {expected}")
        if not paths:
            raise schema.DataError(f"no image {cells['file']!r}: copy it again")
        if len(paths) > 1:
            raise schema.DataError(f"two images of it, {paths[0]} and {paths[1]}: keep one")
        return str(paths[0])


def _survey(root):
    """Images and CSV files below `root`; folders of training copies are not looked into."""
    images: list[pathlib.Path] = []
    tables: list[pathlib.Path] = []
    for path, inside, files in trees.visit(root, []):
        inside[:] = [name for name in inside if name.lower() != "u_train"]
        for name in files:
            file = pathlib.Path(path, name)
            if file.suffix.lower() in frames.SUFFIXES:
                images.append(file)
            elif file.suffix.lower() == ".csv":
                tables.append(file)
    return images, tables
