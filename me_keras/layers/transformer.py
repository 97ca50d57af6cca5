"""A pre-norm Transformer block with reproducible dropout."""

import keras
import tensorflow as tf

from me_keras import compat


@keras.saving.register_keras_serializable(package="me_keras")
class SeededDropout(keras.layers.Layer):
    """Dropout whose random stream is a weight, so that resetting the weights resets the stream.

    One traced training graph serves all folds: with Keras' own dropout a fold would depend on how
    many folds ran before it, and a resumed run would differ from an uninterrupted one.

    Args:
        rate: float in [0, 1), share of what is dropped.
        per_example: bool; drops the whole example (stochastic depth) instead of single entries.
        seed: int, tells this layer's stream from those of others.
    """

    def __init__(self, rate, per_example=False, seed=0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"`rate` must be in [0, 1). Received: rate={rate}")
        self.rate = rate
        self.per_example = per_example
        self.seed = seed

    def build(self, input_shape):
        self.step = self.add_weight(
            name="step",
            shape=(),
            dtype="int64",
            initializer="zeros",
            trainable=False,
            aggregation=compat.ONLY_FIRST_REPLICA,
        )
        super().build(input_shape)

    def call(self, inputs, training=False):
        if not training or self.rate == 0:
            return inputs
        shape = tf.shape(inputs)
        if self.per_example:
            shape = tf.concat([shape[:1], tf.ones_like(shape[1:])], axis=0)
        noise = self._noise(shape)
        self.step.assign_add(1)
        keep = tf.cast(noise >= self.rate, inputs.dtype)
        return inputs * keep / (1 - self.rate)

    def _noise(self, shape):
        """Uniform numbers for this replica's share of the batch: its part of the whole batch's."""
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync
        if replicas == 1:
            return self._uniform(shape)
        share, rest = shape[:1], shape[1:]
        whole = tf.concat([replicas * share, rest], axis=0)
        noise = self._uniform(whole)
        noise = tf.reshape(noise, tf.concat([[replicas], shape], axis=0))
        return noise[context.replica_id_in_sync_group]

    def _uniform(self, shape):
        """Philox's uniform numbers in [0, 1): the key is the seed, the counter starts at the step.

        `tf.random.stateless_uniform` would make both from a seed that it reads on the host, and a
        GPU would wait for it at every layer.
        """
        step = tf.convert_to_tensor(self.step)
        counter = tf.bitcast(tf.stack([tf.zeros_like(step), step]), tf.uint64)
        key = tf.constant([self.seed], tf.uint64)
        return tf.raw_ops.StatelessRandomUniformV2(shape=shape, key=key, counter=counter, alg=1)

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "per_example": self.per_example,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable(package="me_keras")
class TransformerBlock(keras.layers.Layer):
    """Self-attention and a two-layer perceptron, each behind a LayerNorm and a residual.

    Args:
        hidden_dim: int, width of a token; a multiple of `num_heads`.
        num_heads: int.
        mlp_ratio: int, hidden units of the perceptron over `hidden_dim`.
        dropout: float, on the outputs of both branches.
        stochastic_depth: float, chance that an example skips a branch in training.
        seed: int, of the dropout streams.

    Call arguments:
        tokens: `(b, l, hidden_dim)` float.
    Returns:
        `(b, l, hidden_dim)`.
    Raises:
        ValueError: if `num_heads` does not divide `hidden_dim`.
    Reference: Dosovitskiy et al., 2021, arXiv:2010.11929 (ViT's encoder block).
    """

    def __init__(
        self,
        hidden_dim,
        num_heads=4,
        mlp_ratio=2,
        dropout=0.1,
        stochastic_depth=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if hidden_dim % num_heads:
            raise ValueError(
                f"`num_heads` must divide `hidden_dim`. Received: {num_heads=}, {hidden_dim=}"
            )
        self.hidden_dim = hidden_dim
        self.num_heads = num_heads
        self.mlp_ratio = mlp_ratio
        self.dropout = dropout
        self.stochastic_depth = stochastic_depth
        self.seed = seed
        self.attention_norm = keras.layers.LayerNormalization(epsilon=1e-6)
        self.query_key_value = keras.layers.Dense(3 * hidden_dim)
        self.attention_output = keras.layers.Dense(hidden_dim)
        self.mlp_norm = keras.layers.LayerNormalization(epsilon=1e-6)
        self.mlp_hidden = keras.layers.Dense(mlp_ratio * hidden_dim, activation="gelu")
        self.mlp_output = keras.layers.Dense(hidden_dim)
        self.drops = [SeededDropout(dropout, seed=4 * seed + i) for i in range(2)]
        self.skips = [
            SeededDropout(stochastic_depth, per_example=True, seed=4 * seed + 2 + i)
            for i in range(2)
        ]

    def build(self, input_shape):
        wide = (*input_shape[:-1], self.mlp_ratio * self.hidden_dim)
        self.attention_norm.build(input_shape)
        self.query_key_value.build(input_shape)
        self.attention_output.build(input_shape)
        self.mlp_norm.build(input_shape)
        self.mlp_hidden.build(input_shape)
        self.mlp_output.build(wide)
        for drop in (*self.drops, *self.skips):
            drop.build(input_shape)
        super().build(input_shape)

    def call(self, tokens, training=False):
        attended = self.attention_output(self._attend(self.attention_norm(tokens)))
        tokens += self.skips[0](self.drops[0](attended, training=training), training=training)
        hidden = self.mlp_output(self.mlp_hidden(self.mlp_norm(tokens)))  # (b, l, hidden_dim)
        return tokens + self.skips[1](self.drops[1](hidden, training=training), training=training)

    def attention(self, tokens):
        """Share of the attention that each token receives, mean over heads and asking tokens.

        Args:
            tokens: `(b, l, hidden_dim)` float, what the block is called on.
        Returns:
            `(b, l)` float32, sums to 1.
        """
        _, weights = self._values_and_weights(self.attention_norm(tokens))
        return tf.reduce_mean(tf.cast(weights, tf.float32), axis=(1, 2))

    def _attend(self, tokens):
        values, weights = self._values_and_weights(tokens)
        mixed = tf.transpose(tf.matmul(weights, values), (0, 2, 1, 3))  # (b, l, num_heads, d)
        return tf.reshape(mixed, (-1, tokens.shape[1], self.hidden_dim))  # (b, l, hidden_dim)

    def _values_and_weights(self, tokens):
        depth = self.hidden_dim // self.num_heads
        split = tf.reshape(
            self.query_key_value(tokens), (-1, tokens.shape[1], 3, self.num_heads, depth)
        )
        query, key, value = tf.unstack(tf.transpose(split, (2, 0, 3, 1, 4)))  # (b, num_heads, l, d)
        logits = tf.matmul(query * depth**-0.5, key, transpose_b=True)  # (b, num_heads, l, l)
        return value, tf.nn.softmax(logits)

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "num_heads": self.num_heads,
            "mlp_ratio": self.mlp_ratio,
            "dropout": self.dropout,
            "stochastic_depth": self.stochastic_depth,
            "seed": self.seed,
        }
