"""What a database is to the rest of the package: one interface, however its copies lie on disk.

A module of `pipelines.databases` makes one `Database` and calls it DATABASE. Nearly all have an
annotation sheet and folders of frames: they are an `annotated.AnnotatedDatabase`, which is told how
folders and columns are named.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import typing

from pipelines import protocols, schema
from pipelines.protocols import table

ANY = object()  # as `Erratum.was`: whatever the sheet says


@dataclasses.dataclass(frozen=True)
class Erratum:
    """A known mistake of a sheet, or in a release."""

    clip: str  # its name, or "subject/name" where names repeat; `*` for any characters
    field: str  # of `rows.Row`, such as "onset"; "" where nothing is replaced
    was: object  # what the sheet says; another value is left alone: that copy was corrected already
    use: object  # what is taken instead; None: unknown
    reason: str  # why, and whose the new value is


class Database:
    """A database that `--dataset` names; subclasses give `name`, `help` and `find_clips`."""

    name: str  # as `--dataset` takes it
    help: str  # a paragraph: where to apply for it, and the layout expected
    precomputed: bool = False  # whether a clip is one image of ready-made motion, not frames
    # Boxes of `schema.REGIONS` on such an image, (9, 4) fractions; () for frames.
    region_boxes: tuple[tuple[float, ...], ...] = ()
    errata: tuple[Erratum, ...] = ()  # the known mistakes of its copies

    def find_clips(self, root, skipped: list[schema.Skipped]) -> list[schema.Clip]:
        """The clips under `root`, of any label, in a fixed order.

        Args:
            root: what `locate` gives.
            skipped: receives a `Skipped` per clip that cannot be used.
        Raises:
            DataError: nothing of the database is there; the message ends with `advice`.
        """
        raise NotImplementedError

    def read(self, root, skipped: list | None = None) -> list[schema.Clip]:
        """The clips of a copy, labelled by the database's default protocol.

        Args:
            root: its folder; for a database of several, see `sources`.
            skipped: receives a `Skipped` per clip that cannot be used; None raises for the first.
        Raises:
            DataError: no such folder or nothing of the database in it; a bad clip if not `skipped`.
        """
        report: list[schema.Skipped] = []
        clips = self.find_clips(root, report)
        if report and skipped is None:
            first = report[0]
            raise schema.DataError(f"{first.path}: {first.key}: {first.reason}")
        if skipped is not None:
            skipped += report
        labels = protocols.labels(clips, protocols.choose(self.name))
        return [dataclasses.replace(c, label=int(label)) for c, label in zip(clips, labels)]

    def read_motion(self, path):
        """The image of a precomputed clip: (h, w, 3) float32, channels u, v, strain."""
        raise NotImplementedError(f"{self.name} has frames")

    def sources(self, root) -> dict[str, pathlib.Path] | None:
        """The folder of each database of a composite; None where one folder is read."""
        return None

    def members(self, root) -> tuple[str, ...]:
        """Names of the databases whose clips or layouts are found under `root`."""
        return table.MEMBERS.get(self.name, (self.name,))

    def locate(self, data_root=None, required: bool = True):
        """What `read` takes: the folder given, or several as "smic=DIR" for a composite.

        Args:
            data_root: a path, or a list of texts as `--data-root` gives it; without one it is
                $ME_KERAS_DATA.
            required: whether to raise if there is neither; else None is returned.
        Raises:
            DataError: no folder, or several for a database that lies in one.
        """
        given = data_root or os.environ.get("ME_KERAS_DATA")
        if not given:
            if required:
                needs = f"--dataset {self.name} needs --data-root (or ME_KERAS_DATA)"
                raise schema.DataError(f"{needs}. {self.advice()}")
            return None
        if isinstance(given, (list, tuple)):
            if len(given) == 1:
                return given[0]
            if self.sources(given) is None:
                told = f"give one --data-root, got {len(given)}"
                raise schema.DataError(f"--dataset {self.name} has one folder: {told}")
        return given

    def advice(self) -> str:
        """The help in one line, for the end of a message."""
        return " ".join(self.help.split()) + " Without it, try --dataset synthetic."

    def folder(self, root) -> pathlib.Path:
        """`root` as a path. Raises DataError if it is no folder."""
        folder = pathlib.Path(typing.cast(str, root)).expanduser()
        if not folder.is_dir():
            raise schema.DataError(f"no such folder: {folder}. {self.advice()}")
        return folder
