"""Who a synthetic subject is: the geometry, colours and light of one face, drawn from a seed.

Face coordinates: the unit is the distance between the eye centres, the origin their midpoint, x to
the image's right, y down. Proportions follow SMIC's mean face (jaw 2.24, brow to chin 2.07, mouth
0.77, inner eye corners 0.60 eye distances) and vary by a few per cent from subject to subject.
Points with a side are given for the subject's left (image right, x > 0); `mirror` gives the right.
"""

import types

import numpy as np

# sRGB in full light.
SKINS = ((236, 200, 178), (224, 180, 152), (208, 160, 128), (186, 136, 104), (150, 104, 78),
         (112, 76, 58))  # fmt: skip
HAIRS = ((38, 30, 28), (62, 44, 34), (96, 66, 44), (140, 104, 66), (178, 148, 104), (120, 116, 112))
IRISES = ((70, 46, 30), (96, 66, 38), (84, 96, 70), (84, 110, 134), (58, 42, 34))


def floats(values):
    """`values` as a float32 array."""
    return np.asarray(values, np.float32)


class Anatomy(types.SimpleNamespace):
    """One subject: what `sample` draws. Lengths are in eye distances, colours are sRGB."""


def sample(seed):
    """The subject of `seed`: an `Anatomy`. The same seed always gives the same face."""
    rng = np.random.default_rng([seed, 0xFACE])

    def around(mean, share):
        return float(mean * (1 + share * np.clip(rng.standard_normal(), -2, 2)))

    skin = np.array(SKINS[rng.integers(len(SKINS))]) * rng.uniform(0.95, 1.05, 3)
    dark = skin.mean() < 140
    hair = HAIRS[rng.integers(2 if dark else len(HAIRS))]
    azimuth, height = rng.uniform(-0.9, 0.9), rng.uniform(0.15, 0.8)
    nose_base = around(0.74, 0.035)
    mouth = nose_base + around(0.35, 0.06)
    return Anatomy(
        seed=seed,
        face_width=around(1.12, 0.03),  # half, at the cheek bones
        jaw_width=around(0.92, 0.04),  # half, at the angles of the jaw
        chin=mouth + around(0.70, 0.035),  # y of its lowest point
        forehead=around(-1.02, 0.05),  # y of the hair line
        brow_height=around(-0.37, 0.07),  # y of the brow's arch
        brow_thickness=around(0.065, 0.2),
        brow_tilt=around(0.03, 0.6),  # outer end above the inner end
        eye_width=around(0.205, 0.04),  # half
        lid_upper=around(0.085, 0.12),
        lid_lower=around(0.055, 0.12),
        nose_base=nose_base,  # y below the nose
        nose_width=around(0.28, 0.06),  # half, at the wings
        mouth=mouth,  # y of the line between the lips
        mouth_width=around(0.39, 0.05),  # half
        lip_upper=around(0.09, 0.15),
        lip_lower=around(0.13, 0.15),
        skin=tuple(np.clip(skin, 0, 255).round(1).tolist()),
        hair=hair,
        iris=IRISES[rng.integers(2 if dark else len(IRISES))],
        lip_redness=float(rng.uniform(0.5, 1.0)),
        hair_side=float(rng.choice([0.1, 0.5, 1.6])),  # how far it comes down beside the face
        stubble=float(rng.choice([0.0, 0.0, 0.5, 1.0])),
        freckles=float(rng.choice([0.2, 0.5, 1.0])),
        wrinkles=float(rng.uniform(0.2, 1.0)),
        light=(float(np.sin(azimuth)), float(-height), float(np.cos(azimuth))),  # to the lamp
        ambient=float(rng.uniform(0.45, 0.65)),
        exposure=float(rng.uniform(0.95, 1.15)),
        background=tuple(rng.uniform(70, 190, 3).round(1).tolist()),
    )


def mirror(points):
    """Points (n, 2) of the subject's left side -> of the right side."""
    return floats(points) * floats([-1, 1])


def anchors(anatomy):
    """Where actions take hold: name -> (x, y) in eye distances, on the subject's left (x > 0)."""
    a = anatomy
    eye = 0.5
    return {
        "brow_inner": (0.22, a.brow_height + 0.06),
        "brow_middle": (0.48, a.brow_height),
        "brow_outer": (0.84, a.brow_height + 0.07 - a.brow_tilt),
        "lid_upper": (eye, -a.lid_upper),
        "lid_lower": (eye, a.lid_lower),
        "eye_inner": (eye - a.eye_width, 0.015),
        "eye_outer": (eye + a.eye_width, -0.01),
        "cheek": (0.62, 0.45),
        "nose_root": (0.10, 0.22),
        "nose_wing": (a.nose_width, a.nose_base - 0.09),
        "lip_upper": (0.10, a.mouth - 0.6 * a.lip_upper),
        "lip_top": (0.0, a.mouth - a.lip_upper),
        "lip_lower": (0.10, a.mouth + 0.6 * a.lip_lower),
        "lip_bottom": (0.0, a.mouth + a.lip_lower),
        "mouth_corner": (a.mouth_width, a.mouth),
        "chin_boss": (0.14, a.mouth + 0.6 * (a.chin - a.mouth)),
        "chin": (0.0, a.chin),
    }


def outline(anatomy):
    """The face from the middle of the forehead, down the left side, to the chin: (n, 2)."""
    a, w, j = anatomy, anatomy.face_width, anatomy.jaw_width
    top = [(0.0, a.forehead - 0.45), (0.55, a.forehead - 0.33), (0.93 * w, a.forehead + 0.15)]
    cheek = [(0.99 * w, -0.40), (w, 0.10), (0.5 * (w + j) + 0.03, 0.62), (j, a.mouth)]
    jaw = [(0.74 * j, a.mouth + 0.58 * (a.chin - a.mouth)), (0.37 * j, a.chin - 0.06)]
    return floats([*top, *cheek, *jaw, (0.0, a.chin)])


def brow(anatomy):
    """The left brow's centre line from inner to outer end: (4, 2)."""
    points = anchors(anatomy)
    middle = floats(points["brow_middle"])
    inner, outer = floats(points["brow_inner"]), floats(points["brow_outer"])
    return np.stack([inner, middle, 0.55 * middle + 0.45 * outer + [0, -0.02], outer])


def eye(anatomy):
    """The left eye's opening: upper lid (5, 2) and lower lid (5, 2), both from inner to outer."""
    a, points = anatomy, anchors(anatomy)
    inner, outer = points["eye_inner"], points["eye_outer"]
    w, up, low = a.eye_width, a.lid_upper, a.lid_lower
    upper = [inner, (0.5 - 0.55 * w, -0.75 * up), (0.5, -up), (0.5 + 0.6 * w, -0.72 * up), outer]
    lower = [inner, (0.5 - 0.5 * w, 0.65 * low), (0.5, low), (0.5 + 0.6 * w, 0.75 * low), outer]
    return floats(upper), floats(lower)


def lips(anatomy):
    """Left halves of the upper edge, the line between the lips and the lower edge: each (n, 2)."""
    a = anatomy
    m, w, up, low = a.mouth, a.mouth_width, a.lip_upper, a.lip_lower
    top = [(0, m - 0.82 * up), (0.09, m - up), (0.6 * w, m - 0.6 * up)]
    line = [(0, m + 0.012), (0.09, m + 0.002), (0.5 * w, m + 0.006)]
    bottom = [(0, m + low), (0.12, m + 0.97 * low), (0.6 * w, m + 0.6 * low)]
    corner = [(w, m)]
    return floats(top + corner), floats(line + corner), floats(bottom + corner)
