"""What reading one clip's files shows: faults, sizes, content, and its face."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import typing

from pipelines import databases, schema

if typing.TYPE_CHECKING:
    from pipelines.faces.portrait import Portrait


@dataclasses.dataclass(frozen=True)
class Reading:
    """A clip, read."""

    clip: schema.Clip
    faults: tuple[tuple[str, str], ...] = ()  # (path, reason) of each file that cannot be read
    # (Width, height) -> the first file of that size; one entry as a rule.
    sizes: dict[tuple[int, int], str] = dataclasses.field(default_factory=dict)
    # Digest of a file's content -> the first file that holds it.
    digests: dict[bytes, str] = dataclasses.field(default_factory=dict)
    num_read: int = 0  # files that could be read
    portrait: Portrait | None = None  # of the onset frame; None if not asked for, or not found
    no_face: str = ""  # why no face was found


def read_clip(task, dataset: str) -> Reading:
    """Reads all files of a clip, in any process.

    Args:
        task: (clip, whether to look for its face).
        dataset: name of the database, which may have a reader of its own.
    """
    from pipelines.faces import frames

    clip, with_face = task
    database = databases.load(dataset)
    read = database.read_motion if database.precomputed else frames.read_frame
    faults: list[tuple[str, str]] = []
    sizes: dict[tuple[int, int], str] = {}
    digests: dict[bytes, str] = {}
    face: dict = {}
    for index, path in enumerate(clip.frames):
        try:
            image = read(path)
        except schema.DataError as error:
            faults.append((path, str(error).removeprefix(f"{path}: ")))
            continue
        height, width = image.shape[:2]
        sizes.setdefault((width, height), path)
        digest = hashlib.blake2b(pathlib.Path(path).read_bytes(), digest_size=16).digest()
        digests.setdefault(digest, path)
        if with_face and not database.precomputed and index == clip.onset:
            face = _face(image, path)
    return Reading(clip, tuple(faults), sizes, digests, len(clip.frames) - len(faults), **face)


def _face(image, path):
    from pipelines.faces import landmarks, portrait

    try:
        return {"portrait": portrait.portrait(image, path)}
    except landmarks.NoFace as error:
        return {"no_face": str(error)}
