"""The contract of an exported model: what a client must know to ask it and to read its answer.

It lies beside the model as `assets.extra/contract.json`, where TensorFlow Serving leaves it alone.
Its `fields` say of each entry what it means and in which unit, and so does each tensor.
"""

from __future__ import annotations

import json
import pathlib

from pipelines import files
from pipelines.schema import DataError

FORMAT = 2
PATH = pathlib.Path("assets.extra", "contract.json")
REMEDY = "export the model again with python -m me_keras.export"

# Of each tensor of a signature: unit, and meaning. b requests, S the side of the aligned face.
TENSORS = {
    "onset": ("grey level", "the aligned face before it moves; float32 0 to 1, or uint8 0 to 255"),
    "apex": ("grey level", "the same face at the height of the expression, aligned with it"),
    "onset_bytes": ("PNG or JPEG", "as onset; square, resized to S; turned as its EXIF tag says"),
    "apex_bytes": ("PNG or JPEG", "as apex; square, resized to S; turned as its EXIF tag says"),
    "motion": ("see motion.channels", "motion map of an aligned face, from onset to apex"),
    "regions": ("share of the side", "boxes of the regions: y1, x1, y2, x2 from the upper left"),
    "probabilities": ("1", "of each of the classes; not calibrated; they add up to 1"),
    "classes": ("name", "names of the classes, in the order of the probabilities"),
    "predicted": ("name", "the class of the highest probability"),
    "displacement": ("px of the aligned face", "dx to the right and dy down, onset to apex"),
    "magnitude": ("px of the aligned face", "length of the displacement"),
    "attention": ("1", "share of the attention that each region receives; they add up to 1"),
    "displacement_mean_px": ("px of the aligned face", "mean displacement over the face"),
    "displacement_max_px": ("px of the aligned face", "largest displacement over the face"),
    "reconstruction_gain": (
        "1",
        "share of the difference between the frames that is motion and not noise or light: 1 - "
        "error(apex warped back) / error(apex). 0: nothing, or equal frames. Never near 1 on "
        "films: two frames of a camera differ by noise that no motion explains",
    ),
    "motion_explained": (
        "1",
        "as reconstruction_gain, on the face alone and without the noise of single pixels; below "
        "still.motion_explained, or below still.displacement_max_px, the face held still and the "
        "class says nothing",
    ),
}

_COUNT = {"type": "integer", "minimum": 0}
_POSITIVE = {"type": "integer", "minimum": 1}
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}
_NAME = {"type": "string", "minLength": 1}


def _list(items, least=0, most=None):
    length = {"minItems": least} if most is None else {"minItems": least, "maxItems": most}
    return {"type": "array", "items": items, **length}


def _table(values):
    return {"type": "object", "additionalProperties": values}


def _record(optional=(), **properties):
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required}


def _or_null(schema):
    return {"anyOf": [schema, {"type": "null"}]}


_NAMES = {**_list(_NAME, 1), "uniqueItems": True}
_SPAN = _list(_NUMBER, 2, 2)
_TENSOR = _record(
    ("unit", "meaning"),
    dtype={"enum": ["float32", "uint8", "string"]},
    shape=_list({"type": "integer", "minimum": -1}),
    unit=_TEXT,
    meaning=_TEXT,
)
_TENSORS = {**_table(_TENSOR), "minProperties": 1}
_SIGNATURE = _record(inputs=_TENSORS, outputs=_TENSORS)
_SIGNATURES = {**_table(_SIGNATURE), "required": ["serving_default"]}
_ATTENTION = {"enum": ["global_fusion", "equal"]}
_MOTION = _record(source=_NAME, channels=_list(_TEXT))
_ALIGNMENT = _record(
    ("rigid", "eye_distance", "eye_level"),
    image_size=_POSITIVE,
    margin=_COUNT,
    rigid={"type": "boolean"},
    eye_distance=_NUMBER,
    eye_level=_NUMBER,
)
_DATA = _record(dataset=_NAME, protocol=_NAME, digest=_NAME, clips=_COUNT, subjects=_COUNT)
_MEASURE = _record(mean=_SHARE, sd=_NUMBER, ci95=_SPAN)
_NOTE = {"type": ["string", "null"]}
_SCORE = _record(("note",), uf1=_MEASURE, uar=_MEASURE, accuracy=_MEASURE, seeds=_COUNT, note=_NOTE)

# Of each entry: what it may hold, as a JSON schema; its unit; and its meaning.
FIELDS = {
    "format": ({"const": FORMAT}, "", "version of this file's form"),
    "model": (_NAME, "", "name that the model is served under"),
    "version": (_COUNT, "", "number of this version"),
    "created": (_NAME, "ISO 8601, UTC", "when it was exported"),
    "image_size": (_POSITIVE, "px", "S, side of the aligned face or motion map"),
    "classes": (_NAMES, "", "names, in the order of the probabilities"),
    "regions": (_NAMES, "", "names of the action-unit regions, in the order of their boxes"),
    "canonical_regions": (
        _list(_list(_SHARE, 4, 4), 1),
        "share of the side",
        "their boxes y1, x1, y2, x2 on an average face, used where a request holds none",
    ),
    "alignment": (
        _or_null(_ALIGNMENT),
        "px; eye_distance and eye_level: share of image_size",
        "how faces were aligned: the crop and the margin around it, whether the head's motion was "
        "taken out, distance of the eyes and their place below the upper edge; null for images of "
        "motion as a database publishes them",
    ),
    "attention": (_ATTENTION, "", "of the global fusion, or equal shares without one"),
    "motion": (_MOTION, "", "where the motion comes from, and the channels of a motion map"),
    "still": (_table(_NUMBER), "as these outputs", "least that counts as motion of the face"),
    "ranges": (_table(_SPAN), "", "allowed values of inputs; bytes and px of encoded images"),
    "signatures": (_SIGNATURES, "", "what may be asked: dtype, shape (-1: any), unit, meaning"),
    "data": (_DATA, "", "what the model was trained on: all of these clips"),
    "score": (
        _or_null(_SCORE),
        "1",
        "of the same training on people left out: mean over seeds, its spread, and a 95 % interval "
        "over subjects; null: not measured",
    ),
    "training": ({"type": "object"}, "", "the run, its seed, epochs, and clips of each class"),
    "versions": (_table(_NAME), "", "of the software that trained and exported it"),
    "fields": ({"type": "object"}, "", "this list"),
}
SCHEMA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_record(
        ("attention", "training", "still", "fields"),
        **{name: schema for name, (schema, *_) in FIELDS.items()},
    ),
}


def check(contract) -> None:
    """Raises DataError, one line with the place, if `contract` is not as `SCHEMA` says."""
    import jsonschema

    errors = jsonschema.Draft202012Validator(SCHEMA).iter_errors(contract)
    worst = jsonschema.exceptions.best_match(errors)
    if worst is not None:
        place = ".".join(map(str, worst.absolute_path)) or "the contract"
        raise DataError(f"{place}: {worst.message}")
    if len(contract["canonical_regions"]) != len(contract["regions"]):
        raise DataError("canonical_regions: needs a box for each of the regions")


def read_contract(version_folder) -> dict:
    """The contract of the model in this version folder.

    Raises:
        DataError: there is none, it is not JSON, or it does not hold what `SCHEMA` asks.
    """
    path = pathlib.Path(version_folder) / PATH
    contract = files.read_json(path, REMEDY)
    if contract is None:
        raise DataError(f"{path}: no such file; {REMEDY}")
    if contract.get("format") in range(FORMAT):
        raise DataError(f"{path}: of an older version, format {contract['format']}; {REMEDY}")
    try:
        check(contract)
    except DataError as error:
        raise DataError(f"{path}: {error}; {REMEDY}") from None
    return contract


def write_contract(version_folder, contract) -> None:
    """Writes `contract` where `read_contract` finds it; DataError if it is not as it should be."""
    described = {name: FIELDS[name][1:] for name in (*contract, "fields")}
    fields = {name: {"unit": unit, "meaning": text} for name, (unit, text) in described.items()}
    contract = {**contract, "fields": fields}
    check(contract)
    path = pathlib.Path(version_folder) / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(contract, indent=1) + "\n", encoding="utf-8")
