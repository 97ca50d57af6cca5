"""The embedded synthetic database, read by the loaders of the databases whose layout it has."""

from __future__ import annotations

import dataclasses

from pipelines import databases, schema
from pipelines.databases.database import Database


class _Synthetic(Database):
    name = "synthetic"
    help = """\
The synthetic database needs no licence: it is rendered on the spot. Make a copy by hand with
`python -m pipelines.synthetic --out DIR`; expected under the root are its frames, in the layout of
SMIC (SMIC_all_raw) or of another database, and truth.json."""

    def find_clips(self, root, skipped):
        """See `Database`; the clips' dataset is "synthetic".

        Raises DataError where `root` holds no synthetic database, and as its layout's loader does.
        """
        bad: list[schema.Skipped] = []
        (layout,) = self.members(root)
        clips = databases.load(layout).find_clips(self.folder(root), bad)
        for item in bad:
            key = "synthetic/" + item.key.partition("/")[2]
            skipped.append(dataclasses.replace(item, key=key))
        return [dataclasses.replace(clip, dataset="synthetic") for clip in clips]

    def members(self, root) -> tuple[str, ...]:
        """See `Database`: the database whose layout it has."""
        from pipelines.synthetic import write

        options, _ = write.read_truth(self.folder(root))
        return ("smic" if options is None else options.layout,)

    def locate(self, data_root=None, required: bool = True):
        """See `Database`; without a folder it is rendered, for $ME_KERAS_DATA is another's."""
        from pipelines import synthetic

        if data_root:
            return super().locate(data_root, required)
        return synthetic.ensure(synthetic.ROOT)

    def advice(self) -> str:
        """See `Database`."""
        return " ".join(self.help.split())


DATABASE = _Synthetic()
