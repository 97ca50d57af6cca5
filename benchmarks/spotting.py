"""How well micro-expressions are found in long videos, among blinks, head turns and talking.

Rendered people. A spotted interval is right where it overlaps a true one by half of both together
(intersection over union), each true one counted once; F1 over all videos, as the challenges MEGC
count. Beside our rule a classical one: how far each frame is, by TV-L1 flow, from that half a
micro-expression later, in the region that moved most, above mean + p (max - mean) of the video.
After main directional maximal difference analysis (Wang et al., Neurocomputing 230, 2017), without
its main directions; both see the same frames, aligned, the head's motion taken out, and what lasts
too long is dropped from both. Each takes the threshold that is best on videos of other people.
"""

import dataclasses
import sys
from typing import Optional

import numpy as np

from benchmarks import report
from benchmarks.measure import Output
from pipelines import cli
from pipelines.cli import option

OVERLAP = 0.5  # of an interval that counts as found
LEAST = (0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.3)  # px, thresholds of our rule
SHARE = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)  # p, of the classical rule
HALF = 0.175  # seconds, half a micro-expression
PACE = 16.0  # frames per second that the classical rule looks at; TV-L1 is slow
LONGEST = 0.7  # seconds, of an interval of the classical rule
SIDE = 72  # px of the face that it sees
RESAMPLINGS = 2000


@dataclasses.dataclass(frozen=True)
class SpottingOptions(Output):
    """Which videos."""

    videos: int = option(20, "to measure on", least=1)
    tuning: int = option(6, "others, on which the thresholds are chosen", least=1)
    seconds: float = option(12.0, "mean length of a video", within="[2, inf)")
    fps: float = option(50.0, "frames per second", within="[20, inf)")
    seed: int = option(0, "of the people; seed + 1000 of those the thresholds are chosen on")
    model: Optional[str] = option(
        None, "exported model: also what predict makes of the videos with it", metavar="DIR"
    )

    def __post_init__(self):
        cli.check(self)


def compare(options):
    """Renders, spots and counts."""
    from benchmarks import long_videos
    from me_keras import Predictor

    predictor = Predictor(options.model) if options.model else None
    few = options.quick
    seconds, fps = (3.0, 25.0) if few else (options.seconds, options.fps)

    def looked_at(seed, count):
        from pipelines.progress import Progress

        found = []
        with Progress(count, f"seed {seed}", "video") as progress:
            for number in range(count):
                video = long_videos.draw(seed, number, seconds, fps)
                found.append(look(video, predictor))
                progress.update()
        return found

    tuning = looked_at(options.seed + 1000, 1 if few else options.tuning)
    videos = looked_at(options.seed, 1 if few else options.videos)
    counts, rows = {}, {}
    for name, (rule, thresholds) in RULES.items():
        best = chosen(thresholds, [f1(counted(tuning, rule, t).sum(0)) for t in thresholds])
        counts[name] = counted(videos, rule, best)
        rows[name] = {"threshold": best, **summary(counts[name])}
    if options.model:
        counts["predict"] = counted(videos, lambda seen, _: seen.predicted, None)
        rows["predict"] = {"threshold": "", **summary(counts["predict"])}
    ours, classical = (counts[name] for name in RULES)
    kinds = [act.kind for seen in videos for act in seen.video.acts]
    acts = ", ".join(f"{kinds.count(kind)} x {kind}" for kind in long_videos.ACTS)
    notes = {
        "videos": f"{len(videos)} of {seconds:g} s, {fps:g} frames per second: {acts}",
        "seeds": f"{options.seed}; thresholds {options.seed + 1000}, {len(tuning)} videos",
        "F1 of ours above": difference(ours, classical),
        "[ ]": "95 % interval over videos drawn anew",
    }
    return report.Result(rows=rows, notes=notes)


def chosen(thresholds, scores):
    """The threshold of the highest score, and of several the one in the middle."""
    best = [t for t, score in zip(thresholds, scores) if score >= max(scores) - 1e-9]
    return best[(len(best) - 1) // 2]


@dataclasses.dataclass(frozen=True)
class Seen:
    """What the rules look at of a video.

    Attributes:
        video: `long_videos.LongVideo`.
        watched: `Watched`, the paths of its regions.
        curve: (n,) px, of the classical rule; times: (n,) seconds of the frames compared.
        predicted: (start, end) of the events that `predict` tells; empty without a model.
    """

    video: object
    watched: object
    curve: np.ndarray
    times: np.ndarray
    predicted: list


def look(video, predictor=None):
    """Renders a video and aligns it, window by window, as `predict` does."""
    from benchmarks import long_videos
    from me_keras.prediction import alignment, sources, windows
    from me_keras.prediction.options import ClipOptions
    from me_keras.prediction.watched import Watched

    images = list(long_videos.render(video))
    footage = sources.open_source(images, video.fps)
    chosen = ClipOptions()
    spans = windows.plan(footage, chosen.window, chosen.window / 2)
    frames = [windows.spread(span, chosen.max_frames) for span in spans]
    watched = Watched(footage)
    curve: dict[int, float] = {}
    for numbers, shown in zip(frames, windows.read_windows(footage, frames)):
        pair = alignment.align_pair(shown, alignment.Alignment())
        watched.add(numbers, pair)
        curve.update(differences(pair, [numbers[i] for i in pair.seen], video.fps, curve))
    predicted = []
    if predictor:
        events = predictor(images, fps=video.fps).events
        predicted = [(event.seconds["start"], event.seconds["end"]) for event in events]
    times = np.array(sorted(curve)) / video.fps
    return Seen(video, watched, np.array([curve[i] for i in sorted(curve)]), times, predicted)


def differences(pair, numbers, fps, known):
    """Frame -> motion to the frame `HALF` later, px of the face, where the window holds both."""
    import cv2

    flow = cv2.optflow.DualTVL1OpticalFlow.create(nscales=1, warps=3)
    flow.setInnerIterations(10)
    flow.setOuterIterations(2)
    step, later = max(round(fps / PACE), 1), round(HALF * fps)
    scale = len(pair.film[0]) / SIDE
    boxes = np.round(pair.regions * SIDE).astype(int)
    small, found = {}, {}
    for number in numbers:
        if number % step or number in known or number + later not in numbers:
            continue
        for frame in (number, number + later):
            if frame not in small:
                image = pair.film[numbers.index(frame)]
                small[frame] = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        field = flow.calc(small[number], small[number + later], np.empty(0))
        length = np.linalg.norm(field - np.median(field, axis=(0, 1)), axis=-1)
        found[number] = scale * max(length[y1:y2, x1:x2].mean() for y1, x1, y2, x2 in boxes)
    return found


def ours(seen, least):
    """The intervals that `me_keras.prediction.spotting` finds."""
    from me_keras.prediction import spotting

    movements = seen.watched.movements(least, spotting.LONGEST)
    return [
        (m.start / seen.video.fps, m.end / seen.video.fps) for m in movements if m.kind == "micro"
    ]


def classical(seen, share):
    """The intervals in which the curve lies above mean + share (max - mean)."""
    curve = seen.curve
    above = seen.times[curve > curve.mean() + share * (curve.max() - curve.mean())]
    runs = np.split(above, np.flatnonzero(np.diff(above) > HALF) + 1) if len(above) else []
    # A pair of frames stands for the time between them.
    spans = [(run[0] + HALF / 2, run[-1] + HALF / 2) for run in runs]
    return [(start, end) for start, end in spans if end - start <= LONGEST]


RULES = {"ours": (ours, LEAST), "TV-L1 differences": (classical, SHARE)}


def counted(videos, rule, threshold):
    """(n, 4): right, wrong and missed intervals of each video, and the overlaps of the right."""
    return np.array([count(rule(seen, threshold), seen.video.events) for seen in videos], float)


def count(spotted, true):
    """Right, wrong and missed, and the sum of the right ones' overlaps; each true one once."""
    pairs = sorted(
        ((overlap(s, t), i, j) for i, s in enumerate(spotted) for j, t in enumerate(true)),
        reverse=True,
    )
    matched, taken, total = set(), set(), 0.0
    for share, i, j in pairs:
        if share >= OVERLAP and i not in matched and j not in taken:
            matched.add(i)
            taken.add(j)
            total += share
    return len(matched), len(spotted) - len(matched), len(true) - len(taken), total


def overlap(first, second):
    """Intersection over union of two intervals (start, end)."""
    both = min(first[1], second[1]) - max(first[0], second[0])
    whole = max(first[1], second[1]) - min(first[0], second[0])
    return max(both, 0.0) / whole if whole > 0 else 0.0


def f1(counts):
    """Of right, wrong and missed (..., 3 or more), in [0, 1]; 0 where there is nothing."""
    right, wrong, missed = (counts[..., i] for i in range(3))
    return 2 * right / np.maximum(2 * right + wrong + missed, 1)


def summary(counts):
    """F1 with its interval, what it is made of, and the mean overlap of what was found."""
    total = counts.sum(0)
    low, high = np.percentile(f1(redrawn(counts)), [2.5, 97.5])
    return {
        "F1": f"{f1(total):.3f} [{low:.3f}, {high:.3f}]",
        "right": int(total[0]),
        "wrong": int(total[1]),
        "missed": int(total[2]),
        "overlap": float(total[3] / max(total[0], 1)),
    }


def difference(ours, theirs):
    """How far F1 is above the other's, over the same videos drawn anew, as text."""
    low, high = np.percentile(f1(redrawn(ours)) - f1(redrawn(theirs)), [2.5, 97.5])
    return f"{f1(ours.sum(0)) - f1(theirs.sum(0)):+.3f} [{low:+.3f}, {high:+.3f}]"


def redrawn(counts):
    """Sums over videos drawn with replacement: (RESAMPLINGS, 4)."""
    rng = np.random.default_rng(0)
    return counts[rng.integers(len(counts), size=(RESAMPLINGS, len(counts)))].sum(1)


main = report.command(compare, SpottingOptions, __spec__.name, __doc__)
if __name__ == "__main__":
    sys.exit(main())
