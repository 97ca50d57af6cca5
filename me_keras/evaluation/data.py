"""From the prepared clips of a database to the folds of a protocol and the datasets of a fold."""

import dataclasses
import pathlib

import numpy as np

from me_keras.evaluation import files, folds
from pipelines import protocols
from pipelines.schema import DataError

PAIRS_PER_CLIP = 8  # motion maps kept per clip when the motion is computed beforehand


def load_data(config):
    """The prepared database, made first where it is missing or out of date, and its manifest."""
    from pipelines import prepare
    from pipelines.prepared.arrays import open_prepared

    wanted = prepare.PrepareConfig(
        dataset=config.dataset,
        data_root=config.data_root,
        image_size=config.image_size,
        apex=config.apex,
        allow_missing=config.allow_missing,
    )
    digest = files.digest([config.dataset, wanted.parameters(), str(wanted.root)])
    folder = config.prepared or str(pathlib.Path("prepared", f"{config.dataset}-{digest}"))
    wanted = dataclasses.replace(wanted, out=folder)
    manifest = prepare.ensure_prepared(wanted)
    return open_prepared(folder), manifest


def select(prepared, manifest, protocol):
    """What a protocol takes of the prepared clips, with its labels; and the group of each clip.

    Raises:
        DataError: no clip of the protocol.
    """
    clips = manifest["clips"]
    labels = protocols.labels(clips, protocol)
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        dataset = manifest["dataset"]
        raise DataError(f"{dataset}: no clip of protocol {protocol.name} can be used")
    groups = protocols.groups(clips, protocol)
    selected = prepared.select(rows, labels[rows], protocol.classes)
    return selected, [groups[row] for row in rows]


def splits(groups, protocol, config):
    """The list of `Fold` of clips in these groups.

    Raises:
        DataError: too little to hold something out, or a subject asked for that is not there.
    """
    try:
        if protocol.evaluation == protocols.SPLITS:
            return folds.fixed_splits(groups, protocols.TRAIN)
        return folds.leave_one_subject_out(groups, config.subjects)
    except ValueError as error:
        raise DataError(f"{config.dataset}: {error}") from None


def print_summary(clips, protocol):
    """Prints what is on disk beside what the protocol expects of a whole copy."""
    print(f"protocol {protocol.name}: {protocol.title}")
    for line in protocols.summary(clips, protocol).splitlines():
        print(f"  {line}")
    for line in protocols.differences(clips, protocol):
        print(f"  differs: {line}")


def with_motion(prepared, config):
    """`prepared` with a classical motion in place of frames, where the options ask for one."""
    if config.motion in ("dgm", "precomputed"):
        return prepared
    from pipelines.flow import motion_bank

    cache = pathlib.Path(prepared.path) / "motion"
    # The same pairs for every seed: a run that goes on with other seeds finds the same bank.
    return motion_bank(prepared, config.motion, PAIRS_PER_CLIP, config, 0, cache)


def read_again(folder, config, keys):
    """The clips that a fold's row numbers mean, read in another process.

    Args:
        folder: of the prepared form. config: `LosoConfig`, presets and protocol filled in.
        keys: of the clips, in order: all of the protocol, or some of them.
    Raises:
        DataError: the folder is not there, or not usable.
    """
    from pipelines import prepare
    from pipelines.prepared.arrays import open_prepared

    prepared, manifest = open_prepared(folder), prepare.read_manifest(folder)
    selected, _ = select(prepared, manifest, protocols.choose(config.dataset, config.protocol))
    selected = with_motion(selected, config)
    if list(selected.keys) == list(keys):
        return selected
    place = {key: row for row, key in enumerate(selected.keys)}
    try:
        rows = [place[key] for key in keys]
    except KeyError as error:
        raise DataError(f"{folder} holds no clip {error.args[0]}") from None
    return selected.select(rows, selected.labels[rows], selected.classes)


class Datasets:
    """The three datasets of a fold; the one to predict carries no labels."""

    def __init__(self, prepared, config):
        self.prepared = prepared
        self.config = config

    def pairs(self, rows, seed):
        """Wide random frame pairs of the clips `rows`."""
        from pipelines.dataset import make_pairs

        return make_pairs(self.prepared, rows, self.config, seed)

    def train(self, rows, seed):
        """Random onset/apex pairs of the clips `rows`, with labels."""
        from pipelines.dataset import make_train

        return make_train(self.prepared, rows, self.config, seed)

    def test(self, rows):
        """The evaluation pair of each clip of `rows`."""
        from pipelines.dataset import make_eval

        return make_eval(self.prepared, rows, self.config)
