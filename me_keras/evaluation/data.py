"""From the prepared clips of a database to the folds of a protocol, their datasets and trainer."""

import dataclasses
import gc
import pathlib
import socket

import numpy as np

from me_keras import distribution
from me_keras.evaluation import folds
from me_keras.models import MODELS
from me_keras.options import Options, resolve
from pipelines import cli, protocols
from pipelines.progress import say
from pipelines.schema import MIRRORED_REGIONS, DataError


def load_data(options):
    """The prepared database, made first where it is missing or out of date, and its manifest."""
    from pipelines.prepared import ensure_prepared, open_prepared

    wanted = options.data
    folder, manifest = ensure_prepared(wanted.preparation, wanted.prepared, 0, wanted.protocol)
    return open_prepared(folder), manifest


def resolved(options, kind):
    """`options` with presets, protocol and precision filled in for data of this kind.

    Raises:
        OptionError: the motion asked for cannot be had from such data, or not by this model.
    """
    protocol = protocols.choose(options.dataset, options.data.protocol)
    options = cli.replace(resolve(options, kind), protocol=protocol.name)
    precision = distribution.resolve_precision(options.training.mixed_precision)
    return cli.replace(options, mixed_precision=precision)


def under_protocol(prepared, manifest, protocol, options):
    """What the protocol takes of the prepared clips, and what it holds out together.

    Prints what is on disk beside what the protocol expects of a whole copy.

    Returns:
        tuple of the clips taken, the group of each, and the list of `Fold`.
    Raises:
        DataError: too few of the protocol's clips, too little to hold something out, or a subject
            asked for that is not there.
    """
    from pipelines.prepared import check_missing

    print(f"protocol {protocol.name}: {protocol.title}")
    for line in protocols.summary(manifest["clips"], protocol).splitlines():
        print(f"  {line}")
    for line in protocols.differences(manifest["clips"], protocol):
        print(f"  differs: {line}")
    prepared, groups = _select(prepared, manifest, protocol)
    # The clips may have been prepared under a protocol that has no use for those missing now.
    allowed = options.data.preparation.allow_missing
    others = check_missing(manifest["clips"], manifest["skipped"], protocol, allowed)
    if others:
        say(f"{others} clips are missing that {protocol.name} does not take")
    if options.run.num_folds and protocol.evaluation != protocols.LOSO:
        raise DataError(f"protocol {protocol.name} holds out no subjects: leave --num-folds out")
    try:
        if protocol.evaluation == protocols.SPLITS:
            return prepared, groups, folds.fixed_splits(groups, protocols.TRAIN)
        if options.run.num_folds:
            groups = folds.share_out(groups, options.run.num_folds).tolist()
        return prepared, groups, folds.leave_one_subject_out(groups, options.run.subjects)
    except DataError as error:
        raise DataError(f"{options.dataset}: {error}") from None


def _select(prepared, manifest, protocol):
    clips = manifest["clips"]
    labels = protocols.labels(clips, protocol)
    rows = np.flatnonzero(labels >= 0)
    if not len(rows):
        raise DataError(f"{manifest['dataset']}: no clip of protocol {protocol.name} can be used")
    groups = protocols.groups(clips, protocol)
    selected = prepared.select(rows, labels[rows], protocol.classes)
    return selected, [groups[row] for row in rows]


def with_motion(prepared, options):
    """`prepared` with a classical motion in place of frames, where the options ask for one."""
    if options.model.motion in ("dgm", "frames", "precomputed"):
        return prepared
    from pipelines.flow import MOTIONS, motion_bank

    cache = pathlib.Path(prepared.path) / "motion"
    # The same pairs for every seed: a run that goes on with other seeds finds the same bank.
    name = options.model.motion
    return motion_bank(prepared, name, MOTIONS[name].pairs, options.data, 0, cache)


def datasets_of(prepared, options):
    """What a fold's trainer is given of the clips `prepared`."""
    if MODELS[options.model.name].classical:
        from me_keras.classical import Rows

        return Rows(prepared)
    return Datasets(prepared, options.data)


class Datasets:
    """The three datasets of a fold; the one to predict carries no labels.

    Args:
        prepared: the clips that row numbers mean. data: `DataOptions`.
    """

    def __init__(self, prepared, data):
        from pipelines import dataset

        self._module, self._prepared, self._data = dataset, prepared, data

    def pairs(self, rows, seed):
        """Wide random frame pairs of the clips `rows`."""
        return self._module.make_pairs(self._prepared, rows, self._data, seed)

    def train(self, rows, seed):
        """Random onset/apex pairs of the clips `rows`, with labels."""
        return self._module.make_train(self._prepared, rows, self._data, seed)

    def test(self, rows):
        """The evaluation pair of each clip of `rows`."""
        return self._module.make_eval(self._prepared, rows, self._data)


def make_trainer(options, prepared, steps_per_epoch=None):
    """The `Trainer` or `ClassicalTrainer` for this data: one for all folds and seeds.

    An epoch is as many steps as all clips fill batches, unless given: the same for every fold.
    """
    if MODELS[options.model.name].classical:
        from me_keras.classical import ClassicalTrainer

        return ClassicalTrainer(options, prepared)
    from me_keras.training import Trainer, make_deterministic

    make_deterministic(options.training.tf32)
    return Trainer(
        options,
        image_size=prepared.image_size,
        num_classes=len(prepared.classes),
        motion_channels=0 if prepared.motion is None else prepared.motion.shape[-1],
        steps_per_epoch=steps_per_epoch or max(1, round(len(prepared) / options.data.batch_size)),
        mirrored_regions=MIRRORED_REGIONS,
    )


def forget_trainers():
    """Frees what Keras remembers of trainers that are gone: memory then grows less with each."""
    import keras
    import tensorflow as tf

    keras.backend.clear_session()
    gc.collect()
    tf.get_logger().setLevel("ERROR")  # each trainer traces its own graph, which it would warn of


@dataclasses.dataclass(frozen=True)
class ClipsOnDisk:
    """The clips that the folds' row numbers mean, for another process to read: small, hashable.

    Attributes:
        options: presets and protocol filled in.
        folder: absolute path of the prepared form, which that process must reach.
        digest: of all that is in it.
        keys: of the clips, in order: all of the protocol, or some of them.
    """

    options: Options
    folder: str
    digest: str
    keys: tuple[str, ...]

    @classmethod
    def of(cls, prepared, options):
        """Says where the clips of `prepared` are."""
        folder = str(pathlib.Path(prepared.path).resolve())
        return cls(options, folder, _digest_in(folder), tuple(map(str, prepared.keys)))

    def read(self):
        """The clips, with their motion.

        Raises:
            DataError: the folder is out of reach or holds something else.
        """
        from pipelines.prepared import open_prepared, read_manifest

        found = _digest_in(self.folder)
        if found != self.digest:
            what = "holds other clips" if found else "is not there"
            raise DataError(
                f"{self.folder} {what} on {socket.gethostname()}: give with --prepared a folder "
                "that every machine reaches under the same path"
            )
        protocol = protocols.choose(self.options.dataset, self.options.data.protocol)
        manifest = read_manifest(self.folder)
        clips, _ = _select(open_prepared(self.folder), manifest, protocol)
        clips = with_motion(clips, self.options)
        if tuple(clips.keys) == self.keys:
            return clips
        place = {key: row for row, key in enumerate(clips.keys)}
        rows = [place[key] for key in self.keys]
        return clips.select(rows, clips.labels[rows], clips.classes)


def _digest_in(folder):
    from pipelines.prepared import read_manifest

    manifest = read_manifest(folder)
    return manifest["digest"] if manifest else None
