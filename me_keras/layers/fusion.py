"""Transformer fusion of several inputs that share their positions.

The paper fuses linearly *before* attention: the inputs of one position are concatenated, projected
to one token, and then attend. The rival order attends over all inputs' tokens and fuses *after*.
With n inputs of L positions, attention costs O(L^2) before and O((n L)^2) after. (Which orders
exist is from the paper as summarised by others; the formulas are our reading.)
"""

import keras
import tensorflow as tf

from me_keras.layers.transformer import TransformerBlock

ORDERS = ("before", "after")


@keras.saving.register_keras_serializable(package="me_keras")
class Patches(keras.layers.Layer):
    """Cuts a map into square patches, one flat vector each, in reading order.

    Args:
        size: int, side of a patch; divides h and w.

    Call arguments:
        maps: `(…, h, w, c)` float; leading axes are kept.
    Returns:
        `(…, (h / size) * (w / size), size * size * c)`.
    Raises:
        ValueError: if `size` does not divide the map.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, maps):
        *lead, height, width, channels = maps.shape
        if height % self.size or width % self.size:
            raise ValueError(
                f"`size` must divide the map. Received: size={self.size}, map {height} x {width}"
            )
        rows, columns = height // self.size, width // self.size
        flat = tf.reshape(maps, (-1, rows, self.size, columns, self.size, channels))
        flat = tf.transpose(flat, (0, 1, 3, 2, 4, 5))  # (n, rows, columns, size, size, c)
        shape = (rows * columns, self.size * self.size * channels)
        return tf.reshape(flat, (-1, *lead[1:], *shape))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="me_keras")
class FusionTransformer(keras.layers.Layer):
    """Fuses n inputs of L positions into L tokens: linear fusion and attention, in either order.

    Args:
        hidden_dim: int, width of a token.
        num_layers: int, Transformer blocks.
        order: "before" (fuse, then attend: the paper's) or "after" (attend, then fuse).
        num_heads, mlp_ratio, dropout, stochastic_depth: as `TransformerBlock`; stochastic depth
            rises linearly from 0 at the first block.
        seed: int, of the dropout streams.

    Call arguments:
        sources: list of n tensors `(b, …, L, c_i)` float. Attention runs over L; axes between b
            and L (regions, say) share the weights but have their own position table.
        return_attention: bool; returns the share of the last block's attention that each position
            receives instead.
    Returns:
        `(b, …, L, hidden_dim)` float; with `return_attention` `(b, …, L)` float32, sums to 1.
    Raises:
        ValueError: for an unknown order.
    """

    def __init__(
        self,
        hidden_dim=64,
        num_layers=1,
        order="before",
        num_heads=4,
        mlp_ratio=2,
        dropout=0.1,
        stochastic_depth=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if order not in ORDERS:
            raise ValueError(f"`order` must be one of {ORDERS}. Received: order={order!r}")
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.order = order
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.stochastic_depth = stochastic_depth
        self.seed = seed
        self.fuse = keras.layers.Dense(hidden_dim)
        self.blocks = [
            TransformerBlock(
                hidden_dim,
                num_heads,
                mlp_ratio,
                dropout,
                stochastic_depth * i / max(num_layers - 1, 1),
                seed=seed * 16 + i,
            )
            for i in range(num_layers)
        ]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6)

    def build(self, input_shape):
        shapes = [input_shape] if isinstance(input_shape, tf.TensorShape) else input_shape
        *lead, positions, _ = shapes[0][1:]
        inputs = 1 if self.order == "before" else len(shapes)
        self.embed = (
            [keras.layers.Dense(self.hidden_dim) for _ in range(inputs)] if inputs > 1 else []
        )
        self.position = self.add_weight(
            name="position",
            shape=(*lead, inputs * positions, self.hidden_dim),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )
        super().build(input_shape)

    def call(self, sources, training=False, return_attention=False):
        sources = tf.nest.flatten(sources)  # Keras reloads a list of one as its element
        if self.embed:
            sources = [embed(source) for embed, source in zip(self.embed, sources)]
            tokens = tf.concat(sources, axis=-2)  # (b, …, n L, hidden_dim)
        else:
            tokens = self.fuse(tf.concat(sources, axis=-1))  # (b, …, L, hidden_dim)
        tokens += tf.cast(self.position, tokens.dtype)
        lead, positions = tokens.shape[1:-2], tokens.shape[-2]
        tokens = tf.reshape(tokens, (-1, positions, self.hidden_dim))
        for block in self.blocks:
            asked, tokens = tokens, block(tokens, training=training)
        inputs = max(len(self.embed), 1)
        if return_attention:
            received = self.blocks[-1].attention(asked)  # (n, L), or (n, n_sources L) before fusion
            received = tf.reshape(received, (-1, *lead, inputs, positions // inputs))
            return tf.reduce_sum(received, axis=-2)
        if self.embed:
            tokens = self.fuse(tf.concat(tf.split(tokens, inputs, axis=-2), axis=-1))
        return tf.reshape(self.norm(tokens), (-1, *lead, positions // inputs, self.hidden_dim))

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_layers": self.num_layers,
            "order": self.order,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "stochastic_depth": self.stochastic_depth,
            "seed": self.seed,
        }
