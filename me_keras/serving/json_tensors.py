"""Tensors in JSON, by the rules of TensorFlow Serving 2.15.1 (its json_tensor.cc).

Requests hold either "instances", a list of clips (row format), or "inputs", one tensor a name
(columnar format). Bytes are written {"b64": "..."}. One rule is stricter: integers that do not fit
their type are refused, where TF Serving wraps them.
"""

from __future__ import annotations

import base64
import json
import reprlib

import numpy as np

from me_keras.serving.errors import invalid

_ALLOWED: dict[str, set[type]] = {"f": {int, float}, "i": {int}, "u": {int}, "b": {bool}}


def parse_object(body: bytes) -> dict:
    """A request's JSON object; raises ServingError."""
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except RecursionError:
        raise invalid("JSON Parse error: nested too deeply") from None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError too
        reason = error if body else "The document is empty"
        raise invalid(f"JSON Parse error: {reason}") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_shown(document)} Is not object")
    return document


def read_inputs(document: dict, dtypes: dict[str, str]) -> tuple[bool, dict[str, np.ndarray]]:
    """The input tensors of a predict request.

    Args:
        document: the request.
        dtypes: name of each input -> "float32", "uint8", "string", …
    Returns:
        tuple of whether it is in row format, and name -> array; arrays of bytes for strings.
    Raises:
        ServingError: by the rules of TF Serving.
    """
    by_row, by_column = "instances" in document, "inputs" in document
    if by_row and by_column:
        raise invalid("Not formatted correctly expecting only one of 'inputs' or 'instances' keys")
    if not by_row and not by_column:
        raise invalid("Missing 'inputs' or 'instances' key")
    columns = _columns_of(document["instances"], dtypes) if by_row else document["inputs"]
    if not _is_object(columns):
        if len(dtypes) > 1:
            raise invalid("inputs is a plain value/list, but expecting an object")
        columns = dict.fromkeys(dtypes, columns)
    for name in dtypes:
        if name not in columns:
            raise invalid(f"Missing named input: {name} in 'inputs' object.")
    return by_row, {name: read_tensor(columns[name], dtypes[name], name) for name in dtypes}


def _columns_of(rows, dtypes):
    if not isinstance(rows, list):
        raise invalid(f"JSON Value: {_shown(rows)} Expecting 'instances' to be an list/array")
    if not rows:
        raise invalid("No values in 'instances' array")
    if not _is_object(rows[0]):
        if len(dtypes) > 1:
            raise invalid("instances is a plain list, but expecting list of objects")
        return rows
    for number, row in enumerate(rows):
        if not _is_object(row) or set(row) != set(dtypes):
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: "
                f"{_shown(row)} keys must be equal to: {','.join(sorted(dtypes))}"
            )
    return {name: [row[name] for row in rows] for name in dtypes}


def read_tensor(value, dtype: str, name: str) -> np.ndarray:
    """A JSON value, nested lists as a rule, as an array.

    Raises:
        ServingError: lists of unequal length or depth, or a value that is not of the type.
    """
    items = np.array(value, object)  # where lists differ in length or depth, it holds lists
    flat = items.reshape(-1).tolist()
    if dtype == "string":
        return _objects([_bytes(each, name) for each in flat], items.shape)
    kind = np.dtype(dtype).kind
    if not set(map(type, flat)) <= _ALLOWED[kind]:
        wrong = next(each for each in flat if type(each) not in _ALLOWED[kind])
        raise _wrong_type(name, wrong, dtype)
    try:
        wide = items.astype({"f": np.float64, "b": bool}.get(kind, np.int64))
    except OverflowError:
        raise invalid(f"{name}: a number is too big for {dtype}") from None
    with np.errstate(over="ignore"):  # a float beyond its type is infinite, as in TF Serving
        array = wide.astype(dtype)
    if kind in "iu" and (array != wide).any():
        raise invalid(f"{name}: a number does not fit {dtype}")
    return array


def write_outputs(outputs: dict[str, np.ndarray], by_row: bool) -> dict:
    """Output tensors as the object that the answer's JSON holds.

    Raises:
        ServingError: row format, and the outputs do not share a first dimension.
    """
    columns = {name: _written(name, array) for name, array in outputs.items()}
    batches = {array.shape[:1] for array in outputs.values()}
    if by_row and (len(batches) != 1 or () in batches):
        raise invalid("outputs of inconsistent batch size: ask in columnar format ('inputs')")
    if len(columns) == 1:
        return {"predictions" if by_row else "outputs": next(iter(columns.values()))}
    if by_row:
        return {"predictions": [dict(zip(columns, row)) for row in zip(*columns.values())]}
    return {"outputs": columns}


def write_bytes(array: np.ndarray) -> list:
    """An object array of bytes as nested lists of {"b64": "..."}."""
    coded = [{"b64": base64.b64encode(item).decode()} for item in array.reshape(-1)]
    return _objects(coded, array.shape).tolist()


def _written(name, array):
    if array.dtype == np.float32:
        # The shortest digits that give this float32 again, as TF Serving writes them.
        return array.astype(str).astype(np.float64).tolist()
    if array.dtype != object:
        return array.tolist()
    if name.endswith("_bytes"):
        return write_bytes(array)
    texts = [item.decode("utf-8", "replace") for item in array.reshape(-1)]
    return _objects(texts, array.shape).tolist()


def _bytes(value, name):
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    if _is_object(value) or not isinstance(value, dict):
        raise _wrong_type(name, value, "string")
    try:
        padded = value["b64"] + "=" * (-len(value["b64"]) % 4)
        return base64.b64decode(padded.encode("ascii"), validate=True)
    except ValueError:
        raise invalid(f"{name}: Unable to base64 decode") from None


def _objects(items, shape):
    array = np.empty(len(items), object)
    array[:] = items
    return array.reshape(shape)


def _is_object(value):
    """Whether a JSON value is an object other than {"b64": "..."}."""
    is_bytes = isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)
    return isinstance(value, dict) and not is_bytes


def _wrong_type(name, value, dtype):
    remark = ", or lists differ in length or depth" if isinstance(value, list) else ""
    return invalid(f"{name}: JSON Value: {_shown(value)} is not of expected type: {dtype}{remark}")


def _shown(value):
    return reprlib.repr(value)[:80]
