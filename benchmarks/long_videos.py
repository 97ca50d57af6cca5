"""Rendered long videos: micro-expressions among blinks, head turns and talking, with their times.

One person each, who sits still in between. No two acts come within `GAP` seconds of one another:
what is measured is whether a rule tells them apart, not what it makes of two at once. Durations are
our own choice (E) after what is told of people: micro-expressions last under half a second (Yan et
al., 2013, Journal of Nonverbal Behavior 37), blinks 0.1 to 0.3 s, syllables come 4 to 6 a second.
"""

import dataclasses
import functools

import cv2
import numpy as np

from pipelines.schema import CLASSES
from pipelines.synthetic import anatomy as anatomies
from pipelines.synthetic import clip, face, motion, plan
from pipelines.synthetic.anatomy import floats
from pipelines.synthetic.options import SynthesisConfig

FRAME_SIZE = (320, 240)
GAP = 0.4  # seconds, between two acts
AMPLITUDE = (0.1, 0.5)  # px of the aligned face, mean motion at the apex
DRIFT = 4.0  # px of the aligned face, how far the head sways in all
YAW = (4.0, 9.0)  # degrees, of a turn
JAW = (2.5, 5.0)  # px of the aligned face, of a syllable
LID = 0.14  # eye distances above the eye, of skin that a closing lid is made of
STEPS = 5  # of the fixed point; each leaves a tenth of the error, as a rule
# Of each act: how many a video has, seconds that it lasts.
ACTS = {
    "micro-expression": ((1, 3), (0.2, 0.5)),
    "blink": ((2, 4), (0.15, 0.3)),
    "turn": ((1, 1), (1.2, 2.2)),
    "speech": ((1, 1), (1.0, 2.2)),
}


@dataclasses.dataclass(frozen=True)
class Act:
    """Something that a face does: a key of `ACTS`, and the seconds between which it does it."""

    kind: str
    start: float
    end: float


@dataclasses.dataclass(frozen=True)
class LongVideo:
    """All that makes a video: who, and what happens when.

    Attributes:
        spec: `clip.ClipSpec` of the person; its number of frames is the video's.
        fps: frames per second.
        acts: in order.
    """

    spec: clip.ClipSpec
    fps: float
    acts: tuple[Act, ...]

    @property
    def events(self) -> tuple[tuple[float, float], ...]:
        """(start, end) of each micro-expression, seconds."""
        return tuple((a.start, a.end) for a in self.acts if a.kind == "micro-expression")


def draw(seed, number, seconds=12.0, fps=50.0) -> LongVideo:
    """Draws video `number` of a set.

    Args:
        seconds: that it lasts, times 0.85 to 1.15. What does not fit is left out, the
            micro-expressions last.
    """
    rng = np.random.default_rng([seed, number])
    config = SynthesisConfig(seed=seed, frame_size=FRAME_SIZE, drift=DRIFT)
    spec = plan.draw_spec(config, 1 + number, 0, CLASSES[0])
    length = seconds * rng.uniform(0.85, 1.15)
    kinds = [k for k, ((few, many), _) in ACTS.items() for _ in range(rng.integers(few, many + 1))]
    lasting = [(kind, float(rng.uniform(*ACTS[kind][1]))) for kind in kinds]
    while (free := length - sum(n + GAP for _, n in lasting) - GAP) < 0:
        lasting.pop()
    rests = GAP + free * rng.dirichlet(np.full(len(lasting) + 1, 2.0))
    at, acts = 0.0, []
    for rest, index in zip(rests, rng.permutation(len(lasting))):
        kind, lasts = lasting[index]
        acts.append(Act(kind, at + float(rest), at + float(rest) + lasts))
        at = acts[-1].end
    return LongVideo(dataclasses.replace(spec, num_frames=round(length * fps)), fps, tuple(acts))


def render(video):
    """Yields the frames: (h, w, 3) uint8 RGB."""
    spec = video.spec
    seconds = np.arange(spec.num_frames) / video.fps
    moves = [_played(video, i, seconds) for i in range(len(video.acts))]
    base = clip.base_picture(spec.subject, spec.frame_size, spec.eye_distance)
    view = face.frame_view(spec.frame_size, spec.eye_distance).enlarged(face.OVERSAMPLING)
    from_frame = np.linalg.inv(clip.face_to_frame(spec))  # px of the onset frame -> face
    to_base = np.array([[view.scale, 0, view.origin[0]], [0, view.scale, view.origin[1]]])
    heads = clip.drift_path(spec)
    anatomy = anatomies.sample(spec.subject)
    grid = _grid(spec.frame_size)
    rng = np.random.default_rng([spec.seed, 5])
    phase, speed = rng.uniform([0, 0.1], [2 * np.pi, 0.6])
    for t in range(spec.num_frames):
        fields = [level[t] * field for field, level, _ in moves if field is not None and level[t]]
        closed = max((lids[t] for *_, lids in moves), default=0.0)
        target = _apply(np.linalg.inv(heads[t]), grid)
        points = _apply(from_frame, _undo(sum(fields), target) if fields else target)
        if closed:
            points = _close_lids(anatomy, points, closed)
        picture = _sample(base, _apply(to_base, points), cv2.INTER_CUBIC)
        picture *= np.float32(1 + spec.flicker * np.sin(phase + speed * t))
        grain = rng.standard_normal(picture.shape[:2], dtype=np.float32)
        picture += np.float32(spec.noise) * grain[..., None]
        yield np.clip(np.rint(picture), 0, 255).astype(np.uint8)


def _played(video, index, seconds):
    """Of an act: its displacement (h, w, 2) px or None, how much of it each frame shows (t,), and
    how far the lids are closed (t,)."""
    act, spec = video.acts[index], video.spec
    rng = np.random.default_rng([spec.seed, 4, index])
    still = np.zeros(len(seconds))
    if act.kind == "blink":
        return None, still, bump(seconds, act.start, act.end, 0.4)
    if act.kind == "micro-expression":
        emotion = CLASSES[rng.integers(len(CLASSES))]
        amplitude = rng.uniform(*AMPLITUDE)
        units = motion.draw_units(rng, emotion)
        moved = dataclasses.replace(spec, units=units, amplitude=amplitude)
        field = clip.displacement_at(moved, _grid(spec.frame_size))
        return field, bump(seconds, act.start, act.end, rng.uniform(0.35, 0.6)), still
    if act.kind == "turn":
        yaw = np.deg2rad(rng.uniform(*YAW)) * rng.choice([-1, 1])
        return _field(spec, functools.partial(_turned, yaw)), plateau(seconds, act), still
    jaw = rng.uniform(*JAW) / motion.ALIGNED_EYE_DISTANCE
    rows = _jaw_drop(anatomies.sample(spec.subject), jaw)
    return (
        _field(spec, functools.partial(motion.evaluate, rows)),
        syllables(rng, seconds, act),
        still,
    )


def bump(seconds, start, end, share):
    """0 at `start`, 1 after `share` of the way, 0 at `end`, smoothly: (t,)."""
    apex = start + share * (end - start)
    return _smooth((seconds - start) / (apex - start)) * _smooth((end - seconds) / (end - apex))


def plateau(seconds, act):
    """A third of the time there, a third held, a third back: (t,)."""
    third = (act.end - act.start) / 3
    return _smooth((seconds - act.start) / third) * _smooth((act.end - seconds) / third)


def syllables(rng, seconds, act):
    """Openings of the mouth, 4 to 6 a second, none like the other: (t,)."""
    level, at = np.zeros(len(seconds)), act.start
    while act.end - at > 0.12:
        last = min(rng.uniform(0.16, 0.26), act.end - at)
        level = np.maximum(level, rng.uniform(0.4, 1.0) * bump(seconds, at, at + last, 0.5))
        at += rng.uniform(0.7, 1.0) * last
    return level


def _smooth(u):
    u = np.clip(u, 0, 1)
    return u * u * (3 - 2 * u)


def _field(spec, displacement):
    """A displacement in face coordinates, a function of points, as (h, w, 2) px of the frame."""
    to_frame = clip.face_to_frame(spec)
    local = displacement(_apply(np.linalg.inv(to_frame), _grid(spec.frame_size)))
    return local @ to_frame[:2, :2].T.astype(np.float32)


def _turned(yaw, points):
    """What a turn to the side does to a face as round as an egg: the nearer, the farther it goes.

    The head turns about its axis, 0.6 eye distances behind the eyes.
    """
    x, y = points[..., 0], points[..., 1] - 0.4
    depth = np.sqrt(np.maximum(1 - (x / 1.35) ** 2 - (y / 1.7) ** 2, 0)) * 0.9
    moved = (depth + 0.6) * np.sin(yaw) + x * (np.cos(yaw) - 1)
    beyond = np.clip((np.hypot(x / 1.35, y / 1.7) - 1) / 0.6, 0, 1)  # the room stays where it is
    return np.stack([moved * (1 - beyond), np.zeros_like(moved)], -1).astype(np.float32)


def _jaw_drop(anatomy, size):
    """Chin and lower lip go down, the corners of the mouth a little down and in: (n, 6) bumps."""
    at = anatomies.anchors(anatomy)
    rows = [(*at["chin_boss"], 0.0, 1.0, 0.42, 0.30), (*at["lip_lower"], 0.0, 0.5, 0.25, 0.12)]
    rows += [(*at["mouth_corner"], -0.3, 0.25, 0.18, 0.18)]
    both = [(s * x, y, s * dx, dy, *sigma) for x, y, dx, dy, *sigma in rows for s in (1, -1)]
    return np.array(both) * [1, 1, 0.6 * size, 0.6 * size, 1, 1]


def _close_lids(anatomy, points, closed):
    """Where each of `points` (h, w, 2), face coordinates, comes from as the upper lids come down.

    The skin above the eye is stretched over it; what the lid covers is not seen.
    """
    upper, lower = (np.asarray(line) for line in anatomies.eye(anatomy))
    x, y = np.abs(points[..., 0]), points[..., 1]
    top = np.interp(x, *upper.T).astype(np.float32)
    edge = top + np.float32(closed) * (np.interp(x, *lower.T).astype(np.float32) - top)
    crease = top - np.float32(LID)
    lid = (y > crease) & (y < edge) & (edge > top)
    drawn = crease + (y - crease) * LID / np.maximum(edge - crease, 1e-6)
    return np.stack([points[..., 0], np.where(lid, drawn, y)], -1).astype(np.float32)


def _undo(field, target):
    """The points q with q + field(q) = target (h, w, 2), by fixed-point iteration."""
    points = target
    for _ in range(STEPS):
        points = target - _sample(field, points, cv2.INTER_LINEAR)
    return points


def _grid(size):
    return np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in size)), -1)


def _apply(matrix, points):
    matrix = floats(matrix)
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def _sample(picture, points, interpolation):
    nothing = np.empty(0, np.float32)  # the second map: the points hold both coordinates
    return cv2.remap(picture, points, nothing, interpolation, borderMode=cv2.BORDER_REPLICATE)
