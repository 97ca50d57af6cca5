"""A picture of many aligned clips for a person to look at: onset, apex and displacement of each."""

from __future__ import annotations

import collections
import textwrap

import cv2
import numpy as np

from pipelines import flow, parallel, schema
from pipelines.doctor import checks
from pipelines.faces import align, apex, frames

IMAGE_SIZE, MARGIN = 160, 10  # of the aligned face
SIDE = IMAGE_SIZE + 2 * MARGIN
COLUMNS = 3
CAPTION = 38  # px above the pictures of a clip
FULL_SCALE = 4.0  # px of the 128 px face that the last colour stands for
GAP = 10
LANDMARKS = (*align.STABLE, 70, 105, 107, 336, 334, 300, 61, 0, 291, 17, 152)
BOX, POINT = (255, 190, 0), (0, 255, 120)  # RGB
FONT = cv2.FONT_HERSHEY_SIMPLEX


def of_report(report, count: int, jobs: int = 0) -> np.ndarray:
    """The sheet of `count` of a `report.Report`'s clips: those with findings first, then others."""
    said = collections.defaultdict(list)
    for finding in report.findings:
        if finding.severity != checks.NOTE:
            said[finding.clip].append(finding.kind)
    first = [clip for clip in report.clips if clip.key in said][:count]
    rest = [clip for clip in report.clips if clip.key not in said]
    step = max(1.0, len(rest) / max(count - len(first), 1))
    chosen = first + [rest[int(i * step)] for i in range(min(count - len(first), len(rest)))]
    tasks = [(clip, ", ".join(said[clip.key])) for clip in chosen]
    tiles = [one for _, one in parallel.run(tile, tasks, jobs, ordered=True)]
    return sheet(tiles, f"{report.dataset}: {len(tiles)} of {len(report.clips)} clips")


def tile(task) -> np.ndarray:
    """The pictures of one clip, or why there are none: (CAPTION + SIDE, 3 SIDE, 3) uint8 RGB.

    Args:
        task: (clip, a line to say below its key).
    """
    clip, said = task
    canvas = np.full((CAPTION + SIDE, 3 * SIDE, 3), 255, np.uint8)
    peak, rule = clip.apex, "apex"
    if peak is None:
        peak, rule = apex.middle(clip.onset, clip.offset), "middle"
    text = f"{clip.key}  {clip.emotion}  {rule} {clip.numbers[peak]}"
    _write(canvas, text, 14)
    _write(canvas, said, 31, (200, 30, 30))
    try:
        images = frames.iterate_frames([clip.frames[i] for i in (clip.onset, peak)])
        aligned = align.align_clip(images, 0, IMAGE_SIZE, MARGIN, name=clip.frames[clip.onset])
    except schema.DataError as error:
        for line, part in enumerate(textwrap.wrap(str(error), 66)[:8]):
            _write(canvas, part, CAPTION + 24 + 18 * line, (200, 30, 30))
        return canvas
    motion = flow.dis(aligned.frames[..., 0])[..., :2] * (128 / IMAGE_SIZE)
    parts = [cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) for image in aligned.frames[:2, ..., 0]]
    parts.append(_colours(np.linalg.norm(motion, axis=-1)))
    canvas[CAPTION:] = np.concatenate(parts, axis=1)
    boxes = np.round(align.region_boxes(aligned.landmarks, SIDE) * SIDE - 0.5).astype(int)
    for left in (0, SIDE, 2 * SIDE):
        for y1, x1, y2, x2 in (boxes + [CAPTION, left] * 2).tolist():
            cv2.rectangle(canvas, (x1, y1), (x2, y2), BOX, 1)
    for x, y in np.round(aligned.landmarks[list(LANDMARKS)]).astype(int).tolist():
        cv2.circle(canvas, (x, CAPTION + y), 1, POINT, -1)
    return canvas


def sheet(tiles: list[np.ndarray], title: str) -> np.ndarray:
    """Puts tiles into rows of COLUMNS below a title and the scale of colours: (h, w, 3) uint8."""
    columns = min(COLUMNS, len(tiles))
    height, width = (size + GAP for size in tiles[0].shape[:2])
    rows = -(-len(tiles) // columns)
    picture = np.full((44 + rows * height, GAP + columns * width, 3), 255, np.uint8)
    head = picture[:44]
    _write(head, title, 14)
    said = f"onset with landmarks, apex, displacement 0-{FULL_SCALE:g} px of a 128 px face"
    _write(head, f"{said}:{24 * ' '}the subject's right is on the left", 34)
    scale = np.tile(np.linspace(0, FULL_SCALE, 80), (10, 1))
    start = 4 + cv2.getTextSize(said + ": ", FONT, 0.4, 1)[0][0]
    head[25:35, start : start + 80] = _colours(scale)
    for index, one in enumerate(tiles):
        y, x = 44 + index // columns * height, GAP + index % columns * width
        picture[y : y + one.shape[0], x : x + one.shape[1]] = one
    return picture


def png(picture: np.ndarray) -> bytes:
    """A picture (h, w, 3) uint8 RGB as the content of a PNG file."""
    return cv2.imencode(".png", picture[..., ::-1])[1].tobytes()


def _write(canvas, text, y, colour=(0, 0, 0)):
    plain = text.encode("ascii", "replace").decode()  # the font has no other letters
    cv2.putText(canvas, plain, (4, y), FONT, 0.4, colour, 1, cv2.LINE_AA)


def _colours(length):
    """(h, w) px of a 128 px face -> (h, w, 3) uint8 RGB."""
    levels = np.clip(length / FULL_SCALE * 255, 0, 255).astype(np.uint8)
    return cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1]
