"""Chooses the apex frame where a database gives none."""

from __future__ import annotations

import cv2
import numpy as np

SMOOTHING = 0.06  # sigma over time, as a fraction of the clip's length


def middle(onset: int, offset: int) -> int:
    """The middle frame: simple, reproducible, and the best blind guess. The reference rule."""
    return (onset + offset) // 2


def spot(frames: np.ndarray, regions: np.ndarray, onset: int = 0, offset: int | None = None) -> int:
    """The frame farthest from the onset frame in the nine regions, the head's motion removed.

    Args:
        frames: (t, S, S, 1) uint8, aligned, as `align.align_clip` returns them.
        regions: (9, 4) y1, x1, y2, x2 as fractions.
        onset, offset: the indices between which the apex is sought, the onset left out.
    Returns:
        Index into `frames`, in onset + 1 .. offset.
    """
    offset = len(frames) - 1 if offset is None else offset
    motion = motion_curve(frames, regions, onset)[onset + 1 : offset + 1]
    return onset + 1 + int(np.argmax(motion))


def motion_curve(frames: np.ndarray, regions: np.ndarray, onset: int = 0) -> np.ndarray:
    """How far each frame has moved from the onset frame: (t,) float, px, smoothed over time.

    The mean over the regions of the mean length of the displacement; DIS optical flow.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    size = frames.shape[1]
    boxes = np.round(regions * size).astype(int)
    curve = np.zeros(len(frames))
    for index, frame in enumerate(frames):
        if index == onset:
            continue
        length = np.linalg.norm(flow.calc(frames[onset], frame, np.empty(0)), axis=-1)  # (S, S)
        curve[index] = np.mean([np.mean(length[y1:y2, x1:x2]) for y1, x1, y2, x2 in boxes])
    sigma = max(0.5, SMOOTHING * len(frames))
    return cv2.GaussianBlur(curve[None], (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)[0]
