"""The displacement generator that ships with the package, asked as a model is; it knows no class.

For who has trained no classifier yet: everything about motion is answered, nothing about emotion.
"""

from __future__ import annotations

import threading

from me_keras.prediction.alignment import Alignment
from me_keras.prediction.model import Model
from pipelines.progress import say

NO_CLASS = "no class"  # stands where other models name one; its probability is 1
NAME = "displacement only, weights that ship"


class DisplacementOnly(Model):
    """Answers displacement and its figures; the only class is `NO_CLASS`, attention is equal.

    TensorFlow is loaded when it is first asked, which is then said. Safe in several threads.
    """

    def __init__(self):
        super().__init__(NAME, None, Alignment())
        self.classes = (NO_CLASS,)
        self._answers = None
        self._lock = threading.Lock()

    def load(self):
        """The function that answers, traced once; DataError if the weights are damaged."""
        with self._lock:
            if self._answers is None:
                say(f"loading TensorFlow and {self.name}")
                self._answers = _answers(self.alignment.image_size, len(self.regions))
            return self._answers

    def close(self):
        self._answers = None

    def _call(self, inputs, signature):
        import tensorflow as tf

        answers = self.load()
        tensors = [tf.constant(inputs[name]) for name in ("onset", "apex")]
        return {name: values.numpy() for name, values in answers(*tensors).items()}


def names_classes(model: Model) -> bool:
    """Whether a model tells classes apart."""
    return model.classes != (NO_CLASS,)


def _answers(size, regions):
    """A function of onset and apex (b, size, size, 1): what `Model.ask` says, as tensors."""
    import tensorflow as tf

    from me_keras import pretrained
    from me_keras.models.frl_dgt import displacement_model
    from me_keras.motion_figures import motion_figures

    generator = displacement_model(size)
    pretrained.load(generator)
    faces = tf.TensorSpec((None, size, size, 1))

    def answer(onset, apex):
        found = generator({"onset": onset, "apex": apex}, training=False)
        displacement = found["displacement"]
        count = tf.shape(onset)[0]
        return {
            "displacement": displacement,
            "probabilities": tf.ones((count, 1)),
            "attention": tf.fill((count, regions), 1 / regions),
            **motion_figures(onset, apex, found["warped"], displacement),
        }

    return tf.function(answer, input_signature=[faces, faces]).get_concrete_function()
