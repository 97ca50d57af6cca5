"""What the benchmarks measure: options as given, data of SMIC's size."""

import numpy as np
import pytest

from benchmarks import setting
from benchmarks.measure import BenchOptions
from me_keras.options import Options, resolve
from pipelines import cli


def test_the_default_model_is_measured():
    chosen = setting.options_of(BenchOptions())
    expected = resolve(Options(), "frames")
    assert chosen.training.mixed_precision in ("off", "bfloat16")
    assert cli.replace(chosen, mixed_precision="auto") == expected


def test_options_of_loso_are_taken():
    options = setting.options_of(BenchOptions(loso="--batch-size 16 --no-face-fusion"), epochs=1)
    assert options.data.batch_size == 16 and not options.model.face_fusion
    assert options.training.epochs == 1


@pytest.mark.parametrize("loso", ["--model ststnet", "--motion tvl1"])
def test_other_models_are_refused(loso):
    with pytest.raises(ValueError, match="displacement generator"):
        setting.options_of(BenchOptions(loso=loso))


def test_random_data_trains_and_is_held_out_by_subject():
    from me_keras.evaluation import folds
    from pipelines import dataset

    options = setting.options_of(BenchOptions(quick=True))
    prepared = setting.prepared(options, quick=True)
    splits = folds.leave_one_subject_out(prepared.subject_keys)
    assert len(splits) == setting.TINY["subjects"]
    inputs, labels = next(iter(dataset.make_train(prepared, splits[0].train, options.data, 0)))
    expected = setting.batch(options)
    assert {name: value.shape for name, value in inputs.items()} == {
        name: value.shape for name, value in expected[0].items()
    }
    assert labels["label"].dtype == expected[1]["label"].dtype
    assert len(set(np.bincount(prepared.labels))) == 1


def test_smic_has_its_size():
    options = setting.options_of(BenchOptions(loso="--image-size 32"))
    prepared = setting.prepared(options)
    assert len(prepared) == 164 and len(set(prepared.subject_keys)) == 16
    assert prepared.first[-1] + prepared.num_frames[-1] == len(prepared.frames)
    boxes = setting.boxes()
    assert (boxes[:, :2] < boxes[:, 2:]).all() and boxes.min() >= 0 and boxes.max() <= 1
