"""A small SavedModel with the signatures of an export and its contract, for tests of its users.

It is no network: its displacement is the change of brightness, its logits are linear in that, and
attention goes to the regions by their area. All of it can be computed by hand.
`python tests/stand_in.py DIR` writes version 1 there, for a real TF Serving.
"""

import os
import pathlib
import shutil
import sys

import numpy as np

from pipelines import schema

CLASSES = schema.CLASSES
SIZE = 16
MARGIN = 4
REGIONS = 9


def write(base, version=1, size=SIZE, edit=None):
    """Writes `<base>/<version>`, whole at once; a version's number shifts its answers.

    Args:
        edit: a function that changes the contract before it is written.
    Returns:
        `base`.
    """
    import tensorflow as tf

    from me_keras.exporting import contract, signatures

    base = pathlib.Path(base)
    partial = base / f".tmp-{version}"
    model = _module(version, size)
    names = ("serving_default", "serving_uint8", "serving_regions", "serving_bytes", "displacement")
    functions = {name: getattr(model, name) for name in names}
    tf.saved_model.save(model, str(partial), signatures=functions)
    facts = make_contract(size, version)
    facts["signatures"] = signatures.describe(tf.saved_model.load(str(partial)))
    if edit:
        edit(facts)
    contract.write_contract(partial, facts)
    os.replace(partial, base / str(version))
    return base


def copy_version(base, source, target):
    """Puts a copy of a version beside it, whole at once, as an export does."""
    base = pathlib.Path(base)
    shutil.copytree(base / str(source), base / f".tmp-{target}")
    os.replace(base / f".tmp-{target}", base / str(target))


def weights(version=1, size=SIZE):
    """The matrix (size * size, 3) that turns the pixel differences into logits."""
    rng = np.random.default_rng(version)
    return rng.normal(0, 4.8 / size, (size * size, len(CLASSES))).astype(np.float32)


def probabilities(onset, apex, version=1):
    """What `serving_default` answers, in NumPy."""
    logits = (apex - onset).reshape(len(onset), -1) @ weights(version, onset.shape[1])
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return odds / odds.sum(1, keepdims=True)


def displacement(onset, apex):
    """What `displacement` answers of this name: (b, size, size, 2)."""
    return (apex - onset) * np.float32([10, 5])


def make_contract(size=SIZE, version=1):
    """A contract, without the signatures."""
    from me_keras.exporting import contract

    alignment = {"image_size": size, "margin": MARGIN, "rigid": True}
    return {
        "format": contract.FORMAT,
        "model": "frl_dgt",
        "version": version,
        "created": "2024-01-01T00:00:00Z",
        "image_size": size,
        "classes": list(CLASSES),
        "regions": list(schema.REGIONS),
        "canonical_regions": np.tile([0.25, 0.25, 0.75, 0.75], (REGIONS, 1)).tolist(),
        "alignment": alignment,
        "motion": {"source": "dgm", "channels": []},
        "ranges": {"float32": [0, 1]},
        "signatures": {},
        "data": {"dataset": "made", "protocol": "made-3", "digest": "0", "clips": 1, "subjects": 1},
        "score": None,
        "versions": {},
    }


def _module(version, size):
    import tensorflow as tf

    from me_keras.layers.warp import dense_warp
    from me_keras.motion_figures import motion_figures

    face = (None, size, size, 1)

    def spec(name, shape=face, dtype=tf.float32):
        return tf.TensorSpec(shape, dtype, name=name)

    frames = [spec("onset"), spec("apex")]
    regional = [*frames, spec("regions", (None, REGIONS, 4))]

    def moved(onset, apex):
        found = (apex - onset) * [10.0, 5.0]  # (b, size, size, 2)
        return found, motion_figures(onset, apex, dense_warp(apex, found), found)

    def attention(regions):
        area = tf.reduce_prod(regions[..., 2:] - regions[..., :2], -1)  # (b, r)
        return area / tf.reduce_sum(area, -1, keepdims=True)

    class StandIn(tf.Module):
        def __init__(self):
            super().__init__()
            self.weights = tf.Variable(weights(version, size))

        def checked(self, name, image):
            batch = tf.debugging.assert_positive(tf.shape(image)[0], f"{name}: the batch is empty")
            inside = tf.reduce_all((image >= 0) & (image <= 1))  # false for NaN
            values = tf.debugging.Assert(inside, [f"{name}: values must lie in [0, 1]"])
            with tf.control_dependencies([batch, values]):
                return tf.identity(image)

        def answer(self, onset, apex):
            onset, apex = self.checked("onset", onset), self.checked("apex", apex)
            logits = tf.reshape(apex - onset, (-1, size * size)) @ self.weights
            classes = tf.constant(CLASSES)
            return {
                "probabilities": tf.nn.softmax(logits),
                "classes": tf.tile(classes[None], (tf.shape(onset)[0], 1)),
                "predicted": tf.gather(classes, tf.argmax(logits, 1)),
                **moved(onset, apex)[1],
            }

        @tf.function(input_signature=frames)
        def serving_default(self, onset, apex):
            return self.answer(onset, apex)

        @tf.function(input_signature=[spec(n, dtype=tf.uint8) for n in ("onset", "apex")])
        def serving_uint8(self, onset, apex):
            return self.answer(tf.cast(onset, tf.float32) / 255, tf.cast(apex, tf.float32) / 255)

        @tf.function(input_signature=regional)
        def serving_regions(self, onset, apex, regions):
            return {**self.answer(onset, apex), "attention": attention(regions)}

        @tf.function(
            input_signature=[spec(n, (None,), tf.string) for n in ("onset_bytes", "apex_bytes")]
        )
        def serving_bytes(self, onset_bytes, apex_bytes):
            def decoded(content):
                image = tf.io.decode_image(content, channels=1, expand_animations=False)
                image = tf.ensure_shape(image, (None, None, 1))
                return tf.image.resize(tf.cast(image, tf.float32) / 255, (size, size))

            images = [
                tf.map_fn(decoded, b, fn_output_signature=tf.TensorSpec(face[1:], tf.float32))
                for b in (onset_bytes, apex_bytes)
            ]
            return self.answer(*(tf.clip_by_value(image, 0, 1) for image in images))

        @tf.function(input_signature=regional)
        def displacement(self, onset, apex, regions):
            found, figures = moved(onset, apex)
            return {
                "displacement": found,
                "magnitude": tf.norm(found, axis=-1),
                "attention": attention(regions),
                "probabilities": self.answer(onset, apex)["probabilities"],
                **figures,
            }

    return StandIn()


if __name__ == "__main__":
    write(sys.argv[1])
