"""What a class rests on: how far its probability falls when one region has not moved.

Occlusion as of Zeiler and Fergus (2014, arXiv:1311.2901), by regions; that a region is put to rest
instead of painted over, so that the face stays a face, is our choice, and so is the soft edge.
"""

from __future__ import annotations

import typing

import numpy as np

from pipelines.schema import FLOW_CHANNELS

EDGE = 0.04  # share of the image's side over which an occlusion fades out beyond its box

Ask = typing.Callable[[dict[str, np.ndarray]], np.ndarray]


def occlusion(ask: Ask, inputs: dict[str, np.ndarray], regions: np.ndarray | None = None):
    """How far the probability of the predicted class falls when a region has not moved.

    Args:
        ask: of inputs like these, the probabilities (b, k); of a Keras model for instance
            `probabilities_of(model)`. It is called once for each region, and once for none.
        inputs: what the model is given: `regions` (b, 9, 4) with `onset` and `apex` (b, S, S, 1),
            or with `motion` (b, S, S, c).
        regions: (b, r, 4) y1, x1, y2, x2 as fractions: what is put to rest; default: the inputs'.
    Returns:
        (b, r) float32 in [-1, 1]: the predicted class's probability before minus after. Negative
        where the class gains.
    """
    boxes = inputs["regions"] if regions is None else regions
    whole = np.asarray(ask(inputs))  # (b, k)
    rows, predicted = np.arange(len(whole)), whole.argmax(axis=-1)
    after = [
        np.asarray(ask(at_rest(inputs, boxes[:, region])))[rows, predicted]
        for region in range(boxes.shape[1])
    ]  # (b,) each
    return (whole[rows, predicted][:, None] - np.stack(after, axis=1)).astype(np.float32)


def at_rest(inputs: dict[str, np.ndarray], boxes: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs whose motion inside a box is none; the others are not copied.

    The apex shows there what the onset shows. A flow (dx, dy, strain) is its own median there, by
    channel: near 0 px where the flow was computed, and what stands for no motion in flow images of
    a database. Images of motion without direction are 0.

    Args:
        inputs: as of `occlusion`. boxes: (b, 4) as fractions.
    """
    if "motion" not in inputs:
        onset, apex = inputs["onset"], inputs["apex"]
        share = soft_boxes(boxes, onset.shape[1])  # (b, S, S, 1)
        return {**inputs, "apex": apex + share * (onset - apex)}
    motion = inputs["motion"]
    share = soft_boxes(boxes, motion.shape[1])
    return {**inputs, "motion": motion + share * (no_motion(motion) - motion)}


def no_motion(motion: np.ndarray) -> np.ndarray:
    """What stands for no motion in each of the maps (b, S, S, c): (b, 1, 1, c) float32."""
    rest = np.zeros((len(motion), 1, 1, motion.shape[-1]), np.float32)
    if motion.shape[-1] == FLOW_CHANNELS:
        rest = np.median(motion, axis=(1, 2), keepdims=True).astype(np.float32)
    return rest


def soft_boxes(boxes: np.ndarray, size: int) -> np.ndarray:
    """1 inside each box (b, 4), falling to 0 over `EDGE` beyond it: (b, size, size, 1) float32."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size

    def along(first, last):
        beyond = np.maximum(first[:, None] - centres, centres - last[:, None])  # (b, size)
        return 0.5 + 0.5 * np.cos(np.pi * np.clip(beyond / EDGE, 0, 1))

    rows, columns = along(boxes[:, 0], boxes[:, 2]), along(boxes[:, 1], boxes[:, 3])
    return (rows[:, :, None] * columns[:, None, :])[..., None].astype(np.float32)


def probabilities_of(model, batch_size: int = 32) -> Ask:
    """`ask` of a Keras model whose outputs hold `logits` (b, k)."""

    def ask(inputs):
        logits = model.predict(inputs, batch_size=batch_size, verbose=0)["logits"]
        odds = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return odds / odds.sum(axis=-1, keepdims=True)

    return ask
