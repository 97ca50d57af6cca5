"""Manifests that cannot be read are named, and how two of them differ is said in flags."""

import pytest

from pipelines.prepared import manifest as manifests
from pipelines.schema import DataError


@pytest.mark.parametrize("content", [None, "{", "[]", '{"format": "new"}'])
def test_what_is_no_manifest_is_none(tmp_path, content):
    if content:
        (tmp_path / "manifest.json").write_text(content)
    assert manifests.read_manifest(tmp_path) is None


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "no manifest.json, so not a prepared database; make one with python -m"),
        ("{", r"manifest.json: not JSON \(.*\); run python -m pipelines.prepare again"),
        ("[]", "manifest.json: format None, expected 2; run python -m pipelines.prepare again"),
        ('{"format": 7, "clips": [1]}', "manifest.json: format 7, expected 2; run"),
        ('{"format": 2, "clips": []}', "manifest.json: holds no clip; check the data root"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named(tmp_path, content, message):
    if content:
        (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=message):
        manifests.checked_manifest(tmp_path)


def test_it_comes_back_as_written(tmp_path):
    manifest = {"format": manifests.FORMAT, "clips": [{"key": "smic/s01/ü"}]}
    manifests.write_manifest(tmp_path, manifest)
    assert manifests.checked_manifest(tmp_path) == manifests.read_manifest(tmp_path) == manifest


@pytest.mark.parametrize(
    "dataset, parameters, words",
    [
        ("smic", {"margin": 8, "rigid": True}, ""),
        ("smic", {"margin": 4, "rigid": False}, "--margin 8, not --margin 4"),
        ("smic", {"margin": 8, "rigid": False}, "--rigid, not --no-rigid"),
        ("samm", {"margin": 8, "rigid": True}, "--dataset smic, not samm"),
    ],
)
def test_the_first_difference_is_said_in_flags(dataset, parameters, words):
    made = {"format": 2, "dataset": "smic", "parameters": {"margin": 8, "rigid": True}}
    assert manifests.difference(made, dataset, parameters) == words
