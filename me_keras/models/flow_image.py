"""What the field's small networks look at: a flow image of 28 px, of any motion maps."""

import keras

from me_keras.layers.motion import MotionMaps, Resize
from me_keras.models.recognizer import joined

SIZE = 28


def flow_image(name, image_size, motion_channels, num_regions=9, size=SIZE):
    """The inputs of a model, and the image they give.

    Args:
        name: of the model, for the message.
        image_size: int S, side of the motion maps, pixels.
        motion_channels: int c: 3 for u, v, strain, 1 for another image.
        num_regions: int r of the `regions`, which is accepted and ignored, so that the model runs
            in the same protocol.
        size: int, side of the image. Other maps are resampled to it, bilinearly: our choice.
    Returns:
        tuple of the dict of `motion` `(b, S, S, c)` and `regions` `(b, r, 4)`, and the image
        `(b, size, size, 1 or 3)`; of 2 channels, a flow, with its strain.
    Raises:
        ValueError: if there is no motion map to look at.
    """
    if motion_channels < 1:
        raise ValueError(f"{name} needs motion maps: choose a `motion` other than 'dgm'")
    motion = keras.Input((image_size, image_size, motion_channels), name="motion")
    regions = keras.Input((num_regions, 4), name="regions")
    image = joined(MotionMaps()(motion)[:2])  # (b, S, S, 1 or 3)
    if image_size != size:
        image = Resize(size)(image)
    return {"motion": motion, "regions": regions}, image


def flow_components(name, image_size, motion_channels, num_regions=9):
    """The inputs of a model with a stream for each component of the flow, and the components.

    Args:
        name, image_size, motion_channels, num_regions: as `flow_image`.
    Returns:
        tuple of the dict of inputs, as of `flow_image`, and the dict of `u` (horizontal) and `v`
        (vertical), `(b, 28, 28, 1)` each.
    Raises:
        ValueError: if the motion is no flow.
    """
    inputs, image = flow_image(name, image_size, motion_channels, num_regions)
    if motion_channels not in (2, 3):
        raise ValueError(
            f"{name} needs a flow, of 2 or 3 channels: choose 'farneback', 'dis' or 'tvl1' as "
            f"`motion`. Received: {motion_channels=}"
        )
    return inputs, {"u": image[..., :1], "v": image[..., 1:2]}
