"""A drawn face that MediaPipe finds, with texture enough to see sub-pixel motion."""

import cv2
import numpy as np


def face(size=(480, 640), seed=0, scale=1.0):
    """A cartoon face: (h, w, 3) uint8 RGB. `scale` 1 makes its eyes 94 px apart, as SMIC's are."""
    height, width = size
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 90, np.uint8)
    centre = np.array([width / 2, height / 2])
    one = 94 * scale  # the distance of the eyes

    def at(x, y):
        return tuple(int(round(v * 16)) for v in centre + one * np.array([x, y]))

    def ellipse(x, y, width, height, colour, thickness=-1, start=0, end=360):
        axes = int(one * width * 16), int(one * height * 16)
        args = (0, start, end, colour, thickness, cv2.LINE_AA, 4)
        cv2.ellipse(image, at(x, y), axes, *args)

    ellipse(0, 0.1, 1.08, 1.48, (205, 165, 140))
    ellipse(0, -1.0, 0.95, 0.55, (60, 40, 30))
    ellipse(0, -0.62, 0.86, 0.35, (205, 165, 140))
    for side in (-0.5, 0.5):
        ellipse(side, -0.2, 0.23, 0.10, (240, 240, 240))
        ellipse(side, -0.2, 0.095, 0.095, (70, 45, 30))
        ellipse(side, -0.2, 0.04, 0.04, (10, 10, 10))
        ellipse(side, -0.2, 0.24, 0.12, (90, 60, 50), 3, 180, 360)
        ellipse(side, -0.36, 0.30, 0.12, (70, 45, 35), 6, 200, 340)
        ellipse(side * 0.28, 0.36, 0.07, 0.05, (120, 80, 70))
    ellipse(0, 0.30, 0.20, 0.13, (175, 130, 110), 3, 20, 160)
    cv2.line(image, at(-0.1, -0.1), at(-0.13, 0.25), (180, 140, 118), 3, cv2.LINE_AA, 4)
    ellipse(0, 0.78, 0.36, 0.10, (170, 80, 80))
    cv2.line(image, at(-0.36, 0.77), at(0.36, 0.77), (110, 50, 50), 2, cv2.LINE_AA, 4)
    texture = sum(
        weight * cv2.GaussianBlur(rng.standard_normal((height, width)), (0, 0), sigma) * sigma
        for sigma, weight in ((1.2, 9.0), (3.0, 9.0), (9.0, 12.0))
    )
    image = cv2.GaussianBlur(image, (0, 0), 1.0) + texture[..., None]
    return np.clip(image, 0, 255).astype(np.uint8)


def write_smic(root, clips):
    """A small SMIC of faces that shift by a pixel a frame; returns `root`.

    Args:
        clips: name of a clip -> number of its frames: {"s01_ne_01": 4}.
    """
    for name, count in clips.items():
        subject, token, _ = name.split("_")
        emotion = {"ne": "negative", "po": "positive", "sur": "surprise"}[token]
        folder = root / f"SMIC_all_raw/HS/{subject}/micro/{emotion}/{name}"
        folder.mkdir(parents=True, exist_ok=True)
        image = face(seed=int(subject[1:]))[..., ::-1]
        for index in range(count):
            cv2.imwrite(str(folder / f"image{1000 + index:06d}.bmp"), np.roll(image, index, axis=1))
    return root
