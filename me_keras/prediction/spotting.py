"""Where along a recording a face moves out and comes back: start, apex and end of each movement.

Every window tells where the regions of the face are in its frames, beside its first. Windows that
overlap are chained into one path, a fraction of a pixel sharp in time. A micro-expression leaves a
place and returns to it, so that the face at its apex differs, in the same direction, from the face
a moment before and a moment after: the product of the two differences is large there, and nothing
for a face that drifts, turns or holds an expression. (The comparison with both sides is that of
Moilanen et al., Spotting rapid facial movements from videos, ICPR 2014, there of textures and
without direction.) Blinks and talking move a face in the same way; what moved tells them.
All of it is our own choice (E); `python -m benchmarks.spotting` measures it.
"""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from pipelines.schema import REGIONS

LONGEST = 0.5  # seconds that a micro-expression lasts at most (Yan et al., 2013)
REACH = 0.6  # times that: how long before and after a frame is compared with
LATE = 1.1  # times that: what lasts longer is none
SMOOTHING = 0.02  # seconds, standard deviation
STRONGEST = 3  # regions whose motion counts: an action unit moves few of the nine
LEAST_PX = 0.08  # of a 128 px face: weaker movements do not count; as the benchmark chose it
ALIKE = 0.8  # cosine between coming and going, over all regions: a head that turns has less
NOISE = 6.0  # nor those of less than this many times the median
EXTENT = 0.12  # of the way to the apex, from which on a movement has begun

LONGEST_BLINK = 0.4  # seconds
BLINKING = 0.42  # share of the motion that eyes hold in a blink, at least
BOTH = 0.4  # motion of one eye, of the other's, at least
TALKING = 0.7  # share of the motion that mouth and chin hold in talking, at least
SYLLABLES = 3  # movements of the mouth that make talking, one soon after the other
PAUSE = 0.45  # seconds from one's apex to the next's, at most

_ROW = {name: row for row, name in enumerate(REGIONS)}
EYES = [_ROW["eye_right"], _ROW["eye_left"]]
MOUTH = [_ROW["mouth_right"], _ROW["mouth_left"], _ROW["chin"]]


class Path(typing.NamedTuple):
    """Where the regions are over time: `frames` (n,) rising numbers, `places` (n, 9, 2) px."""

    frames: np.ndarray
    places: np.ndarray


@dataclasses.dataclass(frozen=True)
class Movement:
    """A face that moved out and came back.

    Attributes:
        start, apex, end: frames.
        lasted: seconds.
        length: how far the regions that moved most went, px.
        kind: "micro" of what may be a micro-expression, else "blink", "talking" or "long".
    """

    start: int
    apex: int
    end: int
    lasted: float
    length: float
    kind: str


def region_places(film: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Where the regions are in each frame of an aligned window, beside its first: (n, 9, 2) px.

    The mean displacement over each box; DIS optical flow, as for the apex.

    Args:
        film: (n, S, S) uint8. regions: (9, 4) as fractions.
    """
    import cv2

    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    still = np.zeros((*film.shape[1:], 2), np.float32)
    fields = (flow.calc(film[0], frame, np.empty(0)) for frame in film[1:])
    return np.stack([region_means(field, regions) for field in (still, *fields)])


def region_means(field: np.ndarray, regions: np.ndarray) -> np.ndarray:
    """Mean of a field (S, S, 2) over each box (9, 4), fractions: (9, 2)."""
    size = len(field)
    first = np.clip(np.floor(regions[:, :2] * size), 0, size - 1).astype(int)
    last = np.maximum(np.ceil(regions[:, 2:] * size).astype(int), first + 1)
    boxes = zip(first, last)
    return np.stack([field[y1:y2, x1:x2].mean((0, 1)) for (y1, x1), (y2, x2) in boxes])


def chain(parts: typing.Iterable[Path]) -> list[Path]:
    """The paths of windows in order as one, or as several where windows share no frame.

    Where two overlap, the second takes over little by little.
    """
    chained: list[dict[int, np.ndarray]] = []
    for frames, places in parts:
        numbers = [int(frame) for frame in frames]
        if not chained or numbers[0] not in chained[-1]:
            chained.append({numbers[0]: np.zeros_like(places[0])})
        known = chained[-1]
        shared = sum(number in known for number in numbers)
        for index, (number, place) in enumerate(zip(numbers, known[numbers[0]] + places)):
            share = min(index / shared, 1.0)
            known[number] = (1 - share) * known.get(number, place) + share * place
    return [
        Path(np.array(sorted(known)), np.stack([known[n] for n in sorted(known)]))
        for known in chained
    ]


def movements(
    path: Path, seconds: np.ndarray, least: float = LEAST_PX, longest: float = LONGEST
) -> list[Movement]:
    """The movements along a path, in order; blinks and talking among them, by their `kind`.

    Args:
        seconds: (n,) when each of its frames was taken.
        least: px, below which none counts.
        longest: seconds that a micro-expression may last.
    """
    from scipy import ndimage, signal

    if len(path.frames) < 3:
        return []
    sigma = SMOOTHING / float(np.median(np.diff(seconds)))
    places = ndimage.gaussian_filter1d(path.places, sigma, axis=0, mode="nearest")
    strength, alike, pulls = out_and_back(places, seconds, REACH * longest)
    limit = max(least, NOISE * float(np.median(strength)))
    edged = np.concatenate([[0], strength, [0]])  # a first or last frame can be a peak
    peaks = signal.find_peaks(edged, height=limit, prominence=limit / 2)[0] - 1
    peaks = peaks[alike[peaks] >= ALIKE]
    found = []
    for apex in peaks:
        near = np.flatnonzero(np.abs(seconds - seconds[apex]) <= 1.2 * REACH * longest)
        start, end = extent(places[near], apex - near[0], pulls[apex]) + near[0]
        lasted = float(seconds[end] - seconds[start])
        kind = _kind(pulls[apex], lasted, LATE * longest)
        first, top, last = path.frames[[start, apex, end]].tolist()
        found.append(Movement(first, top, last, lasted, float(strength[apex]), kind))
    mouths = [_share(pulls[apex], MOUTH) for apex in peaks]
    return apart(_without_talking(found, seconds[peaks], mouths))


def out_and_back(
    places: np.ndarray, seconds: np.ndarray, reach: float = REACH * LONGEST
) -> tuple[np.ndarray, ...]:
    """How far each frame is, in one direction, from those `reach` before and after it.

    Args:
        places: (n, 9, 2) px. seconds: (n,). reach: seconds.
    Returns:
        (n,) px, root mean square over the regions that moved most; (n,) in [-1, 1], the cosine
        between both differences; (n, 9, 2) px, their mean.
    """
    last = len(seconds) - 1
    before = np.searchsorted(seconds, seconds - reach).clip(0, last)
    after = np.searchsorted(seconds, seconds + reach).clip(0, last)
    came, went = places - places[before], places - places[after]
    common = (came * went).sum(-1)  # (n, 9) px^2
    strength = np.sqrt(np.maximum(np.sort(common)[:, -STRONGEST:].mean(-1), 0))
    both = np.sqrt((came**2).sum((1, 2)) * (went**2).sum((1, 2)))
    return strength, common.sum(-1) / np.maximum(both, 1e-12), (came + went) / 2


def extent(places: np.ndarray, apex: int, pull: np.ndarray) -> np.ndarray:
    """First and last frame of a movement: where it has left, or is back, along its pull.

    Args:
        places: (n, 9, 2) px, of frames that hold no other movement.
        pull: (9, 2) px, the direction.
    Returns:
        (2,) indices.
    """
    along = np.tensordot(places - places[apex], pull, 2) / max(float((pull**2).sum()), 1e-12) + 1
    return np.array([apex - _way(along[apex::-1]), apex + _way(along[apex:])])


def _way(along):
    """After how many frames a curve has come down from where it starts."""
    base = along.min()
    below = along <= base + EXTENT * (along[0] - base)
    return int(np.argmax(below))


def _kind(pull, lasted, longest):
    eyes = np.linalg.norm(pull[EYES], axis=-1)
    together = eyes.min() >= BOTH * eyes.max() and (pull[EYES, 1] > 0).all()  # lids go down
    if together and lasted <= LONGEST_BLINK and _share(pull, EYES) >= BLINKING:
        return "blink"
    return "micro" if lasted <= longest else "long"


def _share(pull, rows):
    """Share of a pull's energy that some regions hold."""
    squares = (pull**2).sum(-1)
    return float(squares[rows].sum() / max(squares.sum(), 1e-12))


def _without_talking(found, times, mouths):
    """The movements; those of a mouth that moves again and again are said to be talking."""
    mouthed = [i for i, share in enumerate(mouths) if share >= TALKING]
    runs = np.split(mouthed, np.flatnonzero(np.diff(times[mouthed]) > PAUSE) + 1)
    talking = {i for run in runs if len(run) >= SYLLABLES for i in run}
    return [
        dataclasses.replace(m, kind="talking") if i in talking else m for i, m in enumerate(found)
    ]


def apart(found: typing.Sequence[Movement]) -> list[Movement]:
    """The movements, cut where two that follow one another overlap: no tier holds both at once."""
    found = list(found)
    for index, (first, second) in enumerate(zip(found, found[1:])):
        if first.end > second.start:
            border = (max(first.apex, second.start) + min(first.end, second.apex)) // 2
            found[index] = dataclasses.replace(first, end=border)
            found[index + 1] = dataclasses.replace(second, start=border)
    return found
