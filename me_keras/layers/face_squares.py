"""Four squares of a face, around the eyes and the corners of the mouth, as one image."""

import keras
import tensorflow as tf

from me_keras.layers.regions import RegionCrop

# Row of the regions (that of `average_face.AVERAGE_REGIONS`), and how far down its box the centre
# of the square lies: both eyes above, both corners of the mouth below. The mouth's boxes reach up
# the cheek, so that its corners lie lower than their middle.
CENTRES = ((3, 0.5), (4, 0.5), (6, 0.75), (7, 0.75))
SIDE = 0.5  # of a square, as a fraction of the map


@keras.saving.register_keras_serializable(package="me_keras")
class FaceSquares(keras.layers.Layer):
    """Cuts the four squares out of a map and puts them together, two by two, as they lie.

    A square is half as wide as the map and lies wholly inside.

    Args:
        size: int, side of a square in samples.

    Call arguments:
        inputs: `(maps, boxes)`: `(b, h, w, c)` float and `(b, r, 4)` float boxes (y1, x1, y2, x2)
            as fractions of the map.
    Returns:
        `(b, 2 size, 2 size, c)` float32. Differentiable in `maps`.
    Reference: Wang et al., 2023, arXiv:2307.14637 (the squares around a detector's five points, in
        a map of 28 px).
    """

    def __init__(self, size=14, **kwargs):
        super().__init__(autocast=False, **kwargs)  # a box edge must not be rounded to bfloat16
        self.size = size
        self.crop = RegionCrop(size, compiled=True)  # fast enough for four

    def build(self, input_shape):
        self.crop.build(input_shape)
        super().build(input_shape)

    def call(self, inputs):
        maps, boxes = inputs
        crops = self.crop((tf.cast(maps, tf.float32), squares(boxes)))  # (b, 4, size, size, c)
        shape = (self.size, self.size, maps.shape[-1])
        crops = tf.reshape(crops, (-1, 2, 2, *shape))
        image = tf.transpose(crops, (0, 1, 3, 2, 4, 5))  # (b, 2, size, 2, size, c)
        return tf.reshape(image, (-1, 2 * self.size, 2 * self.size, maps.shape[-1]))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


def squares(boxes):
    """Boxes of the squares, `(b, 4, 4)`, of those of the regions, `(b, r, 4)`."""
    rows, down = zip(*CENTRES)
    down = tf.constant([[share, 0.5] for share in down], boxes.dtype)  # (4, 2) of y, x
    low, high = tf.split(tf.gather(boxes, rows, axis=1), 2, axis=-1)  # (b, 4, 2) each
    centre = tf.clip_by_value(low + down * (high - low), SIDE / 2, 1 - SIDE / 2)
    return tf.concat([centre - SIDE / 2, centre + SIDE / 2], axis=-1)
