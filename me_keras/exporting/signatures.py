"""What an exported model answers: its signatures, with pre-processing and checks in the graph.

Which signatures a model gets follows from its inputs and outputs, not from its name:
    frames      serving_default, serving_uint8, serving_regions, serving_bytes, and displacement
                where the model estimates one
    motion      serving_default and serving_regions on motion maps

Regions are an input of signatures of their own instead of an optional one of `serving_default`.
TensorFlow 2.15 can write a default for an input, and TensorFlow Serving's gRPC fills it in, but its
size is fixed: it does not follow the batch, which server-side batching demands of every input, and
the REST interface refuses a request without it (json_tensor.cc of TensorFlow Serving).
"""

import contextlib
import io

import keras
import tensorflow as tf

from me_keras.exporting import checks, contract, images
from me_keras.layers.motion import turn_dx
from me_keras.layers.regions import mirror_boxes
from me_keras.models.frl_dgt import has_attention, with_attention
from me_keras.motion_figures import motion_figures


class Signatures:
    """The functions behind the signatures of a trained model.

    Args:
        model: `keras.Model` in float32 of frames (`onset`, `apex`) or of `motion`, and `regions`;
            its outputs hold `logits`, and may hold `displacement` with `warped`.
        classes: names of the k classes, in label order.
        regions: `(r, 4)` boxes of an average aligned face, for requests that hold none.
        mirrored_regions: r ints, rows of the regions on a mirrored face: probabilities are
            averaged with the mirrored face's. None: they are not.
    """

    def __init__(self, model, classes, regions, mirrored_regions=None):
        self.has_attention = has_attention(model)
        self.model = with_attention(model) if self.has_attention else model
        self.takes_frames = "onset" in model.input
        self.has_displacement = "displacement" in model.output
        first = model.input["onset" if self.takes_frames else "motion"]
        self.shape = tuple(first.shape[1:])  # (S, S, c)
        self.num_regions = model.input["regions"].shape[1]
        self.classes = list(classes)
        self.regions = regions
        self.mirrored_regions = mirrored_regions
        # One function that all signatures call: the file holds the model's graph once.
        specs = {spec.name: spec for spec in self.specs()["serving_regions"]}
        self._once = tf.function(self._outputs, input_signature=[specs])

    @property
    def image_size(self):
        """int S, side of the frames or motion maps, px."""
        return self.shape[0]

    def specs(self):
        """dict from the name of each signature to the list of its inputs' `tf.TensorSpec`."""
        regions = tf.TensorSpec((None, self.num_regions, 4), tf.float32, "regions")
        if not self.takes_frames:
            motion = [tf.TensorSpec((None, *self.shape), tf.float32, "motion")]
            return {"serving_default": motion, "serving_regions": [*motion, regions]}

        def frames(dtype):
            return [tf.TensorSpec((None, *self.shape), dtype, name) for name in ("onset", "apex")]

        encoded = [tf.TensorSpec((None,), tf.string, n) for n in ("onset_bytes", "apex_bytes")]
        found = {
            "serving_default": frames(tf.float32),
            "serving_uint8": frames(tf.uint8),
            "serving_regions": [*frames(tf.float32), regions],
            "serving_bytes": encoded,
        }
        if self.has_displacement:
            found["displacement"] = found["serving_regions"]
        return found

    def function(self, name):
        """The function of a signature: takes its inputs by name, returns a dict of tensors.

        All return `probabilities` `(b, k)` and, where the model estimates a displacement, the
        `motion_figures`; `displacement` also that, `(b, S, S, 2)` px, and its `magnitude`
        `(b, S, S)` px, the others the `classes` `(b, k)` and the one `predicted` `(b,)`.
        `displacement` and `serving_regions` return `attention` `(b, r)`, which sums to 1: the share
        of the global fusion's attention that each region receives (mean over the mirrored face
        where the probabilities are; equal shares for a model without global fusion).
        """
        read = self._decoded if name == "serving_bytes" else self._checked

        def answer(**inputs):
            outputs = self._recognised(read(inputs))
            answers = {"probabilities": outputs["probabilities"], **outputs.get("figures", {})}
            if name in ("displacement", "serving_regions"):
                answers["attention"] = outputs["attention"]
            if name == "displacement":
                moved = outputs["displacement"]
                return {**answers, "displacement": moved, "magnitude": tf.norm(moved, axis=-1)}
            return {**answers, **self._named(outputs["probabilities"])}

        return answer

    def _decoded(self, inputs):
        """The model's inputs, of PNG or JPEG images `(b,)` of any square size."""
        apexes = {"apex_bytes": inputs["apex_bytes"]}
        encoded = {"onset_bytes": checks.same_batch(inputs["onset_bytes"], apexes), **apexes}
        onset, apex = (images.decode(n, v, self.image_size) for n, v in encoded.items())
        return {"onset": onset, "apex": apex, "regions": self._average_face(onset)}

    def _checked(self, inputs):
        """The model's inputs, each passed on once the request as a whole is in order."""
        first, what = ("onset", "onsets") if self.takes_frames else ("motion", "motion maps")
        others = {name: value for name, value in inputs.items() if name != first}
        inputs = {**inputs, first: checks.same_batch(inputs[first], others, what)}
        highest = 255 if inputs[first].dtype == tf.uint8 else 1
        for name, value in inputs.items():
            if name == "regions":
                inputs[name] = checks.boxes(name, value, self.num_regions)
            elif name == "motion":
                inputs[name] = checks.motion(name, value, self.shape)
            else:
                value = checks.frames(name, value, self.image_size, highest)
                inputs[name] = tf.cast(value, tf.float32) / highest
        return {"regions": self._average_face(inputs[first]), **inputs}

    def _average_face(self, first):
        boxes = tf.constant(self.regions, tf.float32)[None]  # (1, r, 4)
        return tf.tile(boxes, (tf.shape(first)[0], 1, 1))  # (b, r, 4)

    def _recognised(self, inputs):
        """The model's outputs with `probabilities` and `attention`, as leave-one-out measured."""
        faces = [inputs] if self.mirrored_regions is None else [inputs, self._mirrored(inputs)]
        outputs, *others = self._each(faces)
        for mirrored in others:
            order = self.mirrored_regions
            mirrored["attention"] = tf.gather(mirrored["attention"], order, axis=1)  # (b, r)
            for name in ("attention", "probabilities"):
                outputs[name] = 0.5 * (outputs[name] + mirrored[name])
        if self.has_displacement:
            frames = inputs["onset"], inputs["apex"]
            outputs["figures"] = motion_figures(*frames, outputs["warped"], outputs["displacement"])
        return outputs

    def _each(self, faces):
        """The model's outputs for each of the dicts of inputs, a list."""
        return [dict(self._once(inputs)) for inputs in faces]

    def _mirrored(self, inputs):
        mirrored = {n: tf.reverse(v, [2]) for n, v in inputs.items() if n != "regions"}
        if not self.takes_frames:
            mirrored["motion"] = turn_dx(mirrored["motion"])
        mirrored["regions"] = mirror_boxes(inputs["regions"], self.mirrored_regions)
        return mirrored

    def _outputs(self, inputs):
        outputs = dict(self.model(inputs, training=False))
        if "attention" not in outputs:
            equal = tf.fill(tf.shape(inputs["regions"])[:2], 1.0 / self.num_regions)  # (b, r)
            outputs["attention"] = tf.ensure_shape(equal, (None, self.num_regions))
        return {**outputs, "probabilities": tf.nn.softmax(outputs["logits"])}  # (b, k)

    def _named(self, probabilities):
        classes = tf.constant(self.classes)  # (k,)
        names = tf.tile(classes[None], (tf.shape(probabilities)[0], 1))  # (b, k)
        return {
            "classes": tf.ensure_shape(names, (None, len(self.classes))),
            "predicted": tf.gather(classes, tf.argmax(probabilities, axis=-1)),  # (b,)
        }


def by_place(signatures, name, specs):
    """The function of a signature with its inputs by place, as `input_signature` gives them."""
    function, names = signatures.function(name), [spec.name for spec in specs]
    return lambda *values: function(**dict(zip(names, values)))


def save(signatures, folder, chosen=None):
    """Writes the SavedModel: the variables and the signatures, no Python object of ours.

    Args:
        chosen: the signatures with their inputs, as `Signatures.specs` returns all; None for these.
    """
    archive = keras.export.ExportArchive()
    archive.track(signatures.model)
    for name, specs in (chosen or signatures.specs()).items():
        archive.add_endpoint(name, by_place(signatures, name, specs), input_signature=specs)
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a long summary
        archive.write_out(str(folder))


def describe(loaded):
    """dtype, shape, unit and meaning of each signature's inputs and outputs, for the contract.

    Args:
        loaded: what `tf.saved_model.load` gave; the batch is -1.
    """

    def tensors(specs):
        found = {}
        for name, spec in sorted(specs.items()):
            shape = [-1 if n is None else n for n in spec.shape.as_list()]
            unit, meaning = contract.TENSORS[name]
            found[name] = {"dtype": spec.dtype.name, "shape": shape}
            found[name] |= {"unit": unit, "meaning": meaning}
        return found

    found = {}
    for name, function in sorted(loaded.signatures.items()):
        inputs, outputs = function.structured_input_signature[1], function.structured_outputs
        found[name] = {"inputs": tensors(inputs), "outputs": tensors(outputs)}
    return found
