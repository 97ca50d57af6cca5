"""The composite of SMIC-HS, CASME II and SAMM (MEGC2019, See et al., 2019): three copies as one.

The copies lie under one root, or are named one by one. All their clips are read: which of them
count, and as what, is the protocol's business (`protocols.choose("megc2019")`: 442 of 68 subjects).
"""

from __future__ import annotations

import collections.abc
import os
import pathlib
import re

from pipelines import databases, schema
from pipelines.databases.database import Database
from pipelines.protocols import table

PARTS = table.COMPOSITE


class _Composite(Database):
    name = "megc2019"
    help = """\
megc2019 is the composite of SMIC-HS, CASME II and SAMM. Expected: a root that holds the three
copies (their folders are recognised), or each by name: --data-root smic=DIR casme2=DIR samm=DIR.
Where to apply for them: see the message when one is missing."""

    def find_clips(self, root, skipped):
        """See `Database`; `root` as `sources` takes it."""
        clips: list[schema.Clip] = []
        for name, folder in self.sources(root).items():
            try:
                clips += databases.load(name).find_clips(folder, skipped)
            except schema.DataError as error:
                raise schema.DataError(f"megc2019 needs {name}: {error}") from error
        return clips

    def sources(self, root) -> dict[str, pathlib.Path]:
        """Which folder each database is looked for in.

        Args:
            root: a folder that holds the three copies; or a mapping from "smic", "casme2", "samm"
                to folders; or that mapping as texts: "smic=DIR", in a list or a tuple. Of databases
                given by name one or two will do: what lacks is printed with the protocol's
                differences.
        Raises:
            DataError: an unknown name, or what cannot be parsed.
        """
        if isinstance(root, collections.abc.Mapping):
            named = dict(root)
        else:
            texts = [root] if isinstance(root, (str, os.PathLike)) else list(root)
            if len(texts) == 1 and not _is_named(texts[0]):
                return {name: pathlib.Path(texts[0]).expanduser() for name in PARTS}
            named = _parsed(texts)
        unknown = [name for name in named if name not in PARTS]
        if unknown or not named:
            wrong = f"unknown database {unknown[0]!r}" if unknown else "no database is given"
            raise schema.DataError(f"{wrong}: megc2019 holds {', '.join(PARTS)}")
        return {name: pathlib.Path(named[name]).expanduser() for name in PARTS if name in named}


def _parsed(texts) -> dict[str, str]:
    named: dict[str, str] = {}
    for text in map(str, texts):
        name, equals, folder = text.partition("=")
        if not equals or not folder:
            raise schema.DataError(
                f"{text!r}: expected a folder for each database, as in "
                "--data-root smic=DIR casme2=DIR samm=DIR"
            )
        if name in named:
            raise schema.DataError(f"{name} is given two folders, {named[name]} and {folder}")
        named[name] = folder
    return named


def _is_named(text) -> bool:
    """Whether a text is "smic=DIR" rather than a folder, which may have "=" in its name."""
    return bool(re.match(r"\w+=", str(text))) and not pathlib.Path(text).exists()


DATABASE = _Composite()
