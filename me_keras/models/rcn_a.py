"""RCN-A: a shallow recurrent convolution, with attention by the classifier's own weights.

Xia, Peng, Khor, Feng, Zhao, 2020, arXiv:2006.09674 (IEEE Transactions on Image Processing).
Published, in the authors' code (github.com/xiazhaoqiang/ParameterFreeRCNs-MicroExpressionRec): on
flow images of three channels a 5 x 5 convolution without padding, with batch normalisation, ReLU,
2 x 2 max pooling and dropout; a recurrent layer (a 1 x 1 convolution, then a 3 x 3 one twice with
the same weights, each time on the layer's input plus what came out last), with pooling and dropout
as before; average pooling and a linear classifier. The attention unit has no parameters of its own:
see `AttentiveClassifier`. The sizes are the defaults of the authors' script, 64 feature maps and
7 x 7 averages; their README calls it with 32 and 5 x 5.

Not found, and chosen: 60 px, where both average poolings are of whole windows (PyTorch's adaptive
pooling, which they use, takes others too). Where an attention map is flat it is 0; theirs is 0 / 0.
"""

import keras
import tensorflow as tf

from me_keras.layers.transformer import SeededDropout
from me_keras.models.flow_image import flow_image
from me_keras.models.recognizer import Recognizer, rebuildable


@rebuildable
def rcn_a(
    image_size=60,
    num_classes=3,
    motion_channels=3,
    num_regions=9,
    size=60,
    filters=64,
    steps=2,
    pooled_size=7,
    dropout=0.5,
    head_dropout=0.5,
):
    """Builds the model.

    Args:
        image_size: int S, side of the motion maps, pixels.
        num_classes: int k.
        motion_channels: int c >= 1; see `MotionMaps` (a flow of 2 channels gets its strain).
        num_regions: int r of the ignored input.
        size: int, side of the image that the motion maps are resampled to.
        filters: int, of all convolutions.
        steps: int, how often the recurrent convolution is run.
        pooled_size: int, side of what the classifier looks at.
        dropout: float, after the first convolution.
        head_dropout: float, after the recurrent layer.
    Returns:
        `Recognizer`: dict of `motion` `(b, S, S, c)` and `regions` in, dict of `logits` out.
    Raises:
        ValueError: if there is no motion map to look at, or the sizes do not fit.
    """
    inputs, x = flow_image("rcn_a", image_size, motion_channels, num_regions, size)
    side = (size - 4) // 2
    if side % (2 * pooled_size):
        raise ValueError(
            "`(size - 4) / 2` must be a multiple of `2 * pooled_size`. "
            f"Received: {size=}, {pooled_size=}"
        )
    x = _convolution(filters, 5, "first", padding="valid")(x)  # (b, 56, 56, filters)
    x = keras.layers.MaxPooling2D(2)(x)  # (b, 28, 28, filters)
    x = SeededDropout(dropout, seed=1, name="first_dropped")(x)
    early = keras.layers.AveragePooling2D(side // pooled_size, name="early")(x)  # (b, 7, 7, f)
    x = keras.layers.MaxPooling2D(2)(_recurrent(x, filters, steps))  # (b, 14, 14, filters)
    x = SeededDropout(head_dropout, name="head_dropout")(x)
    late = keras.layers.AveragePooling2D(side // 2 // pooled_size, name="late")(x)  # (b, 7, 7, f)
    logits = AttentiveClassifier(num_classes, dtype="float32", name="logits")((late, early))
    return Recognizer(inputs, {"logits": logits}, name="rcn_a")


def _recurrent(x, filters, steps):
    """`y = ReLU(W (x + y))` so many times, from a 1 x 1 convolution of `x` on; shape as `x`."""
    y = _convolution(filters, 1, "feedforward")(x)
    recurrent = _convolution(filters, 3, "recurrent")
    for _ in range(steps):
        y = recurrent(keras.layers.Add()([x, y]))
    return y


def _convolution(filters, size, name, padding="same"):
    """Convolution, batch normalisation, ReLU: a layer that can be called again, weights shared."""
    # Initial weights and constants of the normalisation as in the authors' code.
    spread = keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
    layers = [
        keras.layers.Conv2D(filters, size, padding=padding, kernel_initializer=spread),
        keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5),
        keras.layers.ReLU(),
    ]
    return keras.Sequential(layers, name=name)


@keras.saving.register_keras_serializable(package="me_keras")
class AttentiveClassifier(keras.layers.Layer):
    """Linear classifier of late features, which it weighs by where early ones speak for a class.

    Both have the same shape, so the classifier's weights apply to the early ones, too: their
    products, summed over the channels, are a map for each class. Each map is brought to [0, 1], and
    the mean of all is what the late features are multiplied by.

    Args:
        num_classes: int k.

    Call arguments:
        inputs: tuple of the late and the early features, `(b, h, w, c)` float each.
    Returns:
        `(b, k)`, logits.
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def build(self, input_shape):
        late, _ = input_shape
        self.kernel = self.add_weight(
            name="kernel",
            shape=(*late[1:], self.num_classes),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
        )
        self.bias = self.add_weight(name="bias", shape=(self.num_classes,), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        late, early = inputs
        attended = late * self.attention(early)  # (b, h, w, c)
        return tf.einsum("bhwc,hwck->bk", attended, self.kernel) + self.bias

    def attention(self, early):
        """What the late features are multiplied by: `(b, h, w, c)` to `(b, h, w, 1)` in [0, 1]."""
        maps = tf.einsum("bhwc,hwck->bhwk", early, self.kernel)  # (b, h, w, k)
        maps -= tf.reduce_min(maps, axis=(1, 2), keepdims=True)
        maps = tf.math.divide_no_nan(maps, tf.reduce_max(maps, axis=(1, 2), keepdims=True))
        return tf.reduce_mean(maps, axis=-1, keepdims=True)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}
