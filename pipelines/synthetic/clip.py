"""One synthetic clip: its specification, its frames and its exact displacement.

Frame t shows at p + s(t) D(p) what the onset frame shows at p: D is the expression's displacement,
s its course in time. The head's drift R(t), a similarity, comes on top: frame t shows that at
R(t)(p + s(t) D(p)). Each frame is sampled once, from the subject's oversampled base picture.
"""

import dataclasses
import functools

import cv2
import numpy as np

from pipelines.synthetic import anatomy as anatomies
from pipelines.synthetic import face, motion
from pipelines.synthetic.anatomy import floats

FIXED_POINT_STEPS = 5  # each leaves at most `motion.STEEPEST` of the error, a tenth as a rule
REACH = floats([(-1.7, -1.4), (1.7, -1.4), (1.7, 2.4), (-1.7, 2.4)])  # no bump ends outside


@dataclasses.dataclass(frozen=True)
class ClipSpec:
    """All that makes a clip; nothing else is random. Plain values, so that it can be saved as JSON.

    Lengths are in px of the frame; of `amplitude` and `drift` in px of the 128 px aligned face.
    """

    subject: int  # seed of the subject's `Anatomy`
    seed: int  # of the clip's own chance: path of the head, phase of the flicker, noise
    emotion: str  # a key of `motion.EMOTIONS`
    units: tuple  # of `motion.Unit`
    amplitude: float  # mean |displacement| at the apex
    num_frames: int
    apex: int  # its index; frame 0 is the onset
    end_level: float  # share of the apex' motion that is left in the last frame
    frame_size: tuple  # width, height
    eye_distance: float
    pose: tuple  # where this clip's head is: scale, roll in degrees, shift x and y
    drift: float  # how far the head goes during the clip
    flicker: float  # amplitude of the lamp's flicker, as a share
    noise: float  # standard deviation of the sensor noise, grey levels

    @property
    def action_units(self):
        """As an annotation sheet spells them: ("4", "L12"); weak companions are not annotated."""
        return tuple(str(unit) for unit in self.units if unit.weight >= 0.5)

    def to_json(self):
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values):
        units = tuple(motion.Unit(**unit) for unit in values["units"])
        lists = {k: tuple(v) for k, v in values.items() if isinstance(v, list)}
        return cls(**{**values, **lists, "units": units})


def time_course(spec):
    """s(t) of every frame: 0 at the onset, 1 at the apex, `end_level` at the end: (t,) float64."""
    t = np.arange(spec.num_frames)
    rise = np.clip(t / max(spec.apex, 1), 0, 1)
    fall = np.clip((t - spec.apex) / max(spec.num_frames - 1 - spec.apex, 1), 0, 1)

    def smooth(u):
        return u * u * (3 - 2 * u)

    return smooth(rise) - (1 - spec.end_level) * smooth(fall)


def _affine(scale, degrees, shift, centre):
    """The similarity that turns and scales about `centre`, then shifts: (3, 3) float64."""
    matrix = np.eye(3)
    c, s = scale * np.cos(np.deg2rad(degrees)), scale * np.sin(np.deg2rad(degrees))
    matrix[:2, :2] = [[c, -s], [s, c]]
    matrix[:2, 2] = np.asarray(centre) + shift - matrix[:2, :2] @ np.asarray(centre)
    return matrix


def _apply(matrix, points):
    """Affine `matrix` (2 or 3, 3) on points (..., 2) float32."""
    matrix = np.asarray(matrix, np.float32)
    return points @ matrix[:2, :2].T + matrix[:2, 2]


def face_to_frame(spec):
    """Face coordinates -> px of the onset frame: (3, 3) float64."""
    view = face.frame_view(spec.frame_size, spec.eye_distance)
    upright = np.diag([view.scale, view.scale, 1.0])
    upright[:2, 2] = view.origin
    scale, roll, *shift = spec.pose
    return _affine(scale, roll, shift, view.origin) @ upright


def drift_path(spec):
    """R(t) of every frame, px of the onset frame -> px of frame t; R(0) = identity: (t, 3, 3)."""
    rng = np.random.default_rng([spec.seed, 1])
    unit = spec.eye_distance * spec.pose[0] / motion.ALIGNED_EYE_DISTANCE  # px per aligned px
    size = spec.drift * rng.uniform(0.4, 1.0, 4) * rng.choice([-1, 1], 4)
    size *= [unit / np.sqrt(2), unit / np.sqrt(2), 0.4, 0.004]  # x, y, degrees, scale
    swing, phase = rng.uniform(0.5, 1.2, 4), rng.uniform(0, 2 * np.pi, 4)
    t = np.linspace(0, 1, spec.num_frames)[:, None]
    path = 0.5 * t + 0.5 * (np.sin(2 * np.pi * swing * t + phase) - np.sin(phase))
    centre = _apply(face_to_frame(spec), floats([0, 0.6]))
    steps = [(np.exp(s), r, (x, y)) for x, y, r, s in path * size]
    return np.stack([_affine(scale, roll, shift, centre) for scale, roll, shift in steps])


@functools.lru_cache(maxsize=2)
def base_picture(subject, frame_size, eye_distance):
    """The subject's neutral face, oversampled: (h, w, 3) float32 RGB in [0, 255]."""
    view = face.frame_view(frame_size, eye_distance).enlarged(face.OVERSAMPLING)
    return face.render(anatomies.sample(subject), view)


def _grid(size):
    width, height = size
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.stack([x, y], axis=-1)


def displacement_at(spec, points):
    """D at `points` (..., 2) px of the onset frame: (..., 2) float32 px, without drift."""
    to_frame = face_to_frame(spec)
    if spec.amplitude == 0:
        return np.zeros(np.shape(points), np.float32)
    rows = motion.scaled_bumps(anatomies.sample(spec.subject), spec.units, spec.amplitude)
    local = motion.evaluate(rows, _apply(np.linalg.inv(to_frame), floats(points)))
    return local @ to_frame[:2, :2].T.astype(np.float32)


def displacement(spec, frame=None, drift=False):
    """Ground truth: onset -> `frame` (default the apex), px of the onset frame.

    Args:
        spec: `ClipSpec`.
        frame: 0-based index.
        drift: whether the head's drift is part of it.
    Returns:
        (h, w, 2) float32 (dx, dy): `frame[p + displacement[p]]` shows what `onset[p]` shows.
    """
    frame = spec.apex if frame is None else frame
    grid = _grid(spec.frame_size)
    moved = grid + np.float32(time_course(spec)[frame]) * displacement_at(spec, grid)
    if drift:
        moved = _apply(drift_path(spec)[frame], moved)
    return moved - grid


def aligned_displacement(spec, matrix, size, frame=None):
    """The expression's ground truth, without drift, in aligned coordinates.

    Args:
        matrix: (2, 3), px of the onset frame -> px of the aligned image.
        size: of the aligned image, px.
    Returns:
        (size, size, 2) float32 (dx, dy) in px of the aligned image.
    """
    matrix = np.vstack([np.asarray(matrix, np.float64)[:2], [0, 0, 1]])
    points = _apply(np.linalg.inv(matrix), _grid((size, size)))
    level = np.float32(time_course(spec)[spec.apex if frame is None else frame])
    return level * displacement_at(spec, points) @ matrix[:2, :2].T.astype(np.float32)


def _sample(picture, points, interpolation):
    """`picture` (h, w, c) at `points` (..., 2) px, its border repeated outside."""
    nothing = np.empty(0, np.float32)  # the second map: the points hold both coordinates
    return cv2.remap(picture, points, nothing, interpolation, borderMode=cv2.BORDER_REPLICATE)


def _affine_grid(matrix, window):
    """Affine `matrix` on every pixel of `window` (x0, y0, x1, y1): (h, w, 2) float32."""
    x, y = np.arange(window[0], window[2]), np.arange(window[1], window[3])
    mapped = [np.add.outer(b * y + c, a * x).astype(np.float32) for a, b, c in matrix[:2]]
    return np.stack(mapped, axis=-1)


def _sources(spec, field, level, drift, to_base):
    """Where in the base picture each pixel of a frame comes from: (h, w, 2) float32.

    Solves q + level * field(q) = R^-1(pixel) for q by fixed-point iteration, in the part of the
    frame where the face is.
    """
    width, height = spec.frame_size
    back = np.linalg.inv(drift)
    sources = _affine_grid(to_base @ back, (0, 0, width, height))
    if level == 0 or spec.amplitude == 0:
        return sources
    corners = _apply(drift @ face_to_frame(spec), REACH)
    x0, y0 = np.clip(np.floor(corners.min(axis=0)), 0, (width, height)).astype(int)
    x1, y1 = np.clip(np.ceil(corners.max(axis=0)), 0, (width, height)).astype(int)
    target = _affine_grid(back, (x0, y0, x1, y1))
    origin = target
    for _ in range(FIXED_POINT_STEPS):
        shift = _sample(field, origin, cv2.INTER_LINEAR)
        origin = target - np.float32(level) * shift
    sources[y0:y1, x0:x1] = _apply(to_base, origin)
    return sources


def render(spec, frames=None):
    """Yields the frames of a clip in time order: (h, w, 3) uint8 RGB.

    Args:
        spec: `ClipSpec`.
        frames: indices to render; all when None.
    """
    base = base_picture(spec.subject, tuple(spec.frame_size), spec.eye_distance)
    view = face.frame_view(spec.frame_size, spec.eye_distance).enlarged(face.OVERSAMPLING)
    to_base = np.diag([view.scale, view.scale, 1.0])
    to_base[:2, 2] = view.origin
    to_base = to_base @ np.linalg.inv(face_to_frame(spec))  # px of the onset frame -> of the base
    field = displacement_at(spec, _grid(spec.frame_size))
    levels, path = time_course(spec), drift_path(spec)
    phase, speed = np.random.default_rng([spec.seed, 2]).uniform([0, 0.4], [2 * np.pi, 2.5])
    for t in range(spec.num_frames) if frames is None else frames:
        sources = _sources(spec, field, levels[t], path[t], to_base)
        picture = _sample(base, sources, cv2.INTER_CUBIC)
        picture *= np.float32(1 + spec.flicker * np.sin(phase + speed * t))
        if spec.noise:
            rng = np.random.default_rng([spec.seed, 3, t])
            grain = rng.standard_normal(picture.shape[:2], dtype=np.float32)
            picture += np.float32(spec.noise) * grain[..., None]
        yield np.clip(np.rint(picture), 0, 255).astype(np.uint8)
