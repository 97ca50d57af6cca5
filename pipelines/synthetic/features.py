"""Paints what a face is recognised by: eyes, brows, nose and mouth, both sides from one shape."""

import numpy as np

from pipelines.synthetic import anatomy as anatomies
from pipelines.synthetic.anatomy import floats
from pipelines.synthetic.painter import both_sides, curve


def eyes(p):
    """Paints both eyes: ball, iris, pupil, lids and lashes."""
    a = p.anatomy
    upper, lower = anatomies.eye(a)
    upper, lower = curve(upper, 24), curve(lower, 24)
    gaze = p.rng.uniform(-0.015, 0.015, 2)
    for side in p.sides:
        opening = p.area(np.concatenate([upper, lower[::-1]]) * side, 0.006)
        white = floats([226, 218, 212]) * (1 + p.blobs((0.03, 0.03), (0.01, 0.02)))[..., None]
        p.lay(white, opening)
        centre = floats([0.5, -0.018]) * side + gaze
        _iris(p, centre, opening)
        p.darken(0.4, p.blurred(p.line(upper * side, 0.05), 0.02) * opening)  # the lid's shadow
        p.darken(0.3, p.hump(floats([0.31, 0.015]) * side, 0.02, 0.02))
        p.lay(floats(a.hair) * 0.5, 0.85 * p.line(upper * side, 0.022, 0.007))
        p.darken(0.35, p.line(lower * side, 0.012, 0.008))
        crease = upper * [1, 1.0] + floats([0, -0.055])
        p.darken(0.35, p.line(crease[2:] * side, 0.015, 0.012))
        _lashes(p, upper, side)


def _iris(p, centre, opening):
    radius = np.hypot(p.x - centre[0], p.y - centre[1])
    edge = np.float32(1.5 / p.view.scale)

    def disc(size):
        return np.clip((size - radius) / edge + 0.5, 0, 1) * opening

    rays = 1 + p.blobs((0.008, 0.25)) - 0.45 * (radius > 0.078)
    p.lay(floats(p.anatomy.iris) * rays[..., None], disc(0.094))
    p.lay((12, 10, 10), disc(0.040))
    lamp = centre + 0.03 * np.sign([p.anatomy.light[0], -1])
    p.lay((250, 250, 250), 0.9 * p.hump(lamp, 0.012, 0.012) * opening)


def _lashes(p, upper, side):
    starts = upper[6:] * side
    lean = np.linspace(-0.1, 0.9, len(starts))[:, None] * [0.05, 0] * side
    ends = starts + lean + [0, -0.045]
    p.lay(floats(p.anatomy.hair) * 0.5, p.hairs(starts, ends, [170] * len(starts)))


def brows(p):
    """Paints both brows, hair by hair."""
    a = p.anatomy
    middle = curve(anatomies.brow(a), 60)
    taper = np.interp(np.linspace(0, 1, 60), [0, 0.15, 0.6, 1], [0.6, 1.0, 0.85, 0.25])
    half = (0.5 * a.brow_thickness * taper)[:, None] * floats([0, 1])
    for side in p.sides:
        body = np.concatenate([middle - half, (middle + half)[::-1]]) * side
        p.lay(floats(a.hair) * 1.1, 0.55 * p.area(body, 0.016))
        count = 170
        index = p.rng.integers(0, 60, count)
        offset = p.rng.uniform(-1.1, 1.1, (count, 1))
        roots = middle[index] + offset * half[index]
        lean = np.stack([np.linspace(0.02, 0.09, 60), np.linspace(-0.06, 0.015, 60)], axis=1)[index]
        reach = p.rng.uniform(0.6, 1.2, (count, 1))
        tips = roots + lean * reach - [0, 0.15] * (roots - middle[index])
        values, width = p.rng.uniform(90, 220, count), max(1, round(0.008 * p.view.scale))
        p.lay(floats(a.hair) * 0.8, p.hairs(roots * side, tips * side, values, width))


def nose(p):
    """Shades the nose: bridge, tip, wings and nostrils."""
    a, at = p.anatomy, anatomies.anchors(p.anatomy)
    wing_x, wing_y = at["nose_wing"]
    for side in p.sides:
        hole = floats([(0.06, 0), (0.13, -0.035), (0.19, -0.005), (0.13, 0.02)])
        hole = hole * [a.nose_width / 0.28, 1] + [0, a.nose_base - 0.045]
        p.lay((42, 22, 18), 0.8 * p.area(curve(hole * side, 32, closed=True), 0.012))
        wing = [(wing_x - 0.06, wing_y - 0.11), (wing_x, wing_y - 0.02)]
        wing += [(wing_x - 0.05, wing_y + 0.075)]
        p.darken(0.42, p.line(curve(floats(wing) * side), 0.018, 0.014))
        bridge = [(0.15, -0.1), (0.11, 0.15), (0.14, 0.42)]
        p.darken(0.08, p.line(curve(floats(bridge) * side), 0.05, 0.05))
    p.darken(0.22, p.hump((0, a.nose_base + 0.005), 0.16, 0.03))
    p.darken(0.10, p.hump((0, a.nose_base + 0.12), 0.025, 0.07))  # philtrum


def mouth(p):
    """Paints the lips and the line between them."""
    a = p.anatomy
    top, line, bottom = (both_sides(curve(half, 24)) for half in anatomies.lips(a))
    red = floats(a.skin) * (1 - a.lip_redness * floats([0.18, 0.42, 0.36]))
    furrows = 1 + p.blobs((0.012, 0.06), (0.03, 0.06), (0.09, 0.04))
    p.lay(red * 0.82 * furrows[..., None], p.area(np.concatenate([top, line[::-1]]), 0.014))
    p.lay(red * 0.98 * furrows[..., None], p.area(np.concatenate([line, bottom[::-1]]), 0.016))
    p.picture *= (1 + 0.14 * p.hump((0, a.mouth + 0.55 * a.lip_lower), 0.16, 0.03))[..., None]
    p.lay((56, 26, 24), 0.8 * p.line(line, 0.016, 0.010))
    for side in p.sides:
        p.darken(0.35, p.hump(floats([a.mouth_width, a.mouth]) * side, 0.03, 0.025))
    p.darken(0.18, p.hump((0, a.mouth + a.lip_lower + 0.06), 0.2, 0.04))
