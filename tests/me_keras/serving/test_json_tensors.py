"""TF Serving's JSON rules, case by case; expected values from its sources and documentation."""

import base64
import json

import numpy as np
import pytest

from me_keras.serving import json_tensors
from me_keras.serving.errors import ServingError

FLOAT, BYTE, TEXT = "float32", "uint8", "string"
TWO = {"a": FLOAT, "b": BYTE}


def read(text, dtypes):
    return json_tensors.read_inputs(json_tensors.parse_object(text.encode()), dtypes)


def test_rows_of_named_inputs():
    by_row, inputs = read('{"instances": [{"a": [1, 2.5], "b": 3}, {"b": 4, "a": [5, 6]}]}', TWO)
    assert by_row
    np.testing.assert_array_equal(inputs["a"], np.array([[1, 2.5], [5, 6]], "f4"))
    np.testing.assert_array_equal(inputs["b"], np.array([3, 4], "u1"))
    assert inputs["a"].dtype == np.float32 and inputs["b"].dtype == np.uint8


def test_columns_of_named_inputs_ignore_more_keys():
    by_row, inputs = read('{"inputs": {"a": [[1]], "b": [2, 3], "c": "ignored"}, "x": 1}', TWO)
    assert not by_row and set(inputs) == {"a", "b"}
    assert inputs["a"].shape == (1, 1) and inputs["b"].tolist() == [2, 3]


def test_a_single_input_needs_no_name():
    assert read('{"instances": [[1, 2], [3, 4]]}', {"a": FLOAT})[1]["a"].shape == (2, 2)
    assert read('{"inputs": [[1, 2]]}', {"a": FLOAT})[1]["a"].tolist() == [[1, 2]]
    assert read('{"inputs": 7}', {"a": FLOAT})[1]["a"].shape == ()
    assert read('{"inputs": {"b64": "AP8="}}', {"a": TEXT})[1]["a"][()] == b"\x00\xff"


def test_bytes_are_base64_and_text_is_itself():
    _, inputs = read('{"instances": ["plain", {"b64": "/+8="}, {"b64": "/+8"}, ""]}', {"a": TEXT})
    assert inputs["a"].tolist() == [b"plain", b"\xff\xef", b"\xff\xef", b""]
    assert read('{"inputs": ["\\ud800"]}', {"a": TEXT})[1]["a"][0] == b"\xed\xa0\x80"


def test_nan_and_infinity_are_let_through_to_the_model():
    values = read('{"inputs": [NaN, Infinity, -Infinity]}', {"a": FLOAT})[1]["a"]
    assert np.isnan(values[0]) and values[1] == np.inf and values[2] == -np.inf


def test_numbers_beyond_a_float_are_rounded_or_infinite():
    """As in TF Serving 2.15.1: its check for lossless numbers went in 2021."""
    text = '{"inputs": [16777217, 1e39, -1e39, ' + "9" * 40 + "]}"
    values = read(text, {"a": FLOAT})[1]["a"]
    assert values.dtype == np.float32
    assert values.tolist() == [16777216.0, np.inf, -np.inf, np.inf]


def test_an_empty_list_is_a_tensor():
    assert read('{"inputs": []}', {"a": FLOAT})[1]["a"].shape == (0,)
    assert read('{"inputs": [[], []]}', {"a": TEXT})[1]["a"].shape == (2, 0)


@pytest.mark.parametrize(
    "text, dtypes, said",
    [
        ('{"instances": [{"a": 1}]}', TWO, "keys must be equal to: a,b"),
        ('{"instances": [{"a": 1, "b": 2, "c": 3}]}', TWO, "keys must be equal to: a,b"),
        ('{"instances": [{"a": 1, "b": 2}, 5]}', TWO, "element: 1"),
        ('{"instances": [1, {"a": 1}]}', {"a": FLOAT}, "{'a': 1} is not of expected type"),
        ('{"instances": [1, 2]}', TWO, "list of objects"),
        ('{"instances": 5}', TWO, "to be an list/array"),
        ('{"instances": []}', TWO, "No values"),
        ('{"instances": [[1, 2], [3]]}', {"a": FLOAT}, "differ in length or depth"),
        ('{"instances": [[1], 2]}', {"a": FLOAT}, "differ in length or depth"),
        ('{"instances": [1, [2]]}', {"a": FLOAT}, "[2] is not of expected type"),
        ('{"inputs": {"a": 1}}', TWO, "Missing named input: b"),
        ('{"inputs": [1]}', TWO, "expecting an object"),
        ('{"inputs": 1, "instances": [1]}', TWO, "only one of"),
        ("{}", TWO, "Missing 'inputs' or 'instances'"),
        ('{"inputs": [1.0]}', {"a": BYTE}, "1.0 is not of expected type: uint8"),
        ('{"inputs": [256]}', {"a": BYTE}, "does not fit uint8"),
        ('{"inputs": [-1]}', {"a": BYTE}, "does not fit uint8"),
        ('{"inputs": [true]}', {"a": FLOAT}, "True is not of"),
        ('{"inputs": [null]}', {"a": FLOAT}, "None is not of"),
        ('{"inputs": ["1"]}', {"a": FLOAT}, "'1' is not of"),
        ('{"inputs": [{}]}', {"a": FLOAT}, "{} is not of"),
        ('{"inputs": [1]}', {"a": TEXT}, "1 is not of expected type: string"),
        ('{"inputs": [' + "9" * 400 + "]}", {"a": FLOAT}, "too big for float32"),
        ('{"inputs": [' + "9" * 40 + "]}", {"a": BYTE}, "too big for uint8"),
        ('{"inputs": [{"b64": "***"}]}', {"a": TEXT}, "Unable to base64 decode"),
        ('{"inputs": [{"b64": "_-8="}]}', {"a": TEXT}, "Unable to base64 decode"),
        ('{"inputs": [{"b64": "é"}]}', {"a": TEXT}, "Unable to base64 decode"),
        ('{"inputs": [{"b64": "AA==", "x": 1}]}', {"a": TEXT}, "not of expected type"),
        ('{"inputs": ' + "[" * 40 + "]" * 40 + "}", {"a": FLOAT}, "differ in length or depth"),
    ],
)
def test_what_tf_serving_refuses_is_refused(text, dtypes, said):
    with pytest.raises(ServingError) as caught:
        read(text, dtypes)
    assert caught.value.code == "INVALID_ARGUMENT" and said in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    "body, said",
    [
        (b"", "The document is empty"),
        (b"{", "JSON Parse error"),
        (b"\xff{}", "JSON Parse error"),
        (b"[" * 10**6, "nested too deeply"),
        (b'{"a":' * 10**5, "nested too deeply"),
        (b"[1]", r"\[1\] Is not object"),
        (b'"x"', "Is not object"),
        (b'{"a": ' + b"1" * 10**5 + b"}", "JSON Parse error"),
    ],
)
def test_what_is_no_object_is_refused(body, said):
    with pytest.raises(ServingError, match=said):
        json_tensors.parse_object(body)


def test_a_byte_order_mark_is_skipped():
    assert json_tensors.parse_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def objects(*items):
    array = np.empty(len(items), object)
    array[:] = items
    return array


def test_answers_in_rows_and_columns():
    outputs = {
        "p": np.array([[0.2, 1], [np.nan, 3]], "f4"),
        "predicted": objects(b"a", b"\xc3\xa9"),
    }
    answer = json.loads(json.dumps(json_tensors.write_outputs(outputs, by_row=True)))
    assert answer["predictions"][0] == {"p": [0.2, 1.0], "predicted": "a"}
    assert answer["predictions"][1]["predicted"] == "é"
    answer = json_tensors.write_outputs(outputs, by_row=False)["outputs"]
    assert answer["p"][0] == [0.2, 1.0] and answer["predicted"] == ["a", "é"]


def test_a_single_output_loses_its_name():
    outputs = {"p": np.array([[1, 2]], "u1")}
    assert json_tensors.write_outputs(outputs, by_row=True) == {"predictions": [[1, 2]]}
    assert json_tensors.write_outputs(outputs, by_row=False) == {"outputs": [[1, 2]]}


def test_only_names_that_end_in_bytes_come_back_as_base64():
    outputs = {"map_bytes": objects(b"\xff"), "name": objects(b"\xff")}
    row = json_tensors.write_outputs(outputs, by_row=True)["predictions"][0]
    assert (
        row["map_bytes"] == {"b64": base64.b64encode(b"\xff").decode()} and row["name"] == "\ufffd"
    )


def test_rows_need_a_common_batch():
    scalar, one, two = np.zeros(()), np.zeros(1), np.zeros(2)
    for outputs in ({"a": scalar}, {"a": one, "b": two}, {"a": scalar, "b": two}):
        with pytest.raises(ServingError, match="inconsistent batch size"):
            json_tensors.write_outputs(outputs, by_row=True)
        json_tensors.write_outputs(outputs, by_row=False)


def test_floats_survive_the_way_there_and_back(rng):
    values = (rng.normal(size=(50, 3)) * 10.0 ** rng.integers(-30, 30, (50, 3))).astype("f4")
    text = json.dumps(
        {"inputs": json_tensors.write_outputs({"a": values}, by_row=False)["outputs"]}
    )
    back = read(text, {"a": FLOAT})[1]["a"]
    np.testing.assert_array_equal(back, values)
