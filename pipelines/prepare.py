"""python -m pipelines.prepare: from a copy of a database on disk to aligned TFRecords + manifest.

Clips are read, faces found and aligned in parallel processes; records are written as they come, so
memory does not grow with the database. Everything is written beside `--out` and renamed at the end:
a run that is stopped leaves nothing half-written.
"""

import collections
import dataclasses
import hashlib
import json
import os
import pathlib
import sys
from typing import Optional

from pipelines import cli, databases, folders, lock, protocols, schema
from pipelines.prepared import records

MAX_FAILED = 0.05  # of all clips; more than this is not a few bad clips but a wrong or broken copy
SYNTHETIC_ROOT = "data/synthetic"
APEX_RULES = ("annotated", "middle", "spotted")


@dataclasses.dataclass(frozen=True)
class PrepareConfig:
    """Options of the command, and the parameters that the manifest records."""

    dataset: str = cli.option("synthetic", "database to prepare", tuple(databases.DATABASES))
    data_root: Optional[tuple[str, ...]] = cli.option(
        None,
        "folder of the copy, or smic=DIR casme2=DIR samm=DIR for a dataset of several "
        "(default: $ME_KERAS_DATA; synthetic is rendered on the spot)",
        metavar="DIR",
        nargs="+",
    )
    out: Optional[str] = cli.option(
        None, "folder to write (default: prepared/<dataset>)", metavar="DIR"
    )
    image_size: int = cli.option(128, "side of the aligned face, px")
    margin: int = cli.option(8, "px kept around it on each side, room for random shifts")
    max_frames: int = cli.option(32, "frames kept per clip; onset, apex and offset always")
    apex: str = cli.option(
        "annotated",
        "apex frame: the database's label (none where it has none: training then takes the "
        "middle), the middle of the clip, or spotted from the motion",
        APEX_RULES,
    )
    rigid: bool = cli.option(True, "remove the head's residual rigid motion")
    jobs: int = cli.option(0, "parallel processes; 0 for one per core")
    allow_missing: bool = cli.option(False, "go on when over 5 %% of the clips cannot be used")

    def __post_init__(self):
        for name, least in (("image_size", 32), ("margin", 0), ("max_frames", 3), ("jobs", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"--{name.replace('_', '-')} must be at least {least}")

    @property
    def folder(self) -> pathlib.Path:
        return pathlib.Path(self.out or f"prepared/{self.dataset}").expanduser()

    @property
    def root(self):
        """What the database's `read` takes: a folder, or several as "smic=DIR"; None if not set."""
        root = self.data_root or os.environ.get("ME_KERAS_DATA") or None
        return root[0] if isinstance(root, (list, tuple)) and len(root) == 1 else root

    def parameters(self) -> dict:
        """What the prepared form depends on, beside the database itself."""
        if getattr(databases.load(self.dataset), "PRECOMPUTED", False):
            return {}
        names = ("image_size", "margin", "max_frames", "apex", "rigid")
        return {name: getattr(self, name) for name in names}


def ensure_prepared(config: PrepareConfig) -> dict:
    """The manifest of `config.folder`; prepares first if it is missing or no longer current.

    Of several processes that want the same folder one prepares, and the others wait for it.
    Raises DataError as `prepare` and `lock.locked` do.
    """
    manifest = _current_manifest(config)
    if manifest is not None:
        return manifest
    _check_place(config.folder)
    with lock.locked(config.folder):
        return _current_manifest(config) or _prepare(config)


def _current_manifest(config: PrepareConfig) -> Optional[dict]:
    if not prepared_is_current(config.folder, config):
        return None
    return read_manifest(config.folder)


def prepared_is_current(out, config: PrepareConfig) -> bool:
    """Whether `out` holds what `config` would prepare: same parameters, same clips, same files.

    The files are compared by number and size, not by content. Without a data root at all, a
    prepared folder with the same parameters is taken as it is. Raises DataError as `read` does.
    """
    manifest = read_manifest(out)
    if manifest is None or manifest["format"] != records.FORMAT:
        return False
    if manifest["dataset"] != config.dataset:
        return False
    if manifest["parameters"] != config.parameters():
        return False
    if config.root is None and config.dataset != "synthetic":
        return True
    clips, skipped = _read_database(config)
    return manifest["source"] == _source_digest(clips, skipped)


def read_manifest(folder) -> Optional[dict]:
    """manifest.json of a prepared folder, of whatever format; None if there is none."""
    try:
        manifest = json.loads((pathlib.Path(folder) / "manifest.json").read_text())
    except (OSError, ValueError):
        return None
    ours = isinstance(manifest, dict) and isinstance(manifest.get("format"), int)
    return manifest if ours else None


def prepare(config: PrepareConfig) -> dict:
    """Prepares a database and returns the manifest written.

    Raises:
        DataError: no usable data, over 5 % of the clips failing, or `out` is some other folder.
    """
    _check_place(config.folder)
    with lock.locked(config.folder):
        return _prepare(config)


def _check_place(out: pathlib.Path) -> None:
    if out.exists() and read_manifest(out) is None and (not out.is_dir() or any(out.iterdir())):
        raise schema.DataError(f"{out} exists and is not a prepared folder: choose another --out")


def _prepare(config: PrepareConfig) -> dict:
    out = config.folder
    clips, skipped = _read_database(config)
    _check_failed(len(clips), skipped, config)
    source = _source_digest(clips, skipped)
    with folders.replaced_whole(out) as partial:
        writer = records.Writer(partial)
        for result in _process(clips, config):
            if isinstance(result, schema.Skipped):
                skipped.append(result)
            else:
                writer.write(result)
        writer.close()
        _check_failed(len(writer.entries), skipped, config)
        manifest = _manifest(config, writer, skipped, source)
        (partial / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    return manifest


def _read_database(config: PrepareConfig):
    """The clips of the database and the records of those that cannot be used."""
    database = databases.load(config.dataset)
    root = config.root
    if config.dataset == "synthetic" and config.data_root is None:
        root = database.ensure(SYNTHETIC_ROOT)  # rendered on the spot; ME_KERAS_DATA is for others
    if root is None:
        raise schema.DataError(
            f"--dataset {config.dataset} needs --data-root (or ME_KERAS_DATA). "
            f"{' '.join(database.HELP.split())} Without it, try --dataset synthetic."
        )
    skipped: list[schema.Skipped] = []
    if isinstance(root, (list, tuple)) and not hasattr(database, "sources"):
        raise schema.DataError(f"--dataset {config.dataset} has one folder: give one --data-root")
    clips = database.read(root, skipped)
    return clips, skipped


def _check_failed(num_usable: int, skipped: list, config: PrepareConfig) -> None:
    total = num_usable + len(skipped)
    if num_usable and (config.allow_missing or len(skipped) <= MAX_FAILED * total):
        return
    for item in skipped:
        print(f"skipped {item.key}: {item.reason} ({item.path})", file=sys.stderr)
    remedy = "repair the copy, or pass --allow-missing" if num_usable else "repair the copy"
    first = f"; the first: {skipped[0].key}: {skipped[0].reason}" if skipped else ""
    raise schema.DataError(f"{len(skipped)} of {total} clips cannot be used{first}; {remedy}")


def _source_digest(clips, skipped) -> str:
    """A cheap digest of what is on disk: clips, labels, and the number and sizes of their files."""
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
    digest.update(repr([(item.key, item.reason) for item in skipped]).encode())
    return digest.hexdigest()


def _process(clips, config: PrepareConfig):
    """Yields a Record or a Skipped per clip, in order."""
    from tqdm import tqdm

    from pipelines import parallel

    database = databases.load(config.dataset)
    # disable=None: silent where the output is not a terminal
    with tqdm(total=len(clips), desc=f"prepare {config.dataset}", unit="clip", disable=None) as bar:
        jobs = 1 if getattr(database, "PRECOMPUTED", False) else config.jobs
        for result in parallel.run(_prepare_clip, clips, config, jobs):
            bar.update()
            yield result


def _prepare_clip(clip: schema.Clip, config: PrepareConfig):
    """One clip, in a worker process: its Record, or why it is skipped."""
    database = databases.load(config.dataset)
    try:
        if getattr(database, "PRECOMPUTED", False):
            return records.motion_record(clip, database)
        return records.frames_record(clip, config)
    except schema.DataError as error:
        path = next((p for p in clip.frames if p in str(error)), os.path.dirname(clip.frames[0]))
        return schema.Skipped(clip.key, path, str(error))


def _manifest(config: PrepareConfig, writer: records.Writer, skipped, source: str) -> dict:
    precomputed = getattr(databases.load(config.dataset), "PRECOMPUTED", False)
    if precomputed:
        size = _common_size(writer.entries)
        image_size, margin = size, 0
    else:
        image_size, margin = config.image_size, config.margin
    return {
        "format": records.FORMAT,
        "dataset": config.dataset,
        "kind": "precomputed" if precomputed else "frames",
        "parameters": config.parameters(),
        "source": source,
        "digest": writer.digest,
        "versions": _versions(),
        "frame_size": image_size + 2 * margin,
        "image_size": image_size,
        "margin": margin,
        "classes": list(protocols.default(config.dataset).classes),
        "regions": list(schema.REGIONS),
        "clips": writer.entries,
        "skipped": [dataclasses.asdict(item) for item in skipped],
    }


def _common_size(entries) -> int:
    shapes = collections.Counter(tuple(entry.pop("shape")) for entry in entries)
    (height, width), _ = shapes.most_common(1)[0]
    if len(shapes) > 1 or height != width:
        sizes = ", ".join(f"{w}x{h} ({n})" for (h, w), n in shapes.items())
        raise schema.DataError(f"motion images must be square and of one size, found {sizes}")
    return height


def _versions() -> dict:
    from importlib import metadata

    names = ("numpy", "opencv-contrib-python", "mediapipe", "tensorflow")
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def main(argv=None) -> int:
    """Runs the command; returns its exit code: 0, 2 for misuse, 130 when interrupted."""
    config = cli.parse(PrepareConfig, argv, "python -m pipelines.prepare", __doc__)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is loaded, to write
    try:
        manifest = prepare(config)
    except schema.DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted: nothing was written", file=sys.stderr)
        return 130
    for item in manifest["skipped"]:
        print(f"skipped {item['key']}: {item['reason']} ({item['path']})", file=sys.stderr)
    subjects = {clip["subject_key"] for clip in manifest["clips"]}
    print(
        f"{config.folder}: {len(manifest['clips'])} clips of {len(subjects)} subjects, "
        f"{len(manifest['skipped'])} skipped"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
