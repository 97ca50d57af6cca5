"""ONNX and TensorFlow Lite files of an exported version, for where TensorFlow is not.

A file answers as one signature of the version's SavedModel, the one that tells most: `displacement`
where the model estimates one, else `serving_regions`. Inputs, outputs and units are those that the
contract states of this signature, but the names of classes, which are in the contract. It is in the
file as well, so that the file is all that has to be carried. Nothing is refused: frames are float32
in [0, 1] and boxes in order, or the answer means nothing.

An ONNX file takes any number of faces at once. A TensorFlow Lite file takes one, as phones do, and
needs TensorFlow Lite's own operators only.

With onnxruntime, for a model of frames:

    import json
    import onnxruntime

    session = onnxruntime.InferenceSession("saved_models/frl_dgt/1/model.onnx")
    contract = json.loads(session.get_modelmeta().custom_metadata_map["contract"])
    names = [output.name for output in session.get_outputs()]
    inputs = {"onset": onset, "apex": apex, "regions": regions}  # float32, (b, S, S, 1), (b, r, 4)
    answer = dict(zip(names, session.run(names, inputs)))
    best = contract["classes"][answer["probabilities"][0].argmax()]

and TensorFlow Lite, where the contract is `zipfile.ZipFile("model.tflite").read("contract.json")`,
and the package ai-edge-litert has an `Interpreter` without TensorFlow:

    interpreter = tf.lite.Interpreter("saved_models/frl_dgt/1/model.tflite")
    answer = interpreter.get_signature_runner()(onset=onset, apex=apex, regions=regions)
"""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
import re
import tempfile
import warnings
import zipfile

import numpy as np
import tensorflow as tf

from me_keras.exporting import contract, signatures, warmup
from me_keras.layers.regions import RegionCrop
from pipelines import files
from pipelines.progress import say
from pipelines.schema import MIRRORED_REGIONS, OptionError
from pipelines.silence import without_stderr

TOLERANCE = 1e-4  # between an answer of the file and the SavedModel's; px for displacements
OPSET = 17  # of ONNX, of 2022: onnxruntime 1.12 and later read it
BATCHES = {"onnx": (1, 2), "tflite": (1,)}  # of the requests that are compared


def write(model, folder, kind) -> pathlib.Path:
    """Writes a model as `<folder>/model.<kind>`, whole or not at all; its path.

    Before it appears it has answered warm-up requests of the version as the SavedModel does.

    Args:
        model: `trained.TrainedModel`.
        folder: of the version that holds its SavedModel and its contract.
        kind: "onnx" or "tflite".
    Raises:
        OptionError: the model has an operator that such files cannot hold; names it.
        FloatingPointError: the file answers otherwise than the SavedModel.
        OSError: the disk is full.
    """
    path = pathlib.Path(folder) / f"model.{kind}"
    say(f"writing {path}, and comparing its answers with the SavedModel's")
    promised = json.dumps(contract.read_contract(folder))
    mirrored = MIRRORED_REGIONS if model.mirror_test else None
    answers = EdgeAnswers(model.model, model.classes, model.regions, mirrored)
    converted, opened = {"onnx": (to_onnx, open_onnx), "tflite": (to_tflite, open_tflite)}[kind]
    with without_stderr(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the converters' own code
        content = converted(answers, promised)
        _compare(path, opened(content), answers.name, BATCHES[kind])
    files.write_whole(path, content)
    return path


class EdgeAnswers(signatures.Signatures):
    """What the SavedModel answers to one of its signatures, in operators that many runtimes know.

    Refusals and names of classes are left out. The face and the mirrored one are answered in one
    batch, so that the file holds the model's graph once.
    """

    @property
    def name(self):
        """Of the signature."""
        return "displacement" if self.has_displacement else "serving_regions"

    def inputs(self, batch=None):
        """Its inputs, a list of `tf.TensorSpec`. batch: int, or None for any number of faces."""
        specs = self.specs()[self.name]
        return [tf.TensorSpec((batch, *spec.shape[1:]), spec.dtype, spec.name) for spec in specs]

    def _checked(self, inputs):
        return inputs

    def _named(self, probabilities):
        return {}

    def _each(self, faces):
        together = {name: tf.concat([face[name] for face in faces], 0) for name in faces[0]}
        outputs = self._outputs(together)
        parts = {name: tf.split(value, len(faces)) for name, value in outputs.items()}
        return [dict(zip(parts, values)) for values in zip(*parts.values())]


def to_onnx(answers, promised) -> bytes:
    """The file, for any number of faces at once, with the contract in its metadata."""
    import onnx
    import tf2onnx

    specs = answers.inputs()
    function = tf.function(signatures.by_place(answers, answers.name, specs), specs)
    with _crops_by_products(answers.model):
        model, _ = tf2onnx.convert.from_function(
            function, specs, opset=OPSET, custom_op_handlers={"Erfc": (_erfc, [])}
        )
    unknown = {n.op_type for n in model.graph.node if not onnx.defs.has(n.op_type, n.domain)}
    _refuse(sorted(unknown), "onnx")
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.helper.set_model_props(model, {"contract": promised, "signature": answers.name})
    return model.SerializeToString()


def _erfc(graph, node, name, _):
    """1 - erf, for ONNX, which has only that: TensorFlow 2.19 computes GELU with erfc."""
    (output,) = node.output
    typed = {"shapes": [graph.get_shape(output)], "dtypes": [graph.get_dtype(output)]}
    erf = graph.make_node("Erf", node.input, **typed)
    one = graph.make_const(f"{name}_one", np.float32(1))
    graph.remove_node(name)
    graph.make_node("Sub", [one.output[0], erf.output[0]], outputs=[output], **typed)


def to_tflite(answers, promised) -> bytes:
    """The file, for one face at once, with `contract.json` behind it as a ZIP archive has it."""
    with _crops_by_products(answers.model), tempfile.TemporaryDirectory() as folder:
        signatures.save(answers, folder, {answers.name: answers.inputs(batch=1)})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, [answers.name])
        try:
            content = io.BytesIO(converter.convert())
        except Exception as error:  # TensorFlow does not export its class
            found = re.findall(r"(?:Select|Custom) ops: (.+)", str(error))
            _refuse(sorted({name for names in found for name in names.split(", ")}), "tflite")
            raise
    with zipfile.ZipFile(content, "a") as archive:  # as the associated files of TFLite Metadata
        archive.writestr("contract.json", promised)
    return content.getvalue()


def _refuse(operators, kind):
    if operators:
        raise OptionError(
            f"--format {kind}: the model has operators that such a file cannot hold: "
            f"{', '.join(operators)}; serve its SavedModel, or export the run of another model"
        )


def open_onnx(content):
    """A function from inputs by name to outputs by name, of an ONNX file's bytes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs)))


def open_tflite(content):
    """As `open_onnx`, of a TensorFlow Lite file."""
    with warnings.catch_warnings():  # 2.19 announces a package of its own for it, ai-edge-litert
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(model_content=content)
    ask = interpreter.get_signature_runner()
    return lambda inputs: ask(**inputs)


def _compare(path, ask, name, batches):
    """Raises FloatingPointError if `ask` answers warm-up requests otherwise than the SavedModel."""
    wanted = tf.saved_model.load(str(path.parent)).signatures[name]
    for request in warmup.read(path.parent):
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        if request.model_spec.signature_name != name or len(inputs["regions"]) not in batches:
            continue
        answer = ask(inputs)
        for output, value in wanted(**{n: tf.constant(v) for n, v in inputs.items()}).items():
            if value.dtype == tf.string:
                continue
            apart = np.abs(answer[output] - value).max()
            if not apart <= TOLERANCE:  # true of NaN as well
                raise FloatingPointError(
                    f"{path}: not written: its {output} differs by {apart:.1g} from the "
                    f"SavedModel's, {TOLERANCE:g} is allowed; if the run was trained again since, "
                    "export a new version first"
                )


@contextlib.contextmanager
def _crops_by_products(model):
    """Regions are cut out by matrix products inside: the other way is no operator elsewhere."""
    crops = [layer for layer in model.layers if isinstance(layer, RegionCrop)]
    before = [layer.compiled for layer in crops]
    for layer in crops:
        layer.compiled = True
    try:
        yield
    finally:
        for layer, compiled in zip(crops, before):
            layer.compiled = compiled
