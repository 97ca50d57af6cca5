"""A picture of a run: of each class the clip it recognised best, as motion. No face is shown.

Drawn from the run's folder alone: predictions.csv says how probable the true class was, and what
lies beside the folds' records how the face moved.
"""

from __future__ import annotations

import dataclasses
import pathlib

import numpy as np

from me_keras import colours
from me_keras.average_face import AVERAGE_REGIONS
from me_keras.evaluation import results
from me_keras.interpretation import drawing, motion_units
from me_keras.interpretation.drawing import FAINT
from me_keras.options import Options
from pipelines.schema import DataError

FILES = ("gallery.png", "gallery.svg")
COLUMNS, SIDE = 5, 2.05  # clips in a row; inches of a panel
LEFT, HEAD, CAPTION, FOOT = 0.3, 0.78, 0.86, 0.24  # inches
GAP = 0.22
UNITS = 3  # likely action units named


@dataclasses.dataclass(frozen=True, eq=False)
class Exhibit:
    """A clip of the gallery.

    Attributes:
        label: its class. key: of the clip.
        probability: of that class, mean over the seeds.
        right: share of the seeds in which that class was predicted.
        displacement: (h, w, 2) float32, of the first seed that kept it, head motion taken out.
        reading: `motion_units.Reading` of it.
    """

    label: str
    key: str
    probability: float
    right: float
    displacement: np.ndarray
    reading: motion_units.Reading


def write(folder) -> list[pathlib.Path]:
    """Draws the gallery of a run into its folder; returns the files, none where no fold kept a
    displacement.

    Raises:
        DataError: not the folder of a run, or one that is not finished.
    """
    folder = pathlib.Path(folder)
    if not choose(folder):
        return []
    figure = draw(folder)
    paths = [folder / name for name in FILES]
    for path in paths:
        drawing.save(figure, path)
    return paths


def draw(folder):
    """The gallery of a run's folder as a matplotlib `Figure`.

    Raises:
        DataError: not the folder of a run, not finished, or no fold kept a displacement.
    """
    import matplotlib

    exhibits = choose(folder)
    if not exhibits:
        raise DataError(
            f"{folder}: its folds kept no displacement: a model without one, or a run of an older "
            "version; run loso again into another --out"
        )
    options, *_ = results.read_run(folder)
    unit = unit_of(options)
    lengths = np.concatenate([np.linalg.norm(e.displacement, axis=-1).ravel() for e in exhibits])
    limit = colours.nice_limit(lengths, drawing.FINEST if unit == "px" else 0.01)
    columns = min(len(exhibits), COLUMNS)
    rows = -(-len(exhibits) // columns)
    width = max(2 * LEFT + columns * SIDE + (columns - 1) * GAP, 6.4)
    height = HEAD + rows * (SIDE + CAPTION) + FOOT
    with matplotlib.rc_context(drawing.STYLE):
        sheet = drawing.Sheet(width, height)
        title = f"{options.model.name} on {options.dataset}: the best recognised clip of each class"
        sheet.text(LEFT, 0.28, title, size=11, weight="bold")
        said = f"Hue: direction, as the wheel shows; full colour: {limit:g} {unit or 'of the unit'}"
        sheet.text(LEFT, 0.47, said + ", the same for all.", size=8, color=FAINT)
        for place, exhibit in enumerate(exhibits):
            row, column = divmod(place, columns)
            left, top = LEFT + column * (SIDE + GAP), HEAD + row * (SIDE + CAPTION)
            _panel(sheet, left, top, exhibit, limit, unit)
        foot = "Probability of the true class, mean over seeds, held out. No motion is white."
        sheet.text(LEFT, height - 0.1, foot, size=7.5, color=FAINT)
        sheet.figure.canvas.draw()
    return sheet.figure


def unit_of(options: Options) -> str:
    """The unit of a run's displacements: "px", or "" where a database published the flow."""
    return "" if options.model.motion == "precomputed" else "px"


def choose(folder) -> list[Exhibit]:
    """Of each class that was held out the clip whose true class was most probable, mean over seeds.

    Clips without a kept displacement are left out; of equally probable ones the first key is taken.

    Raises:
        DataError: not the folder of a run, or one that is not finished.
    """
    import pandas as pd

    folder = pathlib.Path(folder)
    options, _, found = results.read_run(folder)
    if found is None or not (folder / "predictions.csv").is_file():
        raise DataError(f"{folder}: this run is not finished; run its command again")
    table = pd.read_csv(folder / "predictions.csv")
    classes = found["classes"]
    shares = table[[f"p_{name}" for name in classes]].to_numpy()
    table["own"] = shares[np.arange(len(table)), table["label"]]
    table["right"] = table["prediction"] == table["label"]
    clips = table.groupby(["label", "key"], as_index=False)[["own", "right"]].mean()
    clips = clips.sort_values(["own", "key"], ascending=[False, True], kind="stable")
    seen = _Seen(folder, table)
    exhibits = []
    for label, name in enumerate(classes):
        for clip in clips[clips["label"] == label].itertuples():
            field = seen.displacement(clip.key)
            if field is not None:
                exhibits.append(_exhibit(name, clip, field, options))
                break
    return exhibits


class _Seen:
    """The displacements that a run kept, by the key of the clip; files are read once."""

    def __init__(self, folder, table):
        self._folder, self._files = folder, {}
        self._folds = dict(list(table.groupby(["seed", "group"], sort=True)["key"]))

    def displacement(self, key):
        """(h, w, 2) float32 of the first seed that kept it, or None."""
        for fold, keys in self._folds.items():
            (at,) = np.nonzero((keys == key).to_numpy())
            kept = self._read(fold) if len(at) else None
            # The lines of a fold in predictions.csv are in the order of what it kept.
            if kept is not None and len(kept.get("displacement", ())) == len(keys):
                return kept["displacement"][at[0]].astype(np.float32)
        return None

    def _read(self, fold):
        if fold not in self._files:
            self._files[fold] = results.read_seen(self._folder, *fold)
        return self._files[fold]


def _exhibit(name, clip, field, options):
    # The boxes of each clip are not kept: on an aligned face the average is near enough.
    px = unit_of(options) == "px"
    size = options.data.preparation.image_size
    boxes = np.array(AVERAGE_REGIONS)
    reading = motion_units.read(field, boxes, in_px=px, scale=size / len(field))
    moved = motion_units.without_head(field)
    return Exhibit(name, clip.key, clip.own, clip.right, moved, reading)


def _panel(sheet, left, top, exhibit, limit, unit):
    axes = sheet.axes(left, top, SIDE, SIDE)
    drawing.flow(axes, exhibit.displacement, limit, "", unit=unit)
    axes.set_title(f"{exhibit.label}  {exhibit.probability:.0%}", weight="bold")
    units = exhibit.reading.units[:UNITS]
    clip = exhibit.key if len(exhibit.key) <= 32 else "…" + exhibit.key[-31:]
    sheet.text(left, top + SIDE + 0.15, clip, size=7.5, color=FAINT)
    for line, each in enumerate(units or ["no action unit stands out"]):
        sheet.text(left, top + SIDE + 0.31 + 0.14 * line, str(each), size=8)
