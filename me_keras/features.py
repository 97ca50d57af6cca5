"""Label-free descriptions of clips, a vector each: what the classical references classify.

    motion_maps             the motion map itself, smoothed and thinned out
    region_flow_histograms  MDMO: the main direction of the flow in each region (Liu et al., 2016)
    lbp_top                 local binary patterns on three orthogonal planes of the frames (Zhao and
                            Pietikäinen, 2007; on micro-expressions Pfister et al., 2011)

Each sees one clip at a time and no label. With `mirrored` it describes the clip's mirror image.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipelines.prepared.arrays import Prepared
from pipelines.progress import Progress
from pipelines.schema import FLOW_CHANNELS, MIRRORED_REGIONS, DataError

SIDE = 28  # px, of the maps published with STSTNet; larger ones are averaged down to it
BLUR = 1.0  # px, sigma
STEP = 2  # every second pixel

DIRECTIONS = 8  # bins of MDMO

BLOCKS = 5  # LBP-TOP: 5 x 5 blocks
# The eight neighbours (down, right) at distance 1, counter-clockwise from the right.
RING = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def motion_maps(prepared: Prepared, mirrored: bool = False) -> np.ndarray:
    """The evaluation map of each clip, thinned out: the input of the linear and RBF references.

    The centre crop is averaged down to 28 px where it is larger. Of each channel the median is
    removed and the deviation made 1 (a blank channel stays 0); then a blur of 1 px, every second
    pixel, and the deviation of the whole made 1 again, for the blur takes more from one clip than
    from another. The amplitude of the motion is lost: flow images have none.

    Returns:
        (n, d) float32, d = c * 14 * 14 for a crop of 28 px or more.
    Raises:
        DataError: the clips hold frames, not motion.
    """
    inside = _centre(prepared)
    maps = _evaluation_maps(prepared)[:, inside, inside]
    return np.stack([_thinned(motion, mirrored) for motion in maps])


def region_flow_histograms(prepared: Prepared, mirrored: bool = False) -> np.ndarray:
    """Main directional mean optical flow (MDMO) of each region.

    A reading of Liu, Zhang, Yan, Wang, Zhao and Fu: A Main Directional Mean Optical Flow Feature
    for Spontaneous Micro-Expression Recognition, IEEE Transactions on Affective Computing 7(4),
    2016, without the authors' code. The vectors of a region are sorted into eight bins by
    direction, the mean of those in the fullest bin stands for the region, and lengths are fractions
    of the clip's longest. Different here:
        - our nine regions for its 36, the one pair from onset to apex for the mean of all frames
        - (dx, dy, length) for its (length, angle): an angle jumps where it comes full circle
        - the bins are centred on right, down-right, down, …, so that no axis is an edge; of equally
          full ones the one with the greater sum of lengths counts
    On flow images dx and dy are scaled each by itself: directions are approximate.

    Returns:
        (n, 27) float32: dx, dy and length of each region, in the order of `schema.REGIONS`.
    Raises:
        DataError: the clips hold frames or a motion without direction.
    """
    maps = _evaluation_maps(prepared)
    if maps.shape[-1] < 2:
        raise DataError(f"mdmo needs a flow, dx and dy: the motion of {prepared.path} has neither")
    main = np.stack([_region_means(*each) for each in zip(maps, prepared.regions)])  # (n, 9, 3)
    if mirrored:
        main = main[:, MIRRORED_REGIONS] * np.array([-1, 1, 1], np.float32)
    return main.reshape(len(main), -1)


def lbp_top(prepared: Prepared, mirrored: bool = False) -> np.ndarray:
    """Local binary patterns on three orthogonal planes (LBP-TOP) of the frames onset to offset.

    Zhao and Pietikäinen: Dynamic Texture Recognition Using Local Binary Patterns with an
    Application to Facial Expressions, IEEE TPAMI 29(6), 2007. Every voxel with neighbours on all
    sides is coded on the planes XY, XT and YT: eight neighbours on a circle of radius 1, those at
    the corners interpolated, 58 uniform codes and one for all others. In 5 x 5 blocks, as in CASME
    II's baseline (Yan et al., 2014), the codes of each plane make a histogram that sums to 1. Our
    choice: radius 1 on all axes, time too, where baselines also try larger ones, and the frames as
    they are, not interpolated to a common number.

    Returns:
        (n, 25 * 3 * 59) float32; zeros for a clip of fewer than three frames.
    Raises:
        DataError: the clips hold motion, or none has three frames.
    """
    if prepared.motion is not None:
        raise DataError(f"lbp_top needs frames: {prepared.path} holds motion")
    clips = [_onset_to_offset(prepared, row) for row in range(len(prepared))]
    if max(len(clip) for clip in clips) < 3:
        raise DataError(f"lbp_top needs clips of three frames or more: {prepared.path} has none")
    found = np.zeros((len(clips), BLOCKS * BLOCKS * 3 * NUM_PATTERNS), np.float32)
    title = "lbp_top of mirrored clips" if mirrored else "lbp_top"
    with Progress(len(clips), title, "clip") as progress:
        for row, clip in enumerate(clips):
            if len(clip) > 2:
                found[row] = _block_histograms(clip[..., ::-1] if mirrored else clip)
            progress.update()
    return found


def _evaluation_maps(prepared):
    """(n, S, S, c): of the maps of each clip, that of its evaluation pair."""
    if prepared.motion is None:
        raise DataError(f"a classical reference needs motion: {prepared.path} holds frames")
    return prepared.motion[:: prepared.maps_per_clip]


def _centre(prepared):
    margin = (prepared.frame_size - prepared.image_size) // 2
    return slice(margin, margin + prepared.image_size)


def _thinned(motion, mirrored):
    """(d,) float32 of a map (n, n, c)."""
    motion = motion.astype(np.float32)
    if mirrored:
        motion = motion[:, ::-1].copy()
        if motion.shape[-1] == FLOW_CHANNELS:  # a difference of frames has no direction
            motion[..., 0] *= -1
    if len(motion) > SIDE:
        motion = cv2.resize(motion, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    motion = motion.reshape(*motion.shape[:2], -1)  # OpenCV drops a single channel
    motion = _unit_deviation(motion - np.median(motion, axis=(0, 1)), axis=(0, 1))
    motion = cv2.GaussianBlur(motion, (0, 0), BLUR)[::STEP, ::STEP]
    return _unit_deviation(motion).ravel()


def _unit_deviation(values, axis=None):
    return values / np.maximum(values.std(axis=axis), 1e-6)


def _region_means(motion, boxes):
    """(9, 3) float32: dx, dy, length of each region's main direction, over the longest length."""
    size = len(motion)
    flow = motion[..., :2].astype(np.float32)
    first = np.clip(np.round(boxes[:, :2] * size), 0, size - 1).astype(int)
    last = np.maximum(np.round(boxes[:, 2:] * size).astype(int), first + 1)
    means = [_main_direction(flow[y1:y2, x1:x2]) for (y1, x1), (y2, x2) in zip(first, last)]
    lengths = np.hypot(*np.transpose(means))  # (9,)
    return np.column_stack([means, lengths]).astype(np.float32) / max(lengths.max(), 1e-6)


def _main_direction(flow):
    """(2,) mean of the vectors (h, w, 2) in the fullest direction; 0 where nothing moves."""
    vectors = flow[flow.any(axis=-1)]  # (m, 2): what does not move has no direction
    if not len(vectors):
        return np.zeros(2)
    angles = np.arctan2(vectors[:, 1], vectors[:, 0])  # (m,)
    bins = np.round(angles / (2 * np.pi / DIRECTIONS)).astype(int) % DIRECTIONS
    counts = np.bincount(bins, minlength=DIRECTIONS)
    lengths = np.bincount(bins, np.hypot(*vectors.T), minlength=DIRECTIONS)
    fullest = np.lexsort((lengths, counts))[-1]
    return vectors[bins == fullest].mean(axis=0)


def _onset_to_offset(prepared, row):
    """(t, n, n) uint8, the centre crop of the frames of one clip: a view."""
    first, inside = prepared.first[row], _centre(prepared)
    span = slice(first + prepared.onset[row], first + prepared.offset[row] + 1)
    return prepared.frames[span, inside, inside]


def _block_histograms(clip):
    """(25 * 3 * 59,) float64 of a clip (t, h, w): block by block, XY, XT, YT."""
    clip = clip.astype(np.float32)
    rows, columns = (_blocks(size - 2) for size in clip.shape[1:])
    block = rows[:, None] * BLOCKS + columns  # (h - 2, w - 2)
    planes = [PATTERN[binary_patterns(clip, *axes)] for axes in ((1, 2), (0, 2), (0, 1))]
    counts = [
        np.bincount((block * NUM_PATTERNS + plane).ravel(), minlength=BLOCKS**2 * NUM_PATTERNS)
        for plane in planes
    ]
    found = np.reshape(counts, (3, BLOCKS**2, NUM_PATTERNS)).swapaxes(0, 1)  # (25, 3, 59)
    return (found / np.maximum(found.sum(axis=-1, keepdims=True), 1)).ravel()


def _blocks(size):
    """(size,) which of the blocks each place lies in."""
    return (BLOCKS * (np.arange(size) + 0.5) / size).astype(int)


def binary_patterns(clip: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """The local binary pattern of every inner voxel, on the plane of two axes.

    Args:
        clip: (t, h, w) float32. rows, columns: the axes of the plane: 1, 2 for XY.
    Returns:
        (t - 2, h - 2, w - 2) uint8: bit i is 1 where neighbour i of `RING` is not below the voxel.
    """

    def difference(down, right):
        shift = [0, 0, 0]
        shift[rows], shift[columns] = down, right
        places = (slice(1 + by, size - 1 + by) for by, size in zip(shift, clip.shape))
        return clip[tuple(places)] - clip[1:-1, 1:-1, 1:-1]

    code = np.zeros([size - 2 for size in clip.shape], np.uint8)
    near = np.sqrt(0.5)  # how far a neighbour at a corner lies along either axis
    for bit, (down, right) in enumerate(RING):
        change = difference(down, right)
        if down and right:  # between the corner, the two sides and the voxel, whose change is 0
            sides = difference(down, 0) + difference(0, right)
            change = near**2 * change + near * (1 - near) * sides
        code |= (change >= 0).astype(np.uint8) << bit
    return code


def _uniform_patterns():
    """(256,): a number for each code of at most two changes around the circle, 58 for the rest."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    uniform = (bits != np.roll(bits, 1, axis=1)).sum(axis=1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, uniform.sum())


PATTERN = _uniform_patterns()
NUM_PATTERNS = int(PATTERN.max()) + 1  # 59
