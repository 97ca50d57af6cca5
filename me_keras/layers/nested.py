"""A level of a nested Transformer: attention inside each block of a map, and blocks that merge.

Zhang et al., 2022, arXiv:2105.12723 (NesT).
"""

import keras
import tensorflow as tf

from me_keras.layers.transformer import SeededDropout


@keras.saving.register_keras_serializable(package="me_keras")
class NestedLevel(keras.layers.Layer):
    """Cuts a map into n x n blocks and lets the tokens of each attend to each other.

    Args:
        hidden_dim: int, width of a token.
        num_heads: int, of `hidden_dim // num_heads` numbers each.
        depth: int, layers of attention.
        blocks: int n; divides the map's sides.
        mlp_ratio, dropout: as `BlockAttention`.
        seed: int, of the dropout streams.

    Call arguments:
        maps: `(b, h, w, hidden_dim)` float.
    Returns:
        `(b, h, w, hidden_dim)`.
    Raises:
        ValueError: if `blocks` does not divide the map.
    """

    def __init__(
        self, hidden_dim, num_heads, depth, blocks, mlp_ratio=4, dropout=0.0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.depth = depth
        self.blocks = blocks
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.seed = seed
        self.attentions = [
            BlockAttention(hidden_dim, num_heads, mlp_ratio, dropout, seed=seed * 16 + i)
            for i in range(depth)
        ]

    def build(self, input_shape):
        _, height, width, _ = input_shape
        if height % self.blocks or width % self.blocks:
            raise ValueError(
                f"`blocks` must divide the map. Received: blocks={self.blocks}, "
                f"map {height} x {width}"
            )
        length = (height // self.blocks) * (width // self.blocks)
        # One number for each place in a block, added to all channels, of variance 1: as published.
        self.position = self.add_weight(
            name="position",
            shape=(length,),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
        )
        for attention in self.attentions:
            attention.build((None, self.blocks**2, length, self.hidden_dim))
        super().build(input_shape)

    def call(self, maps, training=False):
        tokens = cut(maps, self.blocks)  # (b, n n, l, hidden_dim)
        tokens += tf.cast(self.position[:, None], tokens.dtype)
        for attention in self.attentions:
            tokens = attention(tokens, training=training)
        return join(tokens, maps.shape[1], maps.shape[2])

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "depth": self.depth,
            "blocks": self.blocks,
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "seed": self.seed,
        }


def cut(maps, blocks):
    """`(b, h, w, c)` to `(b, n n, l, c)`: n x n blocks of l tokens, both in reading order."""
    _, height, width, channels = maps.shape
    rows, columns = height // blocks, width // blocks
    tokens = tf.reshape(maps, (-1, blocks, rows, blocks, columns, channels))
    tokens = tf.transpose(tokens, (0, 1, 3, 2, 4, 5))  # (b, n, n, rows, columns, c)
    return tf.reshape(tokens, (-1, blocks**2, rows * columns, channels))


def join(tokens, height, width):
    """The inverse of `cut`: `(b, n n, l, c)` to `(b, height, width, c)`."""
    blocks, channels = round(tokens.shape[1] ** 0.5), tokens.shape[-1]
    rows, columns = height // blocks, width // blocks
    maps = tf.reshape(tokens, (-1, blocks, blocks, rows, columns, channels))
    maps = tf.transpose(maps, (0, 1, 3, 2, 4, 5))  # (b, n, rows, n, columns, c)
    return tf.reshape(maps, (-1, height, width, channels))


@keras.saving.register_keras_serializable(package="me_keras")
class BlockAttention(keras.layers.Layer):
    """Self-attention inside each block and a perceptron, behind a LayerNorm and a residual each.

    Unlike `TransformerBlock` it needs no `hidden_dim` that the heads divide: the rest is left out
    of the heads. Query, key and value have no bias.

    Args:
        hidden_dim: int, width of a token.
        num_heads: int.
        mlp_ratio: int, hidden units of the perceptron over `hidden_dim`.
        dropout: float, on the outputs of both branches.
        seed: int, of the dropout streams.

    Call arguments:
        tokens: `(b, n, l, hidden_dim)` float, n blocks of l tokens.
    Returns:
        `(b, n, l, hidden_dim)`.
    Raises:
        ValueError: if there are more heads than `hidden_dim`.
    """

    def __init__(self, hidden_dim, num_heads, mlp_ratio=4, dropout=0.0, seed=0, **kwargs):
        super().__init__(**kwargs)
        if num_heads > hidden_dim:
            raise ValueError(
                f"`num_heads` must be at most `hidden_dim`. Received: {num_heads=}, {hidden_dim=}"
            )
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.seed = seed
        self.inner_dim = hidden_dim // num_heads * num_heads
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-5)
        self.query_key_value = keras.layers.Dense(3 * self.inner_dim, use_bias=False)
        self.attention_output = keras.layers.Dense(hidden_dim)
        self.mlp_norm = keras.layers.LayerNormalization(epsilon=1e-5)
        self.mlp_hidden = keras.layers.Dense(mlp_ratio * hidden_dim, activation="gelu")
        self.mlp_output = keras.layers.Dense(hidden_dim)
        self.drops = [SeededDropout(dropout, seed=2 * seed + i) for i in range(2)]

    def build(self, input_shape):
        *lead, _ = input_shape
        self.attention_norm.build(input_shape)
        self.query_key_value.build(input_shape)
        self.attention_output.build((*lead, self.inner_dim))
        self.mlp_norm.build(input_shape)
        self.mlp_hidden.build(input_shape)
        self.mlp_output.build((*lead, self.mlp_ratio * self.hidden_dim))
        for drop in self.drops:
            drop.build(input_shape)
        super().build(input_shape)

    def call(self, tokens, training=False):
        attended = self.attention_output(self._attend(self.attention_norm(tokens)))
        tokens += self.drops[0](attended, training=training)
        hidden = self.mlp_output(self.mlp_hidden(self.mlp_norm(tokens)))
        return tokens + self.drops[1](hidden, training=training)

    def _attend(self, tokens):
        blocks, length = tokens.shape[1:3]
        depth = self.inner_dim // self.num_heads
        split = tf.reshape(
            self.query_key_value(tokens), (-1, blocks, length, 3, self.num_heads, depth)
        )
        query, key, value = tf.unstack(tf.transpose(split, (3, 0, 1, 4, 2, 5)))  # (b, n, heads, …)
        logits = tf.matmul(query * depth**-0.5, key, transpose_b=True)  # (b, n, heads, l, l)
        mixed = tf.matmul(tf.nn.softmax(logits), value)  # (b, n, heads, l, depth)
        mixed = tf.transpose(mixed, (0, 1, 3, 2, 4))  # (b, n, l, heads, depth)
        return tf.reshape(mixed, (-1, blocks, length, self.inner_dim))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="me_keras")
class Aggregation(keras.layers.Layer):
    """Merges four blocks into one: a 3 x 3 convolution across borders, then every other place.

    Args:
        filters: int, channels of the result.

    Call arguments:
        maps: `(b, h, w, c)` float.
    Returns:
        `(b, ceil(h / 2), ceil(w / 2), filters)`: the greatest of 3 x 3 places around every other
        one, the first included, after a LayerNorm over the channels.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.filters = filters
        self.conv = keras.layers.Conv2D(filters, 3, padding="same")
        self.norm = keras.layers.LayerNormalization(epsilon=1e-5)

    def build(self, input_shape):
        self.conv.build(input_shape)
        self.norm.build((*input_shape[:-1], self.filters))
        super().build(input_shape)

    def call(self, maps):
        normed = self.norm(self.conv(maps))  # (b, h, w, filters)
        # "SAME" would pad behind the last place only, and XLA takes no other padding.
        around = [[0, 0], [1, 1], [1, 1], [0, 0]]
        padded = tf.pad(normed, around, constant_values=normed.dtype.min)
        return tf.nn.max_pool2d(padded, 3, 2, "VALID")

    def get_config(self):
        return {**super().get_config(), "filters": self.filters}
