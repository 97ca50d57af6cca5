"""From the row of a sheet and a folder of frames to a clip."""

from __future__ import annotations

import os

from pipelines import schema
from pipelines.databases.rows import Row
from pipelines.faces import frames


def list_frames(folder: str) -> frames.Listing:
    """The frames of a folder. Raises DataError if there are none."""
    try:
        listing = frames.list_frames(folder)
    except OSError as error:
        raise schema.DataError(f"{folder}: cannot be read ({error.strerror})") from error
    if not listing.paths:
        raise schema.DataError(f"{folder} holds no numbered image: copy it again")
    return listing


def clip(database, row: Row, emotion, paths, numbers, notes=(), longest=0) -> schema.Clip:
    """The clip of a row, clamped to the frames that are there.

    Args:
        database: its name.
        emotion: the database's word.
        paths, numbers: of the frames in the clip's folder, in order.
        notes: what is known of the folder.
        longest: frames; a longer clip gets a note.
    Raises:
        DataError: the row contradicts itself, or too few of its frames are there.
    """
    first = numbers[0] if row.onset is None else row.onset
    last = numbers[-1] if row.offset is None else row.offset
    if last < first:
        raise schema.DataError(f"offset {last} before onset {first}: correct the sheet")
    if row.apex is not None and not first <= row.apex <= last:
        raise schema.DataError(f"apex {row.apex} outside {first}-{last}: correct the sheet")
    paths, numbers = between(paths, numbers, first, last)
    apex, said = _apex(row.apex, first, numbers)
    said += (*missing(first, last, numbers), *notes)
    if 0 < longest < last - first + 1:
        said += (f"{last - first + 1} frames, over {longest}: a micro-expression?",)
    return schema.Clip(
        dataset=database,
        subject=row.subject,
        clip=row.clip,
        frames=paths,
        numbers=numbers,
        onset=0,
        apex=apex,
        offset=len(numbers) - 1,
        label=-1,  # until the protocol says
        emotion=emotion,
        action_units=row.units,
        objective=row.objective,
        split=row.split,
        notes=(*row.notes, *said),
    )


def between(paths, numbers, first: int, last: int):
    """The paths and numbers of the frames first..last.

    Raises DataError for fewer than two, and for a folder numbered from 0 or 1 that has few of them:
    some releases are cut to so many frames (TIM10) and numbered anew.
    """
    kept = [i for i, number in enumerate(numbers) if first <= number <= last]
    folder = os.path.dirname(paths[0])
    if numbers[0] in (0, 1) and first > numbers[0] and 2 * len(kept) < last - first + 1:
        span = f"frames {numbers[0]}-{numbers[-1]} where the sheet says {first}-{last}"
        raise schema.DataError(f"{folder} holds {span}: renumbered?")
    if len(numbers) < 2:
        raise schema.DataError(f"{folder} holds 1 frame: a clip needs two at least")
    if len(kept) < 2:
        have = f"{len(kept)} of the frames {first}-{last}"
        raise schema.DataError(f"{folder} holds {have}: copy it again")
    return tuple(paths[i] for i in kept), tuple(numbers[i] for i in kept)


def _apex(apex, first, numbers):
    """Index of the frame nearest to the apex, and what is to be said of it."""
    if apex is None:
        return None, ()
    if apex == first:
        return None, (f"apex {apex} is the onset, where nothing has moved: taken as unknown",)
    index = min(range(len(numbers)), key=lambda i: abs(numbers[i] - apex))
    if numbers[index] == apex:
        return index, ()
    return index, (f"apex {apex} is missing: {numbers[index]} taken, the nearest",)


def missing(first: int, last: int, numbers: tuple[int, ...]) -> tuple[str, ...]:
    """A note of the frames `first`..`last` that are not among `numbers`; none if all are."""
    lost = last - first + 1 - len(numbers)
    if not lost:
        return ()
    where = f"{lost} of the frames {first}-{last} are missing"
    if (first, last) != (numbers[0], numbers[-1]):
        where += f": clamped to {numbers[0]}-{numbers[-1]}"
    return (where,)
