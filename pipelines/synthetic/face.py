"""Renders a subject's neutral face, in layers from the background to the hair.

Every surface carries texture at several scales, as skin does: without it neither optical flow nor a
network could see sub-pixel motion. Shading comes from one lamp on a height field. All of it is our
own choice (E): the paper trains on recorded databases only.
"""

import dataclasses

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from pipelines.synthetic import anatomy as anatomies
from pipelines.synthetic import texture

OVERSAMPLING = 2  # the base picture has this many pixels per frame pixel
CENTRE = (0.5, 0.43)  # of the eyes' midpoint in the frame, as shares of width and height
SMOOTH = (cv2.LINE_AA, 4)  # anti-aliased, coordinates in sixteenths of a px
LENS_BLUR = 1.2  # px of the base picture: keeps it below the frame's sampling limit


@dataclasses.dataclass(frozen=True)
class View:
    """How face coordinates lie in a picture: `scale` px per eye distance, origin and size in px."""

    scale: float
    origin: tuple
    size: tuple  # width, height

    def pixels(self, points):
        """Face coordinates (..., 2) -> px (x, y)."""
        return np.asarray(points, np.float32) * np.float32(self.scale) + np.float32(self.origin)

    def grid(self):
        """Face coordinates x, y of every pixel, each (h, w) float32."""
        width, height = self.size
        x = (np.arange(width, dtype=np.float32) - np.float32(self.origin[0])) / np.float32(self.scale)
        y = (np.arange(height, dtype=np.float32) - np.float32(self.origin[1])) / np.float32(self.scale)
        return np.meshgrid(x, y)

    def enlarged(self, factor):
        """The same view with `factor` times the pixels; pixel centres stay where they are."""
        origin = tuple((np.float64(self.origin) + 0.5) * factor - 0.5)
        return View(self.scale * factor, origin, tuple(int(n * factor) for n in self.size))


def frame_view(frame_size, eye_distance):
    """The view of a frame (width, height) px on a face of `eye_distance` px in its middle."""
    return View(float(eye_distance), tuple(c * n for c, n in zip(CENTRE, frame_size)), frame_size)


def curve(points, samples=48, closed=False):
    """A smooth curve through `points` (n, 2): (samples, 2)."""
    points = np.asarray(points, np.float64)
    if closed:
        points = np.concatenate([points, points[:1]])
    steps = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))]
    spline = CubicSpline(steps, points, bc_type="periodic" if closed else "natural")
    return spline(np.linspace(0, steps[-1], samples)).astype(np.float32)


def both_sides(left):
    """A left half running from the middle line outward -> the whole curve, right to left."""
    return np.concatenate([anatomies.mirror(left)[::-1], left[1:]])


def _extent(coverage):
    """The rows and columns where `coverage` (h, w) is not nothing, as two slices."""
    x, y, width, height = cv2.boundingRect((coverage > 1e-4).view(np.uint8))
    return slice(y, y + height), slice(x, x + width)


class _Painter:
    """The picture being painted, and the few brushes the layers share."""

    def __init__(self, anatomy, view):
        self.anatomy, self.view = anatomy, view
        self.rng = np.random.default_rng([anatomy.seed, 0x5EED])
        self.x, self.y = view.grid()
        self.shape = self.x.shape  # (h, w)
        self.picture = np.zeros((*self.shape, 3), np.float32)
        self.sides = [np.float32([-1, 1]), np.float32([1, 1])]  # the subject's right, then left

    def area(self, points, blur=0.01):
        """Coverage (h, w) in [0, 1] of the polygon `points`, its edge `blur` eye distances soft."""
        return self._brush(points, blur, 0, lambda mask, px: cv2.fillPoly(mask, px, 255, *SMOOTH))

    def line(self, points, width, blur=0.01):
        """Coverage of a line through `points`, `width` eye distances wide."""
        wide = max(1, round(width * self.view.scale))
        return self._brush(
            points, blur, wide, lambda mask, px: cv2.polylines(mask, px, False, 255, wide, *SMOOTH)
        )

    def _brush(self, points, blur, margin, draw):
        """Draws within the points' surroundings only, and softens what was drawn."""
        coverage = np.zeros(self.shape, np.float32)
        points, sigma = self.view.pixels(points), max(blur * self.view.scale, 0.5)
        margin = margin + 4 * sigma + 2
        limit = self.shape[::-1]
        x0, y0 = np.clip(points.min(axis=0) - margin, 0, limit).astype(int)
        x1, y1 = np.clip(points.max(axis=0) + margin, 0, limit).astype(int)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        draw(mask, [np.int32((points - [x0, y0]) * 16)])
        mask = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
        coverage[y0:y1, x0:x1] = mask / 255
        return coverage

    def hump(self, centre, sigma_x, sigma_y):
        """A Gaussian of height one at `centre`: (h, w)."""
        dx = np.exp(-0.5 * ((self.x[0] - centre[0]) / sigma_x) ** 2)
        dy = np.exp(-0.5 * ((self.y[:, 0] - centre[1]) / sigma_y) ** 2)
        return np.outer(dy, dx).astype(np.float32)

    def humps(self, centre, sigma_x, sigma_y):
        """The same on both sides of the face."""
        mirrored = (-centre[0], centre[1])
        return self.hump(centre, sigma_x, sigma_y) + self.hump(mirrored, sigma_x, sigma_y)

    def blobs(self, *sigmas_and_weights):
        """Noise of several scales, in eye distances: (h, w)."""
        scaled = [(max(s * self.view.scale, 0.5), w) for s, w in sigmas_and_weights]
        return texture.layers(self.rng, self.shape, scaled)

    def blurred(self, coverage, width):
        """`coverage` blurred by `width` eye distances."""
        return cv2.GaussianBlur(coverage, (0, 0), max(width * self.view.scale, 0.5))

    def lay(self, colour, coverage):
        """Lays `colour` ((3,) or (h, w, 3)) over the picture where `coverage` (h, w) says."""
        part = _extent(coverage)
        colour = np.asarray(colour, np.float32)
        colour = colour[part] if colour.ndim == 3 else colour
        self.picture[part] += (colour - self.picture[part]) * coverage[part][..., None]

    def darken(self, share, coverage):
        """Takes up to `share` of the light away where `coverage` says."""
        part = _extent(coverage)
        self.picture[part] *= (1 - np.float32(share) * coverage[part])[..., None]

    def hairs(self, starts, ends, widths, values):
        """Coverage of single hairs given in face coordinates."""
        pixels = self.view.pixels
        return texture.strokes(self.shape, pixels(starts), pixels(ends), widths, values)


def _background(p):
    pattern = 1 + p.blobs((0.5, 0.05), (0.12, 0.02), (0.03, 0.01))
    p.picture[:] = np.float32(p.anatomy.background) * (pattern + 0.06 * p.x)[..., None]


def _neck_and_shirt(p):
    a = p.anatomy
    neck = [(0.0, 1.0), (0.72, 1.0), (0.70, a.chin + 0.25), (1.1, a.chin + 0.55), (1.2, 6), (0, 6)]
    skin = np.float32(a.skin) * 0.62 * (1 + p.blobs((0.1, 0.04), (0.02, 0.03)))[..., None]
    p.lay(skin, p.area(both_sides(np.float32(neck)), 0.03))
    shirt = [(0, a.chin + 0.75), (0.6, a.chin + 0.42), (2.3, a.chin + 0.85), (2.6, 6), (0, 6)]
    colour = p.rng.uniform(30, 190, 3) * (1 + p.blobs((0.03, 0.08), (0.2, 0.06)))[..., None]
    p.lay(colour, p.area(both_sides(np.float32(shirt)), 0.015))


def _hair_behind(p):
    a = p.anatomy
    w = a.face_width
    cap = [(0, a.forehead - 0.72), (0.7 * w, a.forehead - 0.55), (1.16 * w, a.forehead + 0.1)]
    cap += [(1.17 * w, -0.2), (1.12 * w, a.hair_side), (0.8 * w, a.hair_side + 0.1), (0, 0.1)]
    grain = 1 + p.blobs((0.015, 0.10), (0.05, 0.08), (0.2, 0.08))
    p.lay(np.float32(a.hair) * grain[..., None], p.area(curve(both_sides(np.float32(cap)), 120), 0.02))


def _ears(p):
    w = p.anatomy.face_width
    for side in p.sides:
        ear = [(w - 0.03, -0.1), (w + 0.1, -0.16), (w + 0.14, 0.1), (w + 0.07, 0.42), (w - 0.04, 0.5)]
        shape = curve(np.float32(ear) * side, 40, closed=True)
        p.lay(np.float32(p.anatomy.skin) * 0.8, p.area(shape, 0.015))
        inner = curve(np.float32([(w, 0), (w + 0.07, -0.02), (w + 0.05, 0.25)]) * side)
        p.darken(0.35, p.line(inner, 0.02, 0.012))


def _height(p):
    """The face's relief towards the camera, in eye distances: (h, w)."""
    a, at = p.anatomy, anatomies.anchors(p.anatomy)
    middle = 0.5 * (a.chin + a.forehead - 0.4)
    radius = ((p.x / (1.18 * a.face_width)) ** 2) + ((p.y - middle) / (1.25 * (a.chin - middle))) ** 2
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
    z += 0.0011 * p.blobs((0.02, 1.0)) + 0.0006 * p.blobs((0.01, 1.0))  # pores stand out in relief
    dy, dx = np.gradient(z * np.float32(p.view.scale))
    lamp = np.float32(a.light) / np.linalg.norm(a.light)
    lit = (lamp[2] - dx * lamp[0] - dy * lamp[1]) / np.sqrt(1 + dx * dx + dy * dy)
    return a.ambient + (1 - a.ambient) * np.maximum(lit, 0) * 1.15


def _skin(p):
    a = p.anatomy
    tone = 1 + p.blobs((0.4, 0.03), (0.12, 0.035), (0.05, 0.035), (0.025, 0.03), (0.012, 0.03))
    red = 0.5 * p.humps((0.68, 0.55), 0.22, 0.2) + 0.5 * p.hump((0, a.nose_base - 0.15), 0.15, 0.12)
    red = red + p.blobs((0.06, 0.12), (0.02, 0.06))
    colour = np.float32(a.skin) * tone[..., None] * (1 + red[..., None] * np.float32([0.01, -0.07, -0.07]))
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
    radii = p.rng.uniform(0.006, 0.02, count) * p.view.scale
    values = p.rng.uniform(30, 150, count)
    cover = texture.spots(p.shape, p.view.pixels(centres), radii, values)
    p.lay(np.float32(p.anatomy.skin) * [0.62, 0.5, 0.42], 0.8 * face * p.blurred(cover, 0.005))


def _folds(p):
    a, at = p.anatomy, anatomies.anchors(p.anatomy)
    depth = 0.1 + 0.16 * a.wrinkles
    wing, corner = at["nose_wing"], at["mouth_corner"]
    for side in p.sides:
        beside = (corner[0] + 0.13, corner[1] - 0.08)
        fold = [(wing[0] + 0.05, wing[1] - 0.06), (wing[0] + 0.17, wing[1] + 0.14), beside]
        p.darken(depth, p.line(curve(np.float32(fold) * side), 0.02, 0.02))
        bag = [(0.32, 0.13), (0.48, 0.2), (0.68, 0.15)]
        p.darken(depth, p.line(curve(np.float32(bag) * side), 0.015, 0.015))
        for angle in (-0.06, 0.0, 0.07):  # crow's feet
            foot = [(0.79, 0.3 * angle), (0.95, 1.6 * angle)]
            p.darken(0.7 * depth, p.line(np.float32(foot) * side, 0.008, 0.008))
        frown = [(0.07, a.brow_height), (0.09, a.brow_height + 0.16)]
        p.darken(0.6 * depth, p.line(np.float32(frown) * side, 0.012, 0.012))
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
    p.lay(np.float32(a.hair), 0.55 * a.stubble * beard * grain * face)


def _eyes(p):
    a = p.anatomy
    upper, lower = anatomies.eye(a)
    upper, lower = curve(upper, 24), curve(lower, 24)
    gaze = p.rng.uniform(-0.015, 0.015, 2)
    for side in p.sides:
        opening = p.area(np.concatenate([upper, lower[::-1]]) * side, 0.006)
        white = np.float32([226, 218, 212]) * (1 + p.blobs((0.03, 0.03), (0.01, 0.02)))[..., None]
        p.lay(white, opening)
        centre = np.float32([0.5, -0.018]) * side + gaze
        _iris(p, centre, opening)
        p.darken(0.4, p.blurred(p.line(upper * side, 0.05), 0.02) * opening)  # the lid's shadow
        p.darken(0.3, p.hump(np.float32([0.31, 0.015]) * side, 0.02, 0.02))
        p.lay(np.float32(a.hair) * 0.5, 0.85 * p.line(upper * side, 0.022, 0.007))
        p.darken(0.35, p.line(lower * side, 0.012, 0.008))
        crease = upper * [1, 1.0] + np.float32([0, -0.055])
        p.darken(0.35, p.line(crease[2:] * side, 0.015, 0.012))
        _lashes(p, upper, side)


def _iris(p, centre, opening):
    radius = np.hypot(p.x - centre[0], p.y - centre[1])
    edge = np.float32(1.5 / p.view.scale)

    def disc(size):
        return np.clip((size - radius) / edge + 0.5, 0, 1) * opening

    rays = 1 + p.blobs((0.008, 0.25)) - 0.45 * (radius > 0.078)
    p.lay(np.float32(p.anatomy.iris) * rays[..., None], disc(0.094))
    p.lay((12, 10, 10), disc(0.040))
    lamp = centre + 0.03 * np.sign([p.anatomy.light[0], -1])
    p.lay((250, 250, 250), 0.9 * p.hump(lamp, 0.012, 0.012) * opening)


def _lashes(p, upper, side):
    starts = upper[6:] * side
    lean = np.linspace(-0.1, 0.9, len(starts))[:, None] * [0.05, 0] * side
    ends = starts + lean + [0, -0.045]
    cover = p.hairs(starts, ends, [1] * len(starts), [170] * len(starts))
    p.lay(np.float32(p.anatomy.hair) * 0.5, cover)


def _brows(p):
    a = p.anatomy
    middle = curve(anatomies.brow(a), 60)
    taper = np.interp(np.linspace(0, 1, 60), [0, 0.15, 0.6, 1], [0.6, 1.0, 0.85, 0.25])
    half = (0.5 * a.brow_thickness * taper)[:, None] * np.float32([0, 1])
    for side in p.sides:
        body = np.concatenate([middle - half, (middle + half)[::-1]]) * side
        p.lay(np.float32(a.hair) * 1.1, 0.55 * p.area(body, 0.016))
        count = 170
        index = p.rng.integers(0, 60, count)
        offset = p.rng.uniform(-1.1, 1.1, (count, 1))
        roots = middle[index] + offset * half[index]
        lean = np.stack([np.linspace(0.02, 0.09, 60), np.linspace(-0.06, 0.015, 60)], axis=1)[index]
        tips = roots + lean * p.rng.uniform(0.6, 1.2, (count, 1)) - [0, 0.15] * (roots - middle[index])
        values = p.rng.uniform(90, 220, count)
        widths = [max(1, round(0.008 * p.view.scale))] * count
        p.lay(np.float32(a.hair) * 0.8, p.hairs(roots * side, tips * side, widths, values))


def _nose(p):
    a, at = p.anatomy, anatomies.anchors(p.anatomy)
    wing_x, wing_y = at["nose_wing"]
    for side in p.sides:
        hole = np.float32([(0.06, 0), (0.13, -0.035), (0.19, -0.005), (0.13, 0.02)])
        hole = hole * [a.nose_width / 0.28, 1] + [0, a.nose_base - 0.045]
        p.lay((42, 22, 18), 0.8 * p.area(curve(hole * side, 32, closed=True), 0.012))
        wing = [(wing_x - 0.06, wing_y - 0.11), (wing_x, wing_y - 0.02), (wing_x - 0.05, wing_y + 0.075)]
        p.darken(0.42, p.line(curve(np.float32(wing) * side), 0.018, 0.014))
        bridge = [(0.15, -0.1), (0.11, 0.15), (0.14, 0.42)]
        p.darken(0.08, p.line(curve(np.float32(bridge) * side), 0.05, 0.05))
    p.darken(0.22, p.hump((0, a.nose_base + 0.005), 0.16, 0.03))
    p.darken(0.10, p.hump((0, a.nose_base + 0.12), 0.025, 0.07))  # philtrum


def _mouth(p):
    a = p.anatomy
    top, line, bottom = (both_sides(curve(half, 24)) for half in anatomies.lips(a))
    red = np.float32(a.skin) * (1 - a.lip_redness * np.float32([0.18, 0.42, 0.36]))
    furrows = 1 + p.blobs((0.012, 0.06), (0.03, 0.06), (0.09, 0.04))
    p.lay(red * 0.82 * furrows[..., None], p.area(np.concatenate([top, line[::-1]]), 0.014))
    p.lay(red * 0.98 * furrows[..., None], p.area(np.concatenate([line, bottom[::-1]]), 0.016))
    p.picture *= (1 + 0.14 * p.hump((0, a.mouth + 0.55 * a.lip_lower), 0.16, 0.03))[..., None]
    p.lay((56, 26, 24), 0.8 * p.line(line, 0.016, 0.010))
    for side in p.sides:
        p.darken(0.35, p.hump(np.float32([a.mouth_width, a.mouth]) * side, 0.03, 0.025))
    p.darken(0.18, p.hump((0, a.mouth + a.lip_lower + 0.06), 0.2, 0.04))


def _hair_in_front(p):
    a = p.anatomy
    w = a.face_width
    line = np.float32([(0, a.forehead), (0.5, a.forehead + 0.04), (0.9 * w, a.forehead + 0.35)])
    line = np.concatenate([line, [(1.02 * w, -0.25), (1.05 * w, a.hair_side * 0.6)]])
    outer = [(1.16 * w, a.hair_side * 0.6), (1.17 * w, -0.3), (1.1 * w, a.forehead - 0.1)]
    outer += [(0.65 * w, a.forehead - 0.6), (0, a.forehead - 0.75)]
    half = np.concatenate([curve(line, 40), curve(outer, 40)])
    grain = 1 + p.blobs((0.012, 0.09), (0.04, 0.08), (0.15, 0.08))
    cover = p.area(half, 0.02) + p.area(half * p.sides[0], 0.02)
    p.lay(np.float32(a.hair) * grain[..., None], np.clip(cover, 0, 1))
    count = 500
    roots = curve(both_sides(line), 200)[p.rng.integers(0, 200, count)]
    lean = np.stack([0.12 * roots[:, 0], np.full(count, -0.35)], axis=1)
    ends = roots + lean * p.rng.uniform(0.5, 1.3, (count, 1)) + p.rng.normal(0, 0.03, (count, 2))
    roots = roots + p.rng.normal(0, 0.02, (count, 2))
    hairs = p.hairs(roots, ends, [1] * count, p.rng.uniform(60, 200, count))
    p.lay(np.float32(a.hair) * p.rng.choice([0.6, 1.5]), 0.8 * hairs)


def render(anatomy, view):
    """Paints the neutral face.

    Args:
        anatomy: `anatomy.Anatomy`.
        view: `View` of the picture to paint; for frames, `frame_view(...).enlarged(OVERSAMPLING)`.
    Returns:
        (h, w, 3) float32 RGB in [0, 255], band-limited for sampling at every `OVERSAMPLING`-th px.
    """
    p = _Painter(anatomy, view)
    _background(p)
    _neck_and_shirt(p)
    _hair_behind(p)
    _ears(p)
    face = _skin(p)
    _nose(p)
    _mouth(p)
    light = 1 + (_shading(p) - 1) * face
    _eyes(p)
    _brows(p)
    p.picture *= (anatomy.exposure * light)[..., None]
    _hair_in_front(p)
    return np.clip(cv2.GaussianBlur(p.picture, (0, 0), LENS_BLUR), 0, 255)
