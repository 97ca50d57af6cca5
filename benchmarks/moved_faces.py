"""Faces that moved in a way that is known: pairs of frames, and the true displacement.

None of these people, and none of the swirls, is in anything that the displacement generator learns
from.
"""

import cv2
import numpy as np

from pipelines.faces import align
from pipelines.schema import CLASSES
from pipelines.synthetic import anatomy, clip, motion, plan
from pipelines.synthetic.options import SynthesisConfig

SIZE = 128  # px
# Seed of the people: the demo's have 0, those of the shipped weights 7; settings were chosen on 1.
PEOPLE = 11
NOISE = 1.0  # grey levels, of a photograph moved here; rendered frames have their own
MEAN_MOTION = 0.6  # px, times 0.5 to 1.5


def rendered_clips(count):
    """Onset and apex of rendered people, six pairs each, as frames of a film.

    Their heads keep still, so that what is measured is the displacement and not the alignment.

    Args:
        count: int, pairs.
    Returns:
        `(n, S, S)` uint8 twice, and `(n, S, S, 2)` float32 px.
    """
    config = SynthesisConfig(seed=PEOPLE, drift=0.0, blend=0.0)
    pairs = []
    for number in range(count):
        emotion = CLASSES[number % len(CLASSES)]
        spec = plan.draw_spec(config, 1 + number // 6, number % 6, emotion)
        frames = list(clip.render(spec, [0, spec.apex]))
        aligned = align.align_clip(frames, margin=0, rigid=False)
        truth = clip.aligned_displacement(spec, aligned.matrix, SIZE)
        pairs.append((aligned.frames[0, ..., 0], aligned.frames[1, ..., 0], truth))
    return tuple(np.stack(column) for column in zip(*pairs))


def rendered_faces(count):
    """Grey images of rendered people, each as `moved` takes it: a function of points."""
    config = SynthesisConfig(seed=PEOPLE, drift=0.0, blend=0.0, noise=0.0)
    specs = [plan.draw_spec(config, 1 + n, 0, CLASSES[0]) for n in range(-(-count // 6))]
    faces = [_aligned(next(clip.render(spec, [0]))) for spec in specs]
    return [faces[number // 6] for number in range(count)]


def photograph(count):
    """The astronaut of scikit-image (NASA, public domain), `count` times, as `rendered_faces`."""
    import skimage.data

    return [_aligned(skimage.data.astronaut())] * count


def _aligned(image):
    """Function of `(h, w, 2)` px of the aligned face: what a frame shows there, grey levels."""
    matrix = align.align_clip([image], image_size=SIZE, margin=0, rigid=False).matrix
    back = cv2.invertAffineTransform(matrix).astype(np.float32)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    pixels = float(np.sqrt(np.linalg.det(back[:, :2])))  # of the image, in one of the aligned face
    if pixels > 1:
        grey = cv2.GaussianBlur(grey, (0, 0), 0.5 * pixels)

    def shown(points):
        at = (points @ back[:, :2].T + back[:, 2]).astype(np.float32)
        nothing = np.empty(0, np.float32)
        return cv2.remap(grey, at, nothing, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)

    return shown


def moved(faces, draw_field, seed=PEOPLE):
    """Onset and apex of faces that are moved by drawn fields, each sampled once from its image.

    Args:
        faces: list of functions of points.
        draw_field: function of a generator; `(S, S, 2)` px.
    Returns:
        as `rendered_clips`.
    """
    rng, grid = np.random.default_rng(seed), pixel_grid()
    pairs = []
    for shown in faces:
        field = draw_field(rng)
        field *= MEAN_MOTION * rng.uniform(0.5, 1.5) / np.linalg.norm(field, axis=-1).mean()
        start = grid + rng.uniform(-3, 3, 2).astype(np.float32)
        truth = field  # the apex at q shows what is at q - field(q)
        for _ in range(8):
            truth = cv2.remap(
                field, grid + truth, np.empty(0, np.float32), cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
        frames = [shown(start), 1.005 * shown(start - field)]  # the lamp flickers
        frames = [frame + NOISE * rng.standard_normal(frame.shape) for frame in frames]
        pairs.append((*(np.clip(np.rint(f), 0, 255).astype(np.uint8) for f in frames), truth))
    return tuple(np.stack(column) for column in zip(*pairs))


def pixel_grid():
    """`(S, S, 2)` float32, x and y of each pixel."""
    steps = np.arange(SIZE, dtype=np.float32)
    return np.stack(np.meshgrid(steps, steps), axis=-1)


def expression(rng):
    """The action units of a random expression, on a random person: `(S, S, 2)` px."""
    person = anatomy.sample(int(rng.integers(10**6)))
    units = motion.draw_units(rng, CLASSES[rng.integers(len(CLASSES))])
    rows = motion.scaled_bumps(person, units, MEAN_MOTION)
    return motion.evaluate(rows, motion.face_grid(SIZE)) * motion.ALIGNED_EYE_DISTANCE


def swirls(rng):
    """Three whirls and a wave across, of no family that is trained on: `(S, S, 2)`."""
    grid, field = pixel_grid(), np.zeros((SIZE, SIZE, 2), np.float32)
    for _ in range(3):
        x, y = np.moveaxis(grid - rng.uniform(20, 108, 2), -1, 0)
        size = rng.uniform(8, 24)
        near = rng.normal() * np.exp(-0.5 * (x**2 + y**2) / size**2) / size
        field += np.stack([-y * near, x * near], axis=-1).astype(np.float32)
    along, across = rng.normal(size=(2, 2))
    wave = along / np.linalg.norm(along) * 2 * np.pi / rng.uniform(40, 90)
    phase = grid @ wave + rng.uniform(0, 2 * np.pi)
    field += 0.7 * np.sin(phase)[..., None] * across / np.linalg.norm(across)
    return field.astype(np.float32)
