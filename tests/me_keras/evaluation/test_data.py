import dataclasses

import numpy as np
import pytest
from prepared_fixture import write_prepared

from me_keras.config import LosoConfig
from me_keras.evaluation import data
from pipelines import prepare, protocols
from pipelines.prepared.arrays import open_prepared
from pipelines.schema import DataError

CONFIG = LosoConfig(protocol="synthetic-3", motion="dgm", image_size=16)


@pytest.fixture
def folder(tmp_path):
    clips = [{"subject": n // 2, "label": n % 3} for n in range(6)]

    def as_synthetic(manifest):
        for clip in manifest["clips"]:
            clip["dataset"] = "synthetic"

    return write_prepared(tmp_path / "prepared", clips, edit=as_synthetic)


def opened(folder):
    protocol = protocols.choose("synthetic", "synthetic-3")
    return data.select(open_prepared(folder), prepare.read_manifest(folder), protocol)


def test_a_protocol_takes_clips_with_labels_and_groups(folder):
    prepared, groups = opened(folder)
    assert list(prepared.labels) == [0, 1, 2, 0, 1, 2]
    assert groups == list(prepared.subject_keys)


def test_no_clip_of_the_protocol(folder):
    manifest = prepare.read_manifest(folder)
    for clip in manifest["clips"]:
        clip["emotion"] = "boredom"
    with pytest.raises(DataError, match="no clip of protocol synthetic-3 can be used"):
        protocol = protocols.choose("synthetic", "synthetic-3")
        data.select(open_prepared(folder), manifest, protocol)


def test_splits_and_their_misuse(folder):
    protocol = protocols.choose("synthetic", "synthetic-3")
    _, groups = opened(folder)
    assert [f.group for f in data.splits(groups, protocol, CONFIG)] == sorted(set(groups))
    with pytest.raises(DataError, match="^synthetic: no subject s77"):
        data.splits(groups, protocol, dataclasses.replace(CONFIG, subjects=("s77",)))


def test_another_process_reads_the_same_clips_by_the_same_rows(folder):
    here, _ = opened(folder)
    there = data.read_again(folder, CONFIG, tuple(here.keys))
    assert there.digest == here.digest
    np.testing.assert_array_equal(there.frames, here.frames)
    some = here.select([4, 1], here.labels[[4, 1]], here.classes)
    there = data.read_again(folder, CONFIG, tuple(some.keys))
    assert list(there.keys) == list(some.keys)
    np.testing.assert_array_equal(there.labels, some.labels)
    np.testing.assert_array_equal(there.first, some.first)
    with pytest.raises(DataError, match="holds no clip gone"):
        data.read_again(folder, CONFIG, ("gone",))


def test_classical_motion_is_the_same_in_another_process_even_of_some_clips(folder):
    config = dataclasses.replace(CONFIG, motion="difference")
    here = data.with_motion(opened(folder)[0], config)
    assert len(list((folder / "motion").iterdir())) == 1
    some = here.select([3, 2], here.labels[[3, 2]], here.classes)
    there = data.read_again(folder, config, tuple(some.keys))
    np.testing.assert_array_equal(there.motion, some.motion)
    assert len(list((folder / "motion").iterdir())) == 1  # computed once


def test_the_dataset_to_predict_carries_no_labels(folder):
    prepared, _ = opened(folder)
    datasets = data.Datasets(prepared, dataclasses.replace(CONFIG, batch_size=2))
    assert set(datasets.train([0, 1], 0).element_spec[1]) == {"label"}
    assert set(datasets.test([2]).element_spec[1]) == {"row"}
    assert set(datasets.pairs([0, 1], 0).element_spec[0]) == {"onset", "apex", "regions"}
