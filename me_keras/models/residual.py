"""What the small residual networks share: an image of few pixels, and the block of ResNet-12.

The block is that of few-shot learning: Oreshkin et al., 2018, arXiv:1805.10123, and Lee et al.,
2019, arXiv:1904.03758. Deviation: no DropBlock.
"""

import keras

from me_keras.layers.attention import CBAM
from me_keras.layers.motion import Resize

MOMENTUM, EPSILON = 0.9, 1e-5  # as these networks are published; Keras' would last a whole fold


def small_image(x, size):
    """Averages a larger image down to `size` px, so that two CPU cores can train on it.

    Args:
        x: `(b, S, S, c)` float.
        size: int, pixels.
    Returns:
        `(b, s, s, c)`, s = min(S, size). Whole pixels are averaged first: 128 px to 64 px exactly;
        what is left to go is bilinear.
    """
    if x.shape[1] >= 2 * size:
        x = keras.layers.AveragePooling2D(x.shape[1] // size)(x)
    return Resize(size)(x) if x.shape[1] > size else x


def normalized(x, **options):
    """Batch normalization with the constants of these networks."""
    return keras.layers.BatchNormalization(momentum=MOMENTUM, epsilon=EPSILON, **options)(x)


def convolved(x, filters, size=3):
    """A convolution, normalized: `(b, h, w, c)` to `(b, h, w, filters)`."""
    return normalized(keras.layers.Conv2D(filters, size, padding="same", use_bias=False)(x))


def residual_block(x, filters, name, convolutions=3, attention=False):
    """Convolutions beside a shortcut, then pooling to half the size.

    Args:
        x: `(b, h, w, c)` float.
        filters: int.
        name: of the pooling, the block's output.
        convolutions: int, 3 x 3 convolutions in a row.
        attention: bool; `CBAM` before the sum, as Woo et al. have it.
    Returns:
        `(b, h // 2, w // 2, filters)`.
    """
    y = convolved(x, filters)
    for _ in range(convolutions - 1):
        y = convolved(keras.layers.LeakyReLU(0.1)(y), filters)
    if attention:
        y = CBAM()(y)
    y = keras.layers.Add()([y, convolved(x, filters, size=1)])
    return keras.layers.MaxPooling2D(2, name=name)(keras.layers.LeakyReLU(0.1)(y))
