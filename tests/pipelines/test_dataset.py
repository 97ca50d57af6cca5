import collections
import dataclasses
import gc
import itertools
import pathlib
import time

import numpy as np
import pytest
import tensorflow as tf
from prepared_fixture import BOXES, write_prepared

from pipelines import cli, dataset
from pipelines.options import AugmentationOptions, DataOptions, PreparationOptions
from pipelines.prepared import open_prepared

STILL = AugmentationOptions(mirror=0, shift=0, gain=0, contrast=0, tone=0, flicker=0)
LABELS = [0] * 8 + [1] * 4 + [2] * 3
CLIP = {"subject": 1, "label": 0}
PLAIN = DataOptions(batch_size=5, balance=0, augmentation=STILL)


@pytest.fixture(scope="module")
def clips():
    """15 clips of 5 subjects, without margin: pixels 0,0 and 0,1 are clip and frame number."""
    return [
        {
            **{"subject": i // 3, "label": label, "num_frames": 24 + i},
            **{"apex": 20 if i % 2 else None, "regions": BOXES * (1 + i / 100)},
        }
        for i, label in enumerate(LABELS)
    ]


@pytest.fixture(scope="module")
def prepared(clips, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "prepared"
    return open_prepared(write_prepared(path, clips, image_size=8, margin=0))


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    """15 clips of precomputed motion; every value is the clip's number."""
    path = tmp_path_factory.mktemp("motion") / "prepared"
    clips = [
        {"subject": i // 3, "label": label, "motion": np.full((8, 8, 3), i)}
        for i, label in enumerate(LABELS)
    ]
    return open_prepared(write_prepared(path, clips, 8, 0, kind="precomputed"))


def read_pixels(inputs):
    """(clip, onset, apex) numbers of each element of a batch that was not augmented."""
    onset = np.round(inputs["onset"][:, 0, :2, 0].numpy() * 255).astype(int)
    apex = np.round(inputs["apex"][:, 0, :2, 0].numpy() * 255).astype(int)
    np.testing.assert_array_equal(onset[:, 0], apex[:, 0])
    return np.column_stack([onset, apex[:, 1]])


def drawn(batches, count):
    """(count * b, 4) clip, onset, apex, label of the first `count` batches."""
    parts = [
        np.column_stack([read_pixels(inputs), targets["label"]])
        for inputs, targets in itertools.islice(batches, count)
    ]
    return np.concatenate(parts)


def test_training_pairs_lie_around_onset_and_apex(prepared):
    config = dataclasses.replace(PLAIN, onset_jitter=0.1, apex_jitter=0.25)
    pairs = drawn(dataset.make_train(prepared, [1], config, 0), 100)
    assert set(pairs[:, 0]) == {1} and set(pairs[:, 3]) == {LABELS[1]}
    # 25 frames, apex 20: rise 20, decay 4
    assert set(pairs[:, 1]) == {0, 1, 2}
    assert set(pairs[:, 2]) == set(range(15, 22))


def test_without_jitter_training_sees_the_evaluation_pair(prepared):
    config = dataclasses.replace(PLAIN, onset_jitter=0, apex_jitter=0)
    for clip, onset, apex, _ in drawn(dataset.make_train(prepared, range(15), config, 0), 12):
        assert (onset, apex) == (0, prepared.apex[clip])


@pytest.mark.parametrize("span", [(0, 1, 1), (0, 1, 2), (2, 3, 9), (0, 8, 8)])
def test_onset_comes_before_apex_however_short_the_clip_and_wide_the_jitter(tmp_path, span):
    onset, apex, offset = span
    clip = {"onset": onset, "apex": apex, "offset": offset, "num_frames": offset + 1, **CLIP}
    tiny = open_prepared(write_prepared(tmp_path / "p", [clip], 8, 0))
    config = dataclasses.replace(PLAIN, onset_jitter=1, apex_jitter=1)
    pairs = drawn(dataset.make_train(tiny, [0], config, 0), 40)
    assert (pairs[:, 1] < pairs[:, 2]).all()
    assert pairs[:, 1].min() == onset and pairs[:, 2].max() == offset


def test_wide_pairs_are_any_two_different_frames_in_either_order(prepared):
    pairs = drawn(dataset.make_pairs(prepared, [0], PLAIN, 0), 400)
    assert (pairs[:, 1] != pairs[:, 2]).all()
    assert set(pairs[:, 1]) == set(pairs[:, 2]) == set(range(24))
    assert 0.4 < np.mean(pairs[:, 1] < pairs[:, 2]) < 0.6


def test_without_balance_an_epoch_is_every_clip_once(prepared):
    seen = drawn(dataset.make_train(prepared, range(15), PLAIN, 3), 9)[:, 0]
    orders = {tuple(epoch) for epoch in seen.reshape(3, 15)}
    assert len(orders) == 3
    assert all(sorted(order) == list(range(15)) for order in orders)


@pytest.mark.parametrize("balance, shares", [(0.5, (6.5, 4.5, 4)), (1, (5, 5, 5))])
def test_balance_mixes_classes_in_every_epoch(prepared, balance, shares):
    config = dataclasses.replace(PLAIN, balance=balance)
    seen = drawn(dataset.make_train(prepared, range(15), config, 0), 60)
    for labels in seen[:, 3].reshape(20, 15):
        assert np.abs(np.bincount(labels, minlength=3) - shares).max() <= 1
    counts = collections.Counter(seen[:, 0].tolist())
    assert len(counts) == 15  # no clip is lost
    rare = [counts[i] for i in range(15) if LABELS[i] == 2]
    assert max(rare) - min(rare) <= 12  # within a class clips are alike


def test_balance_ignores_a_class_without_clips(prepared):
    config = dataclasses.replace(PLAIN, balance=1)
    rows = [i for i in range(15) if LABELS[i] != 1]
    labels = drawn(dataset.make_train(prepared, rows, config, 0), 11)[:, 3]
    assert np.abs(np.bincount(labels)[[0, 2]] - 27.5).max() <= 2


def test_the_same_seed_gives_the_same_batches(prepared):
    config = DataOptions(batch_size=4, augmentation=AugmentationOptions(noise=0.02))

    def batches(seed):
        return list(dataset.make_train(prepared, range(15), config, seed).take(12))

    first, again, other = batches(5), batches(5), batches(6)
    for one, two in zip(tf.nest.flatten(first), tf.nest.flatten(again)):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0][0]["apex"], other[0][0]["apex"])
    assert not np.array_equal(first[0][0]["apex"], first[1][0]["apex"])


def test_every_pair_comes_with_its_own_regions(prepared):
    for make in (dataset.make_train, dataset.make_pairs):
        for inputs, _ in make(prepared, range(15), PLAIN, 0).take(3):
            rows = read_pixels(inputs)[:, 0]
            np.testing.assert_allclose(inputs["regions"], prepared.regions[rows], atol=1e-6)


def test_augmentation_is_drawn_anew_for_every_pair_and_step(prepared):
    config = cli.replace(PLAIN, flicker=0.5, onset_jitter=0, apex_jitter=0)
    batches = dataset.make_train(prepared, [0], config, 0).take(8)
    # The same pair each time, so that its brightness tells one draw from another.
    brightness = [tf.reduce_mean(x["apex"], (1, 2, 3)).numpy() for x, _ in batches]
    assert len(np.unique(np.round(brightness, 4))) > 35  # of 40


def test_a_training_element_has_its_form(prepared):
    inputs, targets = dataset.make_train(prepared, range(15), PLAIN, 0).element_spec
    assert inputs["onset"] == inputs["apex"] == tf.TensorSpec([5, 8, 8, 1], tf.float32)
    assert inputs["regions"] == tf.TensorSpec([5, 9, 4], tf.float32)
    assert targets == {"label": tf.TensorSpec([5], tf.int32)}


def test_a_clip_left_out_is_never_read(prepared):
    """Its pixels are poisoned: white, while no other pixel is above 200."""
    frames = np.minimum(prepared.frames, 200)
    left_out = np.flatnonzero(prepared.subject_keys == "made/s02")
    for i in left_out:
        frames[prepared.first[i] : prepared.first[i] + prepared.num_frames[i]] = 255
    poisoned = dataclasses.replace(prepared, frames=frames)
    rows = np.setdiff1d(np.arange(15), left_out)
    for make in (dataset.make_train, dataset.make_pairs):
        for inputs, _ in make(poisoned, rows, PLAIN, 0).take(60):
            assert max(inputs["onset"].numpy().max(), inputs["apex"].numpy().max()) < 0.8
    inputs, _ = next(iter(dataset.make_train(poisoned, left_out, PLAIN, 0)))
    assert inputs["onset"].numpy().min() == 1  # the poison works


@pytest.mark.parametrize(
    "rows, message", [([], "at least one clip"), ([3, 15], r"rows must lie in 0..14, got 3..15")]
)
def test_rows_that_do_not_exist_are_refused(prepared, rows, message):
    with pytest.raises(ValueError, match=message):
        dataset.make_train(prepared, rows, PLAIN, 0)


def test_evaluation_carries_the_row_of_every_pair(prepared):
    rows = [7, 3, 14, 0, 5, 9, 11]
    batches = list(dataset.make_eval(prepared, rows, PLAIN))
    assert [y["row"].numpy().tolist() for _, y in batches] == [
        [7, 3, 14, 0, 5],
        [9, 11, -1, -1, -1],
    ]
    for inputs, targets in batches:
        assert inputs["onset"].shape == (5, 8, 8, 1) and set(targets) == {"row"}
        for row, (clip, onset, apex) in zip(targets["row"].numpy(), read_pixels(inputs)):
            if row >= 0:
                assert (clip, onset, apex) == (row, 0, prepared.apex[row])


@pytest.mark.parametrize(
    "shift_onset, shift_apex, expected",
    [
        (0, 0, [(0, 20), (0, 1), (0, 3)]),
        (2, 0, [(2, 20), (2, 3), (2, 3)]),  # the apex stays after the onset
        (0, 3, [(0, 23), (0, 4), (0, 3)]),  # and within the clip
        (1, -2, [(1, 18), (1, 2), (1, 2)]),
        (99, -99, [(23, 24), (4, 5), (2, 3)]),
    ],
)
def test_the_evaluation_pair_is_shifted_within_the_clip(
    tmp_path, shift_onset, shift_apex, expected
):
    spans = [(20, 25), (1, 6), (3, 4)]  # apex, number of frames
    clips = [{**CLIP, "apex": apex, "num_frames": count} for apex, count in spans]
    three = open_prepared(write_prepared(tmp_path / "p", clips, 8, 0))
    config = cli.replace(PLAIN, shift_onset=shift_onset, shift_apex=shift_apex)
    np.testing.assert_array_equal(dataset.evaluation_pairs(three, config), expected)
    (inputs, _), *_ = dataset.make_eval(three, [2, 0, 1], config)
    shown = read_pixels(inputs)[:3]
    np.testing.assert_array_equal(shown[:, 1:], [expected[row] for row in (2, 0, 1)])
    assert shown[:, 0].tolist() == [2, 0, 1]
    for one in (config, PLAIN):  # training is about the annotated frames
        still = dataclasses.replace(one, onset_jitter=0, apex_jitter=0)
        seen = drawn(dataset.make_train(three, range(3), still, 0), 3)
        assert {tuple(row) for row in seen[:, :3]} == {(0, 0, 20), (1, 0, 1), (2, 0, 3)}


def test_evaluation_cuts_the_centre(tmp_path):
    path = write_prepared(tmp_path / "p", [CLIP], image_size=16, margin=2)
    wide = open_prepared(path)
    inputs, _ = next(iter(dataset.make_eval(wide, [0], DataOptions(batch_size=1))))
    expected = wide.frames[wide.apex[0], 2:18, 2:18] / 255
    np.testing.assert_allclose(inputs["apex"][0, ..., 0], expected, atol=1e-6)
    np.testing.assert_allclose(inputs["regions"][0], (BOXES * 20 - 2) / 16, atol=1e-6)


def test_motion_takes_the_place_of_frames(moving):
    config = dataclasses.replace(PLAIN, balance=1)
    seen = []
    for inputs, targets in dataset.make_train(moving, range(3, 15), config, 0).take(24):
        assert set(inputs) == {"motion", "regions"} and inputs["motion"].shape == (5, 8, 8, 3)
        clip = inputs["motion"][:, 0, 0, 2].numpy().astype(int)
        np.testing.assert_array_equal(targets["label"], np.array(LABELS)[clip])
        seen.extend(clip)
    assert set(seen) == set(range(3, 15))
    rows, clip = [], []
    for inputs, targets in dataset.make_eval(moving, [4, 2, 9, 13, 1, 0], PLAIN):
        rows.extend(targets["row"].numpy()), clip.extend(inputs["motion"][:, 0, 0, 0].numpy())
    assert rows[:6] == clip[:6] == [4, 2, 9, 13, 1, 0] and rows[6:] == [-1] * 4


def test_motion_is_augmented_together_with_its_boxes(moving):
    config = cli.replace(PLAIN, mirror=1)
    inputs, _ = next(iter(dataset.make_train(moving, range(1, 15), config, 0)))
    assert (inputs["motion"][..., 0] < 0).numpy().all() and (
        inputs["motion"][..., 1] > 0
    ).numpy().all()
    np.testing.assert_allclose(inputs["regions"][0, 2, 1], 1 - BOXES[2, 3], atol=1e-6)


def test_wide_pairs_need_frames(moving):
    with pytest.raises(ValueError, match="pairs need frames"):
        dataset.make_pairs(moving, [0], PLAIN, 0)


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    """48 clips of 32 frames at 128 px: 32 MB."""
    frames = np.zeros((32, 144, 144), np.uint8)
    clips = [{"subject": i // 6, "label": i % 3, "frames": frames} for i in range(48)]
    path = write_prepared(tmp_path_factory.mktemp("large") / "p", clips, 128, 8)
    return open_prepared(path)


def run_fold(prepared, fold, config):
    rows = np.delete(np.arange(len(prepared)), slice(6 * (fold % 8), 6 * (fold % 8) + fold % 5 + 1))
    start = time.perf_counter()
    train = dataset.make_train(prepared, rows, config, fold)
    test = dataset.make_eval(prepared, np.setdiff1d(np.arange(len(prepared)), rows), config)
    seconds = time.perf_counter() - start
    for batches in (train.take(3), test):
        for _ in batches:
            pass
    return seconds


def test_a_new_fold_costs_milliseconds_and_no_trace(large, monkeypatch):
    config = DataOptions(batch_size=8)
    run_fold(large, 0, config)

    def traced(*args):
        raise AssertionError("a new fold was traced")

    monkeypatch.setattr(dataset.augment, "sample", traced)
    monkeypatch.setattr(dataset.augment, "nothing", traced)
    elsewhere = PreparationOptions(data_root=("/elsewhere",))  # no graph depends on these
    config = dataclasses.replace(config, preparation=elsewhere, balance=0.3)
    assert np.median([run_fold(large, fold, config) for fold in range(1, 10)]) < 0.05


def resident():
    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


@pytest.mark.slow
@pytest.mark.skipif(not pathlib.Path("/proc/self/statm").exists(), reason="reads Linux' /proc")
def test_memory_does_not_grow_from_fold_to_fold(large):
    config = DataOptions(batch_size=8)
    for fold in range(4):
        run_fold(large, fold, config)
    before = resident()
    for fold in range(4, 24):
        run_fold(large, fold, config)
    assert resident() - before < 100  # MB; a bank of 32 kept by each fold would be 640
