"""From a copy of a database to its prepared form: a folder of TFRecords and a manifest.

Clips are read, faces found and aligned in parallel processes; records are written as they come, so
memory does not grow with the database. The folder appears when it is whole: a run that is stopped
leaves nothing half-written.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import hashlib
import os
import pathlib
import sys

from pipelines import __version__, databases, files, parallel, protocols, schema
from pipelines.options import PreparationOptions
from pipelines.prepared import manifest as manifests
from pipelines.prepared import records
from pipelines.progress import Progress, say

MAX_FAILED = 0.05  # of the clips; more than this is not a few bad clips but a wrong or broken copy
SAMPLE = 4096  # bytes, of the middle frame of a clip
PARENT = "prepared"  # folder of the folders that nobody named


def ensure_prepared(
    preparation: PreparationOptions,
    folder: str | None = None,
    jobs: int = 0,
    protocol: str | None = None,
) -> tuple[pathlib.Path, dict]:
    """The prepared form of a database; made first where there is none.

    A folder that the user named is never replaced: it is read, made where it is missing, or
    refused. A default folder (`default_folder`) is made anew when the copy has changed. The files
    of the copy are compared by number and size, and by a sample of each clip's middle frame;
    without a copy at hand, what is prepared is taken as it is. Of several processes that want one
    folder one makes it.

    Args:
        folder: what the user named; None for the default.
        jobs: parallel processes, 0 for one per core.
        protocol: which clips must not be missing; None for the database's usual protocol.
    Returns:
        tuple of the folder and its manifest.
    Raises:
        DataError: the named folder holds something else, and as `prepare` does.
    """
    path = _folder(preparation, folder)
    found = _usable(path, preparation, named=folder is not None)
    if found is None:
        _check_place(path)
        with files.locked(path):
            found = _usable(path, preparation, named=folder is not None)
            if found is None:
                found = _prepare(path, preparation, jobs, protocol)
    return path, found


def prepare(
    preparation: PreparationOptions,
    folder: str | None = None,
    jobs: int = 0,
    protocol: str | None = None,
) -> tuple[pathlib.Path, dict]:
    """Prepares a database, in place of what an earlier call left in the folder.

    Args and returns as `ensure_prepared`.

    Raises:
        DataError: no usable data, over 5 % of the clips missing, or the folder holds other things.
        ChildProcessError: a process died, twice.
    """
    path = _folder(preparation, folder)
    _check_place(path)
    with files.locked(path):
        return path, _prepare(path, preparation, jobs, protocol)


def default_folder(preparation: PreparationOptions) -> pathlib.Path:
    """prepared/<dataset>-<digest of the parameters and of the copy's place>.

    Where no copy is named, the one folder with these parameters that is there.
    Raises DataError if there are several.
    """
    dataset, parent = preparation.dataset, pathlib.Path(PARENT)
    parameters = _parameters(preparation)
    root = databases.load(dataset).locate(preparation.data_root, required=False)
    if root is None:
        found = [
            path
            for path in sorted(parent.glob(f"{dataset}-*"))
            if (made := manifests.read_manifest(path))
            and not manifests.difference(made, dataset, parameters)
        ]
        if len(found) > 1:
            names = ", ".join(map(str, found))
            raise schema.DataError(f"several prepared folders fit: name one by --prepared: {names}")
        if found:
            return found[0]
    return parent / f"{dataset}-{files.digest([parameters, _places(root)])}"


def _places(root):
    """The folders of a copy, however they were spelled: "smic=~/smic" is "smic=/home/me/smic"."""
    places = []
    for text in [root] if isinstance(root, (str, os.PathLike)) else root or ():
        name, equals, place = str(text).rpartition("=")
        places.append(name + equals + os.path.realpath(os.path.expanduser(place)))
    return sorted(places)


def _folder(preparation, folder):
    return pathlib.Path(folder).expanduser() if folder else default_folder(preparation)


def _parameters(preparation):
    """What the prepared form depends on, beside the database itself."""
    if databases.load(preparation.dataset).precomputed:
        return {}
    names = ("image_size", "margin", "max_frames", "apex", "rigid")
    return {name: getattr(preparation, name) for name in names}


def _usable(path, preparation, named):
    """The manifest of `path` if it is what is wanted; None if it is to be made.

    Raises DataError for a folder that the user named and that is not what is wanted.
    """
    found = manifests.read_manifest(path)
    if found is None:
        return None
    differs = manifests.difference(found, preparation.dataset, _parameters(preparation))
    if not differs and not _is_current(found, preparation):
        differs = "a copy with other files or labels"
    if differs and named:
        raise schema.DataError(
            f"{path} was prepared from {differs}: choose another folder with --prepared, the same "
            f"options, or make it anew with python -m pipelines.prepare --out {path}"
        )
    return None if differs else found


def _is_current(found, preparation):
    database = databases.load(preparation.dataset)
    root = database.locate(preparation.data_root, required=False)
    if root is None:
        return True
    skipped: list[schema.Skipped] = []
    return found["source"] == _source_digest(database.read(root, skipped), skipped)


def _check_place(path):
    if manifests.read_manifest(path) is not None or not path.exists():
        return
    if not path.is_dir() or any(path.iterdir()):
        raise schema.DataError(f"{path} exists and is not a prepared folder: choose another --out")


def _prepare(path, preparation, jobs, protocol):
    database = databases.load(preparation.dataset)
    chosen = protocols.choose(preparation.dataset, protocol)
    skipped: list[schema.Skipped] = []
    clips = database.read(database.locate(preparation.data_root), skipped)
    check_missing(clips, skipped, chosen, preparation.allow_missing)
    source = _source_digest(clips, skipped)
    say(f"preparing {len(clips)} clips of {preparation.dataset} into {path}")
    with files.replaced_whole(path) as partial:
        writer = records.Writer(partial)
        for result in _process(clips, preparation, 1 if database.precomputed else jobs):
            if isinstance(result, schema.Skipped):
                skipped.append(result)
            else:
                writer.write(result)
        writer.close()
        check_missing(writer.entries, skipped, chosen, preparation.allow_missing)
        manifest = _manifest(preparation, database, writer, skipped, source)
        manifests.write_manifest(partial, manifest)
    return manifest


def check_missing(clips, skipped, protocol, allow_missing: bool) -> int:
    """Checks that the clips that a protocol takes are there, but for a few.

    Args:
        clips, skipped: records, or the entries of a manifest.
        protocol: `protocols.Protocol`.
        allow_missing: whether more than `MAX_FAILED` of them may be missing.
    Returns:
        How many other clips are missing, which the protocol does not take.
    Raises:
        DataError: too many cannot be used, or no clip can.
    """
    lost = [_facts(item) for item in protocols.lost(skipped, protocol)]
    usable = int((protocols.labels(clips, protocol) >= 0).sum())
    total = usable + len(lost)
    if usable and (allow_missing or len(lost) <= MAX_FAILED * total):
        return len(skipped) - len(lost)
    for item in lost:
        print(f"skipped {item['key']}: {item['reason']} ({item['path']})", file=sys.stderr)
    remedy = "repair the copy, or pass --allow-missing" if usable else "repair the copy"
    first = f"; the first: {lost[0]['key']}: {lost[0]['reason']}" if lost else ""
    raise schema.DataError(f"{len(lost)} of {total} clips cannot be used{first}; {remedy}")


def _facts(skipped):
    return skipped if isinstance(skipped, dict) else dataclasses.asdict(skipped)


def _source_digest(clips, skipped):
    """A cheap digest of what is on disk: clips, labels, the number and sizes of their files, and
    a sample of each clip's middle frame: bitmaps that were cut anew have the same sizes."""
    digest = hashlib.sha256()
    for clip in clips:
        sizes = []
        for path in clip.frames:
            try:
                sizes.append(os.stat(path).st_size)
            except OSError:
                sizes.append(-1)
        named = (clip.key, clip.label, clip.emotion, clip.objective, clip.split, clip.action_units)
        facts = (*named, clip.onset, clip.apex, clip.offset, clip.numbers, sizes)
        digest.update(repr(facts).encode())
        digest.update(_sample(clip.frames[len(sizes) // 2]) if sizes else b"")
    digest.update(repr([(item.key, item.reason) for item in skipped]).encode())
    return digest.hexdigest()


def _sample(path):
    """Some bytes of the middle of a file; none where it cannot be read."""
    try:
        with open(path, "rb") as file:
            file.seek(os.fstat(file.fileno()).st_size // 2)
            return file.read(SAMPLE)
    except OSError:
        return b""


def _process(clips, preparation, jobs):
    """Yields a Record or a Skipped per clip, in order."""
    task = functools.partial(prepare_clip, preparation=preparation)
    with Progress(len(clips), f"prepare {preparation.dataset}", "clip") as progress:
        for clip, result in parallel.run(task, clips, jobs, ordered=True, retries=1):
            if isinstance(result, parallel.Died):
                raise ChildProcessError(f"{clip.key}: its process was {result}: try --jobs 1")
            progress.update()
            yield result


def prepare_clip(clip: schema.Clip, preparation: PreparationOptions):
    """One clip, in any process: its `records.Record`, or a `Skipped` that says why not."""
    database = databases.load(preparation.dataset)
    try:
        if database.precomputed:
            return records.motion_record(clip, database)
        return records.frames_record(clip, preparation)
    except schema.DataError as error:
        path = next((p for p in clip.frames if p in str(error)), os.path.dirname(clip.frames[0]))
        return schema.Skipped(clip.key, path, str(error), clip.emotion, clip.objective)


def _manifest(preparation, database, writer, skipped, source):
    image_size, margin = preparation.image_size, preparation.margin
    if database.precomputed:
        image_size, margin = _common_size(writer.entries), 0
    return {
        "format": manifests.FORMAT,
        "dataset": preparation.dataset,
        "kind": "precomputed" if database.precomputed else "frames",
        "parameters": _parameters(preparation),
        "source": source,
        "digest": writer.digest,
        "versions": _versions(),
        "frame_size": image_size + 2 * margin,
        "image_size": image_size,
        "margin": margin,
        "classes": list(protocols.choose(preparation.dataset).classes),
        "regions": list(schema.REGIONS),
        "clips": writer.entries,
        "skipped": [_facts(item) for item in skipped],
    }


def _common_size(entries):
    shapes = collections.Counter(tuple(entry.pop("shape")) for entry in entries)
    (height, width), _ = shapes.most_common(1)[0]
    if len(shapes) > 1 or height != width:
        sizes = ", ".join(f"{w}x{h} ({n})" for (h, w), n in shapes.items())
        raise schema.DataError(f"motion images must be square and of one size, found {sizes}")
    return height


def _versions():
    from importlib import metadata

    python = ".".join(map(str, sys.version_info[:3]))
    versions = {"me-keras": __version__, "python": python}
    for name in ("numpy", "opencv-contrib-python", "mediapipe", "tensorflow"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
