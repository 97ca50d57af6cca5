"""Renders a subject's neutral face, in layers from the background to the hair.

Every surface carries texture at several scales, as skin does: without it neither optical flow nor a
network could see sub-pixel motion. Shading comes from one lamp on a height field. All of it is our
own choice (E): the paper trains on recorded databases only.
"""

import cv2
import numpy as np

from pipelines.synthetic import anatomy as anatomies
from pipelines.synthetic import features
from pipelines.synthetic.anatomy import floats
from pipelines.synthetic.painter import Painter, View, both_sides, curve

OVERSAMPLING = 2  # the base picture has this many pixels per frame pixel
CENTRE = (0.5, 0.43)  # of the eyes' midpoint in the frame, as shares of width and height
LENS_BLUR = 1.4  # px of the base picture: keeps it below the frame's sampling limit


def frame_view(frame_size, eye_distance):
    """The view of a frame (width, height) px on a face of `eye_distance` px in its middle."""
    return View(float(eye_distance), tuple(c * n for c, n in zip(CENTRE, frame_size)), frame_size)


def _background(p):
    pattern = 1 + p.blobs((0.5, 0.05), (0.12, 0.02), (0.03, 0.01))
    p.picture[:] = floats(p.anatomy.background) * (pattern + 0.06 * p.x)[..., None]


def _neck_and_shirt(p):
    a = p.anatomy
    neck = [(0.0, 1.0), (0.72, 1.0), (0.70, a.chin + 0.25), (1.1, a.chin + 0.55), (1.2, 6), (0, 6)]
    skin = floats(a.skin) * 0.62 * (1 + p.blobs((0.1, 0.04), (0.02, 0.03)))[..., None]
    p.lay(skin, p.area(both_sides(floats(neck)), 0.03))
    shirt = [(0, a.chin + 0.75), (0.6, a.chin + 0.42), (2.3, a.chin + 0.85), (2.6, 6), (0, 6)]
    colour = p.rng.uniform(30, 190, 3) * (1 + p.blobs((0.03, 0.08), (0.2, 0.06)))[..., None]
    p.lay(colour, p.area(both_sides(floats(shirt)), 0.015))


def _hair_behind(p):
    a = p.anatomy
    w = a.face_width
    cap = [(0, a.forehead - 0.72), (0.7 * w, a.forehead - 0.55), (1.16 * w, a.forehead + 0.1)]
    cap += [(1.17 * w, -0.2), (1.12 * w, a.hair_side), (0.8 * w, a.hair_side + 0.1), (0, 0.1)]
    grain = 1 + p.blobs((0.015, 0.10), (0.05, 0.08), (0.2, 0.08))
    outline = curve(both_sides(floats(cap)), 120)
    p.lay(floats(a.hair) * grain[..., None], p.area(outline, 0.02))


def _ears(p):
    w = p.anatomy.face_width
    for side in p.sides:
        ear = [(-0.03, -0.1), (0.1, -0.16), (0.14, 0.1), (0.07, 0.42), (-0.04, 0.5)]
        shape = curve((floats(ear) + [w, 0]) * side, 40, closed=True)
        p.lay(floats(p.anatomy.skin) * 0.8, p.area(shape, 0.015))
        inner = curve(floats([(w, 0), (w + 0.07, -0.02), (w + 0.05, 0.25)]) * side)
        p.darken(0.35, p.line(inner, 0.02, 0.012))


def _skin(p):
    a = p.anatomy
    tone = 1 + p.blobs((0.4, 0.03), (0.12, 0.04), (0.06, 0.05), (0.03, 0.045), (0.014, 0.02))
    red = p.humps((0.68, 0.55), 0.22, 0.2) + p.hump((0, a.nose_base - 0.15), 0.15, 0.12)
    red = 0.5 * red + p.blobs((0.06, 0.12), (0.02, 0.06))
    tint = 1 + red[..., None] * floats([0.01, -0.07, -0.07])
    colour = floats(a.skin) * tone[..., None] * tint
    face = p.area(curve(both_sides(anatomies.outline(a)), 160), 0.02)
    p.darken(0.5, cv2.GaussianBlur(face, (0, 0), 0.08 * p.view.scale))  # shadow on neck and hair
    p.lay(colour, face)
    _freckles(p, face)
    _folds(p)
    _stubble(p, face)
    return face


def _freckles(p, face):
    count = int(60 + 240 * p.anatomy.freckles)
    centres = p.rng.uniform([-1, -0.9], [1, p.anatomy.chin - 0.1], (count, 2))
    radii, values = p.rng.uniform(0.006, 0.02, count), p.rng.uniform(30, 150, count)
    cover = p.spots(centres, radii, values)
    p.lay(floats(p.anatomy.skin) * [0.62, 0.5, 0.42], 0.8 * face * p.blurred(cover, 0.005))


def _folds(p):
    a, at = p.anatomy, anatomies.anchors(p.anatomy)
    depth = 0.1 + 0.16 * a.wrinkles
    wing, corner = at["nose_wing"], at["mouth_corner"]
    for side in p.sides:
        beside = (corner[0] + 0.13, corner[1] - 0.08)
        fold = [(wing[0] + 0.05, wing[1] - 0.06), (wing[0] + 0.17, wing[1] + 0.14), beside]
        p.darken(depth, p.line(curve(floats(fold) * side), 0.02, 0.02))
        bag = [(0.32, 0.13), (0.48, 0.2), (0.68, 0.15)]
        p.darken(depth, p.line(curve(floats(bag) * side), 0.015, 0.015))
        for angle in (-0.06, 0.0, 0.07):  # crow's feet
            foot = [(0.79, 0.3 * angle), (0.95, 1.6 * angle)]
            p.darken(0.7 * depth, p.line(floats(foot) * side, 0.008, 0.008))
        frown = [(0.07, a.brow_height), (0.09, a.brow_height + 0.16)]
        p.darken(0.6 * depth, p.line(floats(frown) * side, 0.012, 0.012))
    for share in (0.3, 0.55, 0.78):  # across the forehead
        y = a.brow_height - 0.05 + share * (a.forehead - a.brow_height)
        bend = p.rng.uniform(-0.04, 0.04, 5)
        crease = np.stack([np.linspace(-0.65, 0.65, 5), y + bend], axis=1)
        p.darken(0.6 * depth, p.line(curve(crease), 0.012, 0.012))


def _stubble(p, face):
    a = p.anatomy
    if not a.stubble:
        return
    beard = p.hump((0, a.mouth + 0.45), 0.6, 0.28) + 0.6 * p.humps((0.75, a.mouth), 0.2, 0.4)
    beard = np.clip(beard + 0.7 * p.hump((0, a.mouth - 0.2), 0.3, 0.06), 0, 1)
    grain = np.clip(0.35 + p.blobs((0.012, 0.3), (0.02, 0.2)), 0, 1)
    p.lay(floats(a.hair), 0.55 * a.stubble * beard * grain * face)


def _height(p):
    """The face's relief towards the camera, in eye distances: (h, w)."""
    a, at = p.anatomy, anatomies.anchors(p.anatomy)
    middle = 0.5 * (a.chin + a.forehead - 0.4)
    width, height = 1.18 * a.face_width, 1.25 * (a.chin - middle)
    radius = (p.x / width) ** 2 + ((p.y - middle) / height) ** 2
    z = 0.95 * np.sqrt(np.maximum(1 - 0.9 * radius, 0.03))
    z -= 0.13 * p.humps((0.5, 0.02), 0.26, 0.16)  # eye sockets
    z += 0.07 * p.humps((0.5, 0.0), 0.15, 0.10)  # eye balls
    z += 0.06 * p.humps((0.5, a.brow_height + 0.03), 0.34, 0.10)  # brow ridge
    z += 0.10 * p.humps((0.66, 0.5), 0.28, 0.26)  # cheeks
    length = a.nose_base - 0.15
    ridge = np.clip((p.y + 0.15) / (length + 0.15), 0, 1)
    ridge = 0.08 + 0.24 * ridge * (p.y < length) + 0.24 * (p.y >= length)
    below = np.exp(-0.5 * (np.maximum(p.y - length, 0) / 0.085) ** 2)
    above = np.exp(-0.5 * (np.maximum(-0.15 - p.y, 0) / 0.15) ** 2)
    z += ridge * below * above * np.exp(-0.5 * (p.x / (0.085 + 0.04 * (p.y > 0.3))) ** 2)
    z += 0.10 * p.humps((0.8 * a.nose_width, at["nose_wing"][1]), 0.075, 0.08)
    z += 0.05 * p.hump((0, a.mouth - 0.05), 0.35, 0.16) - 0.03 * p.hump((0, a.mouth), 0.28, 0.02)
    z += 0.04 * p.hump((0, a.mouth + 0.5 * a.lip_lower), 0.22, 0.05)
    z -= 0.05 * p.hump((0, a.mouth + a.lip_lower + 0.08), 0.25, 0.06)
    return z + 0.09 * p.hump((0, a.mouth + 0.62 * (a.chin - a.mouth)), 0.2, 0.14)


def _shading(p):
    """Light on the relief, about 1 where the lamp meets it squarely: (h, w)."""
    a = p.anatomy
    z = cv2.GaussianBlur(_height(p), (0, 0), 0.02 * p.view.scale)
    z += p.blobs((0.035, 0.0022), (0.02, 0.0009), (0.01, 0.0003))  # pores stand out in relief
    dy, dx = np.gradient(z * np.float32(p.view.scale))
    lamp = floats(a.light) / np.linalg.norm(a.light)
    lit = (lamp[2] - dx * lamp[0] - dy * lamp[1]) / np.sqrt(1 + dx * dx + dy * dy)
    return a.ambient + (1 - a.ambient) * np.maximum(lit, 0) * 1.15


def _hair_in_front(p):
    a = p.anatomy
    w = a.face_width
    line = floats([(0, a.forehead), (0.5, a.forehead + 0.04), (0.9 * w, a.forehead + 0.35)])
    line = np.concatenate([line, [(1.02 * w, -0.25), (1.05 * w, a.hair_side * 0.6)]])
    outer = [(1.16 * w, a.hair_side * 0.6), (1.17 * w, -0.3), (1.1 * w, a.forehead - 0.1)]
    outer += [(0.65 * w, a.forehead - 0.6), (0, a.forehead - 0.75)]
    half = np.concatenate([curve(line, 40), curve(outer, 40)])
    grain = 1 + p.blobs((0.012, 0.09), (0.04, 0.08), (0.15, 0.08))
    cover = p.area(half, 0.02) + p.area(half * p.sides[0], 0.02)
    p.lay(floats(a.hair) * grain[..., None], np.clip(cover, 0, 1))
    count = 500
    roots = curve(both_sides(line), 200)[p.rng.integers(0, 200, count)]
    lean = np.stack([0.12 * roots[:, 0], np.full(count, -0.35)], axis=1)
    ends = roots + lean * p.rng.uniform(0.5, 1.3, (count, 1)) + p.rng.normal(0, 0.03, (count, 2))
    roots = roots + p.rng.normal(0, 0.02, (count, 2))
    hairs = p.hairs(roots, ends, p.rng.uniform(60, 200, count))
    p.lay(floats(a.hair) * p.rng.choice([0.6, 1.5]), 0.8 * hairs)


def render(anatomy, view):
    """Paints the neutral face.

    Args:
        anatomy: `anatomy.Anatomy`.
        view: `View` of the picture to paint; for frames, `frame_view(...).enlarged(OVERSAMPLING)`.
    Returns:
        (h, w, 3) float32 RGB in [0, 255], band-limited for sampling at every `OVERSAMPLING`-th px.
    """
    p = Painter(anatomy, view)
    _background(p)
    _neck_and_shirt(p)
    _hair_behind(p)
    _ears(p)
    face = _skin(p)
    features.nose(p)
    features.mouth(p)
    light = 1 + (_shading(p) - 1) * face
    features.eyes(p)
    features.brows(p)
    p.picture *= (anatomy.exposure * light)[..., None]
    _hair_in_front(p)
    return np.clip(cv2.GaussianBlur(p.picture, (0, 0), LENS_BLUR), 0, 255)
