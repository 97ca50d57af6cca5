import copy
import json

import pytest

from me_keras.exporting import contract
from pipelines.schema import REGIONS, DataError

SCORE = {"mean": 0.6, "sd": 0.1, "ci95": [0.5, 0.7]}
TENSORS = {
    "inputs": {"onset": {"dtype": "float32", "shape": [-1, 32, 32, 1]}},
    "outputs": {"predicted": {"dtype": "string", "shape": [-1]}},
}
GOOD = {
    "format": contract.FORMAT,
    "model": "frl_dgt",
    "version": 3,
    "created": "2026-01-01T00:00:00+00:00",
    "image_size": 32,
    "classes": ["negative", "positive", "surprise"],
    "regions": list(REGIONS),
    "canonical_regions": [[0.1, 0.2, 0.3, 0.4] for _ in range(9)],
    "alignment": {"image_size": 32, "margin": 8, "rigid": True},
    "motion": {"source": "dgm", "channels": []},
    "ranges": {"float32": [0, 1], "uint8": [0, 255]},
    "signatures": {"serving_default": TENSORS},
    "data": {"dataset": "synthetic", "protocol": "x", "digest": "ab", "clips": 9, "subjects": 3},
    "score": {"uf1": SCORE, "uar": SCORE, "accuracy": SCORE, "seeds": 2},
    "versions": {"tensorflow": "2.15.1"},
}


def test_it_is_read_as_it_was_written(tmp_path):
    contract.write_contract(tmp_path, GOOD)
    found = contract.read_contract(tmp_path)
    assert {name: found[name] for name in GOOD} == GOOD
    contract.check({**GOOD, "score": None, "alignment": None})


def test_every_entry_and_every_tensor_has_its_unit_and_meaning(version):
    found = contract.read_contract(version)
    assert set(found["fields"]) == set(found)
    assert all(field["meaning"] for field in found["fields"].values())
    assert found["fields"]["image_size"]["unit"] == "px"
    for signature in found["signatures"].values():
        for tensor in [*signature["inputs"].values(), *signature["outputs"].values()]:
            assert tensor["unit"] and tensor["meaning"]
    gain = found["signatures"]["serving_default"]["outputs"]["reconstruction_gain"]
    assert "motion and not noise" in gain["meaning"] and "Never near 1" in gain["meaning"]
    assert found["still"] == {"motion_explained": 0.15, "displacement_max_px": 0.2}


def test_the_contract_of_an_older_version_asks_for_a_new_export(tmp_path):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / contract.PATH).write_text(json.dumps({**GOOD, "format": 1}))
    with pytest.raises(DataError, match="of an older version, format 1; export the model again"):
        contract.read_contract(tmp_path)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_nothing_may_be_missing(tmp_path, name):
    short = {key: value for key, value in GOOD.items() if key != name}
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / contract.PATH).write_text(json.dumps(short))
    with pytest.raises(DataError, match=f"contract.json: .*'{name}' is a required.*export the"):
        contract.read_contract(tmp_path)


@pytest.mark.parametrize(
    "place, value, message",
    [
        (("format",), 3, "format: 2 was expected"),
        (("classes",), ["a", "a"], "classes: .*non-unique"),
        (("canonical_regions", 2, 0), 1.5, r"canonical_regions.2.0: 1.5 is greater than the max"),
        (("canonical_regions",), [[0, 0, 1, 1]], "needs a box for each of the regions"),
        (("signatures", "serving_default", "inputs", "onset", "dtype"), "int8", "dtype: 'int8'"),
        (("score", "uf1", "mean"), "good", "score"),
        (("alignment", "margin"), -1, "alignment.margin: -1 is less than"),
    ],
)
def test_wrong_values_are_named_with_their_place(place, value, message):
    wrong = copy.deepcopy(GOOD)
    inner = wrong
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    with pytest.raises(DataError, match=message):
        contract.check(wrong)


def test_unreadable_contracts(tmp_path):
    with pytest.raises(DataError, match="contract.json: no such file; export the model again"):
        contract.read_contract(tmp_path)
    (tmp_path / "assets.extra").mkdir()
    for text in ("{", "[1]"):
        (tmp_path / contract.PATH).write_text(text)
        with pytest.raises(DataError, match="contract.json.*export the model again"):
            contract.read_contract(tmp_path)
