import dataclasses
import pickle

import numpy as np
import pytest
from prepared_fixture import write_prepared

from me_keras.evaluation import data
from me_keras.options import Options
from pipelines import cli, protocols
from pipelines.prepared import open_prepared, read_manifest
from pipelines.schema import DataError

OPTIONS = cli.replace(Options(), protocol="synthetic-3", motion="dgm")
PROTOCOL = protocols.choose("synthetic", "synthetic-3")


@pytest.fixture
def folder(tmp_path):
    clips = [{"subject": n // 2, "label": n % 3} for n in range(6)]

    def as_synthetic(manifest):
        for clip in manifest["clips"]:
            clip["dataset"] = "synthetic"

    return write_prepared(tmp_path / "prepared", clips, edit=as_synthetic)


def opened(folder, options=OPTIONS):
    manifest = read_manifest(folder)
    return data.under_protocol(open_prepared(folder), manifest, PROTOCOL, options)


def test_a_protocol_takes_clips_with_labels_groups_and_folds(folder, capsys):
    prepared, groups, folds = opened(folder)
    assert list(prepared.labels) == [0, 1, 2, 0, 1, 2]
    assert groups == list(prepared.subject_keys)
    assert [fold.group for fold in folds] == sorted(set(groups))
    assert "protocol synthetic-3: " in capsys.readouterr().out


def test_subjects_share_folds_where_subjects_are_held_out_and_only_there(folder):
    options = cli.replace(OPTIONS, num_folds=2)
    prepared, groups, folds = opened(folder, options)
    assert [fold.group for fold in folds] == ["fold1", "fold2"] == sorted(set(groups))
    for fold in folds:
        assert not set(prepared.subject_keys[fold.train]) & set(prepared.subject_keys[fold.test])
    other = dataclasses.replace(PROTOCOL, evaluation=protocols.HOLDOUT)
    with pytest.raises(DataError, match="synthetic-3 holds out no subjects: leave --num-folds out"):
        data.under_protocol(open_prepared(folder), read_manifest(folder), other, options)


def test_no_clip_of_the_protocol(folder):
    manifest = read_manifest(folder)
    for clip in manifest["clips"]:
        clip["emotion"] = "boredom"
    with pytest.raises(DataError, match="no clip of protocol synthetic-3 can be used"):
        data.under_protocol(open_prepared(folder), manifest, PROTOCOL, OPTIONS)


def test_what_is_missing_is_judged_by_the_protocol_that_runs(folder, capsys):
    manifest = read_manifest(folder)
    lost = {
        "key": "synthetic/s09/1",
        "path": "copy/s09",
        "reason": "no frames",
        "emotion": "boredom",
    }
    arguments = open_prepared(folder), {**manifest, "skipped": [lost] * 3}, PROTOCOL
    data.under_protocol(*arguments, OPTIONS)
    assert "3 clips are missing that synthetic-3 does not take" in capsys.readouterr().err
    lost["emotion"] = "surprise"
    with pytest.raises(DataError, match="3 of 9 clips cannot be used; the first: synthetic/s09/1"):
        data.under_protocol(*arguments, OPTIONS)
    data.under_protocol(*arguments, cli.replace(OPTIONS, allow_missing=True))


def test_a_subject_that_is_not_there(folder):
    with pytest.raises(DataError, match="^synthetic: no subject s77"):
        opened(folder, cli.replace(OPTIONS, subjects=("s77",)))


def test_another_process_reads_the_same_clips_by_the_same_rows(folder):
    here, *_ = opened(folder)
    there = data.ClipsOnDisk.of(here, OPTIONS).read()
    assert there.digest == here.digest
    np.testing.assert_array_equal(there.frames, here.frames)
    some = here.select([4, 1], here.labels[[4, 1]], here.classes)
    there = data.ClipsOnDisk.of(some, OPTIONS).read()
    assert list(there.keys) == list(some.keys)
    np.testing.assert_array_equal(there.labels, some.labels)
    np.testing.assert_array_equal(there.first, some.first)


def test_where_clips_are_is_small_and_finds_its_trainer_again(folder, monkeypatch):
    monkeypatch.chdir(folder)
    here = dataclasses.replace(opened(folder)[0], path=".")
    clips = data.ClipsOnDisk.of(here, OPTIONS)
    assert clips.folder == str(folder)  # another process starts somewhere else
    again = pickle.loads(pickle.dumps(clips))
    assert again == clips and hash(again) == hash(clips)  # what a process keeps its trainer by
    assert len(pickle.dumps(clips)) < 10_000


def test_a_folder_that_another_machine_does_not_reach_or_has_other_clips_in(folder):
    clips = data.ClipsOnDisk.of(opened(folder)[0], OPTIONS)
    elsewhere = dataclasses.replace(clips, folder="/nowhere/prepared")
    with pytest.raises(
        DataError, match="/nowhere/prepared is not there on .*: give with --prepared"
    ):
        elsewhere.read()
    with pytest.raises(DataError, match="holds other clips on"):
        dataclasses.replace(clips, digest="other").read()


def test_classical_motion_is_the_same_in_another_process_even_of_some_clips(folder):
    options = cli.replace(OPTIONS, motion="difference")
    here = data.with_motion(opened(folder)[0], options)
    assert len(list((folder / "motion").iterdir())) == 1
    some = here.select([3, 2], here.labels[[3, 2]], here.classes)
    there = data.ClipsOnDisk.of(some, options).read()
    np.testing.assert_array_equal(there.motion, some.motion)
    assert len(list((folder / "motion").iterdir())) == 1  # computed once


def test_a_slow_flow_is_computed_of_fewer_pairs(folder):
    """The first fold waits for all of them."""
    clips = opened(folder)[0]
    kept = {
        name: data.with_motion(clips, cli.replace(OPTIONS, motion=name)).maps_per_clip
        for name in ("tvl1", "dis")
    }
    assert kept == {"tvl1": 2, "dis": 8}


def test_the_dataset_to_predict_carries_no_labels(folder):
    prepared, *_ = opened(folder)
    datasets = data.Datasets(prepared, cli.replace(OPTIONS, batch_size=2).data)
    assert set(datasets.train([0, 1], 0).element_spec[1]) == {"label"}
    assert set(datasets.test([2]).element_spec[1]) == {"row"}
    assert set(datasets.pairs([0, 1], 0).element_spec[0]) == {"onset", "apex", "regions"}
