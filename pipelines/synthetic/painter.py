"""The picture a face is painted on: coordinates, smooth curves, and a few soft brushes."""

import dataclasses

import cv2
import numpy as np
from scipy.interpolate import CubicSpline

from pipelines.synthetic import anatomy as anatomies
from pipelines.synthetic.anatomy import floats

SMOOTH = (cv2.LINE_AA, 4)  # anti-aliased, coordinates in sixteenths of a px


@dataclasses.dataclass(frozen=True)
class View:
    """How face coordinates lie in a picture: `scale` px per eye distance, origin and size in px."""

    scale: float
    origin: tuple
    size: tuple  # width, height

    def pixels(self, points):
        """Face coordinates (..., 2) -> px (x, y)."""
        return floats(points) * np.float32(self.scale) + floats(self.origin)

    def grid(self):
        """Face coordinates x, y of every pixel, each (h, w) float32."""
        width, height = self.size
        x = (np.arange(width) - self.origin[0]) / self.scale
        y = (np.arange(height) - self.origin[1]) / self.scale
        return np.meshgrid(x.astype(np.float32), y.astype(np.float32))

    def enlarged(self, factor):
        """The same view with `factor` times the pixels; pixel centres stay where they are."""
        origin = tuple((np.array(self.origin) + 0.5) * factor - 0.5)
        return View(self.scale * factor, origin, tuple(int(n * factor) for n in self.size))


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


def _noise(rng, shape, sigma):
    """Smooth noise of zero mean and unit deviation, its spots about `sigma` px wide: (h, w)."""
    height, width = shape
    step = max(1, int(sigma / 1.5))  # coarse noise is made small, then enlarged
    small = rng.standard_normal((height // step + 8, width // step + 8), dtype=np.float32)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / step, 0.4))
    small /= small.std()
    if step == 1:
        return small[4 : 4 + height, 4 : 4 + width]
    size = (small.shape[1] * step, small.shape[0] * step)
    return cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)[:height, :width]


class Painter:
    """The picture being painted, and the few brushes the layers share."""

    def __init__(self, anatomy, view):
        self.anatomy, self.view = anatomy, view
        self.rng = np.random.default_rng([anatomy.seed, 0x5EED])
        self.x, self.y = view.grid()
        self.shape = self.x.shape  # (h, w)
        self.picture = np.zeros((*self.shape, 3), np.float32)
        self.sides = [floats([-1, 1]), floats([1, 1])]  # the subject's right, then left

    def area(self, points, blur=0.01):
        """Coverage (h, w) in [0, 1] of the polygon `points`, its edge `blur` eye distances soft."""
        return self._brush(points, blur)

    def line(self, points, width, blur=0.01):
        """Coverage of a line through `points`, `width` eye distances wide."""
        return self._brush(points, blur, max(1, round(width * self.view.scale)))

    def _brush(self, points, blur, wide=0):
        """A polygon, or a line `wide` px wide, softened; only its surroundings are worked on."""
        coverage = np.zeros(self.shape, np.float32)
        points, sigma = self.view.pixels(points), max(blur * self.view.scale, 0.5)
        margin = wide + 4 * sigma + 2
        limit = self.shape[::-1]
        x0, y0 = np.clip(points.min(axis=0) - margin, 0, limit).astype(int)
        x1, y1 = np.clip(points.max(axis=0) + margin, 0, limit).astype(int)
        if x1 <= x0 or y1 <= y0:  # outside the picture
            return coverage
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        px = [((points - [x0, y0]) * 16).astype(np.int32)]
        if wide:
            cv2.polylines(mask, px, False, (255,), wide, *SMOOTH)
        else:
            cv2.fillPoly(mask, px, (255,), *SMOOTH)
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)
        coverage[y0:y1, x0:x1] = soft / 255
        return coverage

    def hairs(self, starts, ends, values, width=1):
        """Coverage of single hairs given in face coordinates, `width` px wide."""
        mask = np.zeros(self.shape, np.uint8)
        starts, ends = ((16 * self.view.pixels(p)).astype(int).tolist() for p in (starts, ends))
        for start, end, value in zip(starts, ends, values):
            cv2.line(mask, start, end, (int(value),), width, *SMOOTH)
        return mask.astype(np.float32) / 255

    def spots(self, centres, radii, values):
        """Coverage of round spots given in face coordinates."""
        mask = np.zeros(self.shape, np.uint8)
        centres = (16 * self.view.pixels(centres)).astype(int).tolist()
        radii = (16 * self.view.scale * radii).astype(int).tolist()
        for centre, radius, value in zip(centres, radii, values):
            cv2.circle(mask, centre, radius, (int(value),), -1, *SMOOTH)
        return mask.astype(np.float32) / 255

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
        scale = self.view.scale
        return sum(
            np.float32(weight) * _noise(self.rng, self.shape, max(sigma * scale, 0.5))
            for sigma, weight in sigmas_and_weights
        )

    def blurred(self, coverage, width):
        """`coverage` blurred by `width` eye distances."""
        return cv2.GaussianBlur(coverage, (0, 0), max(width * self.view.scale, 0.5))

    def lay(self, colour, coverage):
        """Lays `colour` ((3,) or (h, w, 3)) over the picture where `coverage` (h, w) says."""
        part = _extent(coverage)
        colour = floats(colour)
        colour = colour[part] if colour.ndim == 3 else colour
        self.picture[part] += (colour - self.picture[part]) * coverage[part][..., None]

    def darken(self, share, coverage):
        """Takes up to `share` of the light away where `coverage` says."""
        part = _extent(coverage)
        self.picture[part] *= (1 - np.float32(share) * coverage[part])[..., None]
