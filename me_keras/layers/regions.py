"""Differentiable crops of the action-unit regions."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="me_keras")
class RegionCrop(keras.layers.Layer):
    """Cuts each region out of a map and resamples it to one size, bilinearly.

    The paper works on action-unit regions; that they are cut from motion maps inside the network,
    so that the gradient reaches the displacement generator, is our choice.

    Args:
        size: int, side of the crops in samples; sample i sits at the centre of the i-th of `size`
            equal strips of the box.
        compiled: bool; by matrix products, which XLA can compile, and of which, other than of
            `tf.image.crop_and_resize`, TensorFlow has a deterministic gradient for GPUs: where it
            sees a GPU, they are taken anyway. Same result; on a CPU without XLA half as fast.

    Call arguments:
        inputs: `(maps, boxes)`: `(b, h, w, c)` float and `(b, r, 4)` float boxes (y1, x1, y2, x2)
            as fractions of the map.
    Returns:
        `(b, r, size, size, c)` float32. Zero beyond the map. Differentiable in `maps`.
    """

    def __init__(self, size=12, compiled=False, **kwargs):
        super().__init__(autocast=False, **kwargs)  # a box edge must not be rounded to bfloat16
        self.size = size
        self.compiled = compiled

    def call(self, inputs):
        maps, boxes = inputs
        if self.compiled or tf.config.list_logical_devices("GPU"):
            return self._by_products(maps, boxes)
        shape = tf.shape(maps)
        num_regions, channels = boxes.shape[1], maps.shape[-1]
        # crop_and_resize puts its first and last sample on the box edges, and 0 and 1 on the
        # centres of the first and last pixel: shrink to strip centres, then shift by half a pixel.
        top_left, bottom_right = boxes[..., :2], boxes[..., 2:]  # (b, r, 2) each
        inset = (bottom_right - top_left) / (2 * self.size)  # (b, r, 2)
        pixels = tf.cast(shape[1:3], boxes.dtype)  # (2,)
        corners = [
            (corner * pixels - 0.5) / (pixels - 1.0)
            for corner in (top_left + inset, bottom_right - inset)
        ]
        flat = tf.reshape(tf.concat(corners, axis=-1), (-1, 4))  # (b * r, 4)
        image_of_box = tf.repeat(tf.range(shape[0]), num_regions)  # (b * r,)
        crops = tf.image.crop_and_resize(maps, flat, image_of_box, (self.size, self.size))
        return tf.reshape(crops, (-1, num_regions, self.size, self.size, channels))

    def _by_products(self, maps, boxes):
        strips = (tf.range(self.size, dtype=tf.float32) + 0.5) / self.size  # (s,)

        def weights(first, last, length):
            """Share of each of `length` pixels in each sample: `(b, r, s, length)`."""
            position = (first + (last - first) * strips) * length - 0.5  # (b, r, s)
            inside = tf.cast((position >= 0) & (position <= length - 1.0), tf.float32)
            distance = tf.abs(position[..., None] - tf.range(length, dtype=tf.float32))
            return tf.nn.relu(1.0 - distance) * inside[..., None]

        y1, x1, y2, x2 = tf.split(boxes, 4, axis=-1)  # (b, r, 1) each
        rows, columns = weights(y1, y2, maps.shape[1]), weights(x1, x2, maps.shape[2])
        return tf.einsum("brih,bhwc,brjw->brijc", rows, maps, columns)

    def get_config(self):
        return {**super().get_config(), "size": self.size, "compiled": self.compiled}


def mirror_boxes(boxes, order):
    """Boxes of the mirrored image: x is reflected and the rows change sides.

    Args:
        boxes: `(…, r, 4)` float boxes (y1, x1, y2, x2) in [0, 1].
        order: `r` ints; row i of the result is the reflection of row `order[i]`.
    """
    y1, x1, y2, x2 = tf.unstack(tf.gather(boxes, order, axis=-2), axis=-1)
    return tf.stack([y1, 1.0 - x2, y2, 1.0 - x1], axis=-1)
