"""Classical motion between aligned frames, to compare the learned displacement with.

Every motion is (h, w, c) float32. Flows are (dx, dy, strain): displacement in px, onset to apex,
and its optical strain; motions of another number of channels are images, without direction.
OpenCV agrees with us: `apex[p + flow[p]]` shows `onset[p]`.
Face motion is below a pixel, so the settings favour precision over reach (E). They were chosen by
mean end-point error on 20 rendered, aligned 144 px faces with sensor noise (mean motion 0.40 px):
Farneback 0.100, DIS 0.092, TV-L1 0.129 px; OpenCV's defaults 0.113, 0.127 and 0.133.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
import threading
from typing import Callable, NamedTuple

import cv2
import numpy as np

from pipelines import files, parallel
from pipelines.options import DataOptions
from pipelines.prepared.arrays import Prepared, aligned_empty
from pipelines.progress import Progress
from pipelines.schema import DataError

_VERSION = 1  # of the settings below: raise it when one changes, so that no stale cache is read


def farneback(frames: np.ndarray) -> np.ndarray:
    """Polynomial-expansion flow (Farnebäck 2003) and its strain: (h, w, 3)."""
    flow = cv2.calcOpticalFlowFarneback(  # type: ignore[call-overload]  # None is allowed
        frames[0],
        frames[-1],
        None,
        pyr_scale=0.5,
        levels=2,
        winsize=19,
        iterations=3,
        poly_n=5,
        poly_sigma=1.1,
        flags=cv2.OPTFLOW_FARNEBACK_GAUSSIAN,  # a box window blurs: 0.13 px
    )
    return _with_strain(flow)


def dis(frames: np.ndarray) -> np.ndarray:
    """Dense inverse search flow (Kroeger 2016) at full resolution, and its strain: (h, w, 3)."""
    return _with_strain(_dis(threading.get_ident()).calc(frames[0], frames[-1], None))


def tvl1(frames: np.ndarray) -> np.ndarray:
    """Total-variation L1 flow (Zach 2007) and its strain: (h, w, 3)."""
    return _with_strain(_tvl1(threading.get_ident()).calc(frames[0], frames[-1], None))


def difference(frames: np.ndarray) -> np.ndarray:
    """Apex minus onset, in [-1, 1]: (h, w, 1).

    Examples:
        >>> frames = np.array([[[0, 255]], [[51, 255]]], np.uint8)  # two frames of 1 x 2 px
        >>> print(difference(frames)[..., 0])
        [[0.2 0. ]]
    """
    return ((frames[-1].astype(np.float32) - frames[0]) / 255.0)[..., None]


def dynamic_image(frames: np.ndarray) -> np.ndarray:
    """Approximate rank pooling (Bilen 2016) of all frames onset..apex: (h, w, 1).

    The sum of frame t times 2t - T - 1, t = 1..T, over the sum of the positive weights, so that a
    longer clip does not weigh more; in [-1, 1].
    """
    weights = 2.0 * np.arange(1, len(frames) + 1) - len(frames) - 1
    image = np.tensordot(weights, frames.astype(np.float32) / 255.0, 1)
    return (image / weights[weights > 0].sum()).astype(np.float32)[..., None]


def intensity_image(frames: np.ndarray) -> np.ndarray:
    """The same of the frames ordered by their motion (Man 2025, arXiv:2510.09730): (h, w, 1).

    The order is our reading: by the mean distance from the first frame; of equals, by time.
    """
    distance = np.abs(frames.astype(np.float32) - frames[0]).mean((1, 2))  # (t,)
    return dynamic_image(frames[np.argsort(distance, kind="stable")])


def dynamic_images(frames: np.ndarray) -> np.ndarray:
    """Both: (h, w, 2), the image ranked by time and that by motion."""
    return np.concatenate([dynamic_image(frames), intensity_image(frames)], -1)


def strain(flow: np.ndarray) -> np.ndarray:
    """Optical strain of a flow (h, w, 2): sqrt(ux² + vy² + (uy + vx)² / 2), (h, w) float32.

    Blind to translation: what is left of head motion does not show.

    Examples:
        >>> x, y = np.meshgrid(np.arange(4.0), np.arange(4.0))
        >>> stretched = np.dstack([0.1 * x, 0 * y])  # a tenth longer from left to right
        >>> print(strain(stretched)[0, 0].round(4))
        0.1
        >>> print(strain(stretched + 5.0)[0, 0].round(4))  # blind to translation
        0.1
    """
    uy, ux = np.gradient(flow[..., 0])
    vy, vx = np.gradient(flow[..., 1])
    return np.sqrt(ux**2 + vy**2 + 0.5 * (uy + vx) ** 2).astype(np.float32)


class Motion(NamedTuple):
    """How a motion is computed from (t, h, w) uint8 frames onset..apex, and how much of it."""

    compute: Callable[[np.ndarray], np.ndarray]
    channels: int
    pairs: int = 8  # kept per clip to train on: the first fold waits for all of them
    between: bool = False  # looks at the frames between, too
    # Trains on the decay, apex to offset, as well (Khuong 2025, arXiv:2510.15466).
    phases: bool = False


MOTIONS = {
    "farneback": Motion(farneback, 3),
    "dis": Motion(dis, 3),
    "tvl1": Motion(tvl1, 3, pairs=2),  # 0.1 s each
    "difference": Motion(difference, 1),
    "dynamic_image": Motion(dynamic_image, 1, between=True),  # FRL-DGT's rival; AFN's images:
    "ranked_image": Motion(dynamic_image, 1, between=True, phases=True),
    "intensity_image": Motion(intensity_image, 1, between=True, phases=True),
    "dynamic_images": Motion(dynamic_images, 2, between=True, phases=True),
}


def _with_strain(flow):
    return np.concatenate([flow, strain(flow)[..., None]], -1)


@functools.cache  # one per thread: the algorithm keeps its buffers
def _dis(thread):
    algorithm = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    algorithm.setFinestScale(0)  # full resolution; the preset's half resolution loses a third
    algorithm.setVariationalRefinementIterations(20)
    return algorithm


@functools.cache
def _tvl1(thread):
    return cv2.optflow.DualTVL1OpticalFlow.create(nscales=1, warps=5)


def motion_bank(
    prepared: Prepared,
    name: str,
    pairs_per_clip: int,
    data: DataOptions,
    seed: int,
    cache_dir,
    jobs: int = 0,
) -> Prepared:
    """The same clips with their frames replaced by a motion, for `make_train` and `make_eval`.

    Each clip gets the motion of its evaluation pair and of `pairs_per_clip` - 1 random training
    pairs, over the whole frame, margin included. Of a motion with `phases` every second pair is
    apex and offset, where frames follow the apex. Where `data` shifts the evaluation pair, its
    motion comes as one more, before those, and is not trained on. Computed once in parallel
    processes, then read from `cache_dir`: the key is the prepared data and every parameter the
    motion depends on.

    Args:
        prepared: a database of frames.
        name: a key of `MOTIONS`.
        data: ranges of the random pairs.
        cache_dir: folder for the cached motion; made if missing.
        jobs: number of processes; 0 for one per core.
    Returns:
        `prepared` with `motion` (n * pairs_per_clip, S, S, c) float16 and no frames; with one more
        of each clip where `data` shifts.
    Raises:
        DataError: the database holds no frames, or none between onset and apex that the motion
            looks at.
        ValueError: unknown name, no pairs.
    """
    if name not in MOTIONS:
        raise ValueError(f"unknown motion {name!r}; known: {', '.join(MOTIONS)}")
    if pairs_per_clip < 1:
        raise ValueError(f"pairs_per_clip must be at least 1, got {pairs_per_clip}")
    if prepared.motion is not None:
        raise DataError(f"{prepared.path} holds motion, not frames: {name} cannot be computed")
    if MOTIONS[name].between and np.max(prepared.apex - prepared.onset) < 2:
        raise DataError(
            f"{prepared.path} holds only onset and apex: a dynamic image needs the frames between; "
            "take --motion difference or a flow"
        )
    pairs = _pairs(prepared, name, pairs_per_clip, data, seed)
    size, channels = prepared.frame_size, MOTIONS[name].channels
    key = hashlib.sha256(f"{_VERSION} {prepared.digest}".encode() + pairs.tobytes())
    path = pathlib.Path(cache_dir) / f"{name}-{key.hexdigest()[:16]}.npy"
    shape = (pairs.shape[0] * pairs.shape[1], size, size, channels)
    motion = _read_cache(path, shape)
    if motion is None:
        motion = _compute(prepared, name, pairs, shape, jobs)
        with files.whole_file(path) as file:
            np.save(file, motion)
    return dataclasses.replace(
        prepared,
        kind="motion",
        motion=motion,
        maps_per_clip=pairs.shape[1],
        frames=prepared.frames[:0],
    )


def _pairs(prepared, name, count, data, seed):
    """(n, count, 2) int32: first and last frame of each motion, the evaluation pair first.

    (n, count + 1, 2) where that is not the annotated pair, which training keeps.
    """
    from pipelines import dataset

    pairs = dataset.draw_pairs(prepared, count, data, seed)
    if MOTIONS[name].phases:
        decay = np.stack([prepared.apex, prepared.offset], 1)[:, None]  # (n, 1, 2)
        falls = (prepared.offset > prepared.apex)[:, None, None]  # (n, 1, 1)
        pairs[:, 1::2] = np.where(falls, decay, pairs[:, 1::2])
    if data.shifts:
        pairs = np.concatenate([dataset.evaluation_pairs(prepared, data)[:, None], pairs], 1)
    return pairs


def _compute(prepared, name, pairs, shape, jobs):
    ends = prepared.first + prepared.num_frames
    clips = [prepared.frames[a:b] for a, b in zip(prepared.first, ends)]  # views, no copies
    motion = aligned_empty(shape, np.float16)
    task, count = functools.partial(_clip_motion, name=name), pairs.shape[1]
    with Progress(len(clips), f"{name} motion", "clip") as progress:
        results = parallel.run(task, zip(clips, pairs), jobs, ordered=True, retries=1)
        for i, (_, maps) in enumerate(results):
            if isinstance(maps, parallel.Died):
                raise ChildProcessError(f"{name}: a process was {maps}: try fewer --jobs")
            motion[i * count : (i + 1) * count] = maps
            progress.update()
    return motion


def _clip_motion(item, name):
    """(p, S, S, c) float16 motion of the pairs of one clip, in any process."""
    frames, pairs = item
    maps = [MOTIONS[name].compute(frames[first : second + 1]) for first, second in pairs]
    return np.stack(maps).astype(np.float16)


def _read_cache(path, shape):
    """The cached array, or None where there is none or it is damaged."""
    try:
        stored = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    if stored.shape != shape or stored.dtype != np.float16:
        return None
    motion = aligned_empty(shape, np.float16)
    motion[:] = stored
    return motion
