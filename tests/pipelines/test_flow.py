import dataclasses

import cv2
import numpy as np
import pytest
from prepared_fixture import frames_of, write_prepared

from pipelines import cli, dataset, flow
from pipelines.options import DataOptions
from pipelines.prepared import open_prepared
from pipelines.schema import DataError

CONFIG = DataOptions(batch_size=2)


@pytest.fixture(scope="module")
def moved():
    """A noisy textured pair and its true displacement, a bump of up to 1.5 px right, 0.6 px up."""
    rng = np.random.default_rng(0)
    texture = sum(cv2.GaussianBlur(rng.normal(size=(96, 96)), (0, 0), s) * s for s in (1.5, 3, 6))
    texture = (128 + 40 * texture / texture.std()).astype(np.float32)
    ys, xs = np.mgrid[:96, :96].astype(np.float32)
    bump = np.exp(-((xs - 48) ** 2 + (ys - 48) ** 2) / (2 * 18**2))
    truth = np.stack([1.5 * bump, -0.6 * bump], -1)
    # The apex is the texture; the onset samples it where the displacement points.
    onset = cv2.remap(texture, xs + truth[..., 0], ys + truth[..., 1], cv2.INTER_CUBIC)
    noisy = np.stack([onset, texture]) + rng.normal(size=(2, 96, 96)) * 2
    return np.clip(np.round(noisy), 0, 255).astype(np.uint8), truth


@pytest.mark.parametrize("name", ["farneback", "dis", "tvl1"])
def test_flow_finds_sub_pixel_motion_in_our_convention(name, moved):
    frames, truth = moved
    motion = flow.MOTIONS[name].compute(frames)
    assert motion.shape == (96, 96, 3) and motion.dtype == np.float32
    inner = slice(8, 88)
    error = np.linalg.norm(motion[inner, inner, :2] - truth[inner, inner], axis=-1).mean()
    assert error < 0.25 * np.linalg.norm(truth[inner, inner], axis=-1).mean()
    np.testing.assert_array_equal(motion[..., 2], flow.strain(motion[..., :2]))


@pytest.mark.parametrize("name", ["farneback", "dis", "tvl1"])
def test_flow_uses_the_ends_of_the_clip(name, moved):
    frames, _ = moved
    long = np.stack([frames[0], np.zeros_like(frames[0]), frames[1]])
    compute = flow.MOTIONS[name].compute
    np.testing.assert_allclose(compute(long), compute(frames), atol=1e-4)


def test_strain_of_known_deformations():
    ys, xs = np.mgrid[:9, :9].astype(np.float32)
    zero = np.zeros_like(xs)
    for u, v, expected in [
        (zero + 3, zero - 2, 0),  # translation
        (0.2 * xs, zero, 0.2),  # stretch
        (0.3 * xs, -0.4 * ys, 0.5),
        (0.2 * ys, zero, 0.2 / np.sqrt(2)),  # shear
        (0.1 * ys, -0.1 * xs, 0),  # rotation
    ]:
        np.testing.assert_allclose(flow.strain(np.stack([u, v], -1)), expected, atol=1e-6)


def test_difference_is_apex_minus_onset():
    frames = np.uint8([[[10, 200]], [[99, 99]], [[61, 98]]])
    np.testing.assert_allclose(flow.difference(frames)[0, :, 0], [0.2, -0.4], atol=1e-6)


def test_dynamic_image_weighs_frames_by_rank():
    frames = np.uint8([[[0]], [[51]], [[255]], [[102]]])
    # weights -3, -1, 1, 3 over 4; values 0, 0.2, 1, 0.4
    np.testing.assert_allclose(flow.dynamic_image(frames), (-0.2 + 1 + 1.2) / 4, atol=1e-6)
    np.testing.assert_allclose(  # of two frames it is their difference
        flow.dynamic_image(frames[1:3]), flow.difference(frames[1:3]), atol=1e-6
    )


def test_intensity_image_weighs_frames_by_their_distance_from_the_first():
    frames = np.uint8([[[0]], [[51]], [[255]], [[102]]])
    # Ordered 0, 0.2, 0.4, 1; weights -3, -1, 1, 3 over 4.
    np.testing.assert_allclose(flow.intensity_image(frames), (-0.2 + 0.4 + 3) / 4, atol=1e-6)
    # From the first, 0.4, they are 0, 0.4, 0.2 and 0.6 away, darker or brighter.
    frames = np.uint8([[[102]], [[204]], [[51]], [[255]]])
    np.testing.assert_allclose(
        flow.intensity_image(frames), (-3 * 0.4 - 0.2 + 0.8 + 3 * 1) / 4, atol=1e-6
    )
    np.testing.assert_allclose(  # of two frames it is their difference
        flow.intensity_image(frames[:2]), flow.difference(frames[:2]), atol=1e-6
    )


def test_frames_that_moved_as_much_stay_in_the_order_of_time():
    first, high, low = np.full((2, 2), 100), np.full((2, 2), 120), np.full((2, 2), 80)
    for frames in ([first, high, low], [first, low, high]):
        frames = np.uint8(frames)
        np.testing.assert_array_equal(flow.intensity_image(frames), flow.dynamic_image(frames))
    again = np.uint8([first, first + 51, first])  # as the first one: right after it
    np.testing.assert_allclose(flow.intensity_image(again), 0.2, atol=1e-6)


def test_dynamic_images_are_the_ranked_then_the_intensity_image():
    noise = np.random.default_rng(1).integers(0, 256, (5, 96, 96), np.uint8)
    images = flow.dynamic_images(noise)
    ranked = flow.MOTIONS["ranked_image"].compute(noise)
    np.testing.assert_array_equal(ranked, flow.dynamic_image(noise))
    np.testing.assert_array_equal(images[..., :1], ranked)
    np.testing.assert_array_equal(images[..., 1:], flow.intensity_image(noise))
    assert np.abs(images[..., 0] - images[..., 1]).max() > 0.1


def test_channel_counts_are_as_listed(moved):
    for name, motion in flow.MOTIONS.items():
        assert motion.compute(moved[0]).shape == (96, 96, motion.channels), name


# The bank


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    clips = [{"subject": i, "label": i % 3, "num_frames": 10 + i} for i in range(4)]
    path = tmp_path_factory.mktemp("data") / "p"
    return open_prepared(write_prepared(path, clips, image_size=32, margin=4))


def make(prepared, folder, name="difference", pairs=3, seed=0, **options):
    return flow.motion_bank(prepared, name, pairs, CONFIG, seed, folder, **options)


def test_the_bank_holds_the_evaluation_pair_then_random_pairs(prepared, tmp_path):
    bank = make(prepared, tmp_path, jobs=1)
    assert bank.motion.shape == (12, 40, 40, 1) and bank.motion.dtype == np.float16
    assert bank.maps_per_clip == 3 and len(bank.frames) == 0
    pairs = dataset.draw_pairs(prepared, 3, CONFIG, 0)
    for i in range(4):
        frames = frames_of(i, 10 + i, 40)
        assert pairs[i, 0].tolist() == [0, prepared.apex[i]]
        for j, (first, second) in enumerate(pairs[i]):
            assert 0 <= first < second < 10 + i
            expected = flow.difference(frames[[first, second]])
            np.testing.assert_allclose(bank.motion[3 * i + j], expected, atol=5e-4)


def test_motion_is_served_in_place_of_frames(prepared, tmp_path):
    bank = make(prepared, tmp_path, jobs=1)
    (inputs, rows), *_ = dataset.make_eval(bank, [2, 1], CONFIG)
    assert inputs["motion"].shape == (2, 32, 32, 1)
    np.testing.assert_array_equal(rows["row"], [2, 1])
    np.testing.assert_array_equal(inputs["motion"][0], bank.motion[6, 4:36, 4:36])
    still = cli.replace(DataOptions(), batch_size=2, mirror=0, shift=0)
    inner = bank.motion[:, 4:36, 4:36]

    def first_like(motion):  # of two equal pairs, the first
        return int(np.abs(inner - motion).max(axis=(1, 2, 3)).argmin())

    seen = {
        first_like(motion.numpy())
        for inputs, _ in dataset.make_train(bank, [1, 3], still, 0).take(40)
        for motion in inputs["motion"]
    }
    assert seen == {first_like(inner[i]) for i in (3, 4, 5, 9, 10, 11)}
    assert len(seen) > 2


@pytest.mark.parametrize("name", ["difference", "ranked_image"])
def test_a_shifted_pair_is_evaluated_and_not_trained_on(prepared, tmp_path, name):
    still = cli.replace(DataOptions(), batch_size=2, mirror=0, shift=0)
    shifted = cli.replace(still, shift_onset=1, shift_apex=-2)
    bank, plain = (
        flow.motion_bank(prepared, name, 3, config, 0, tmp_path, jobs=1)
        for config in (shifted, still)
    )
    assert len(list(tmp_path.iterdir())) == 2  # another cache
    assert (bank.maps_per_clip, plain.maps_per_clip) == (4, 3)
    maps = bank.motion.reshape(4, 4, *bank.motion.shape[1:])  # (clips, maps, S, S, 1)
    np.testing.assert_array_equal(maps[:, 1:].reshape(plain.motion.shape), plain.motion)
    for i in range(4):
        frames = frames_of(i, 10 + i, 40)[1 : prepared.apex[i] - 1]
        np.testing.assert_allclose(maps[i, 0], flow.MOTIONS[name].compute(frames), atol=5e-4)
    (inputs, _), *_ = dataset.make_eval(bank, [2, 1], shifted)
    np.testing.assert_array_equal(inputs["motion"], maps[[2, 1], 0, 4:36, 4:36])
    batches = [
        list(dataset.make_train(one, [0, 1, 3], config, 7).take(20))
        for one, config in ((bank, shifted), (plain, still))
    ]
    for (one, _), (other, _) in zip(*batches):  # to the bit as without a shift
        np.testing.assert_array_equal(one["motion"], other["motion"])


def test_processes_compute_the_same(prepared, tmp_path):
    one = make(prepared, tmp_path / "one", "dis", jobs=1)
    two = make(prepared, tmp_path / "two", "dis", jobs=2)
    np.testing.assert_array_equal(one.motion, two.motion)


def test_motion_is_computed_once(prepared, tmp_path, monkeypatch):
    first = make(prepared, tmp_path / "cache", jobs=1)
    computed = []
    compute = flow._compute
    monkeypatch.setattr(flow, "_compute", lambda *a: computed.append(a) or compute(*a))
    np.testing.assert_array_equal(make(prepared, tmp_path / "cache").motion, first.motion)
    assert not computed
    make(prepared, tmp_path / "cache", jobs=1, seed=1)
    make(prepared, tmp_path / "cache", jobs=1, pairs=2)
    make(prepared, tmp_path / "cache", jobs=1, name="dynamic_image")
    make(dataclasses.replace(prepared, digest="of other records"), tmp_path / "cache", jobs=1)
    assert len(computed) == 4
    assert len(list((tmp_path / "cache").iterdir())) == 5  # and nothing half-written


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_cache_is_computed_anew(prepared, tmp_path, damage):
    first = make(prepared, tmp_path, jobs=1)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-50] if damage is None else damage)
    np.testing.assert_array_equal(make(prepared, tmp_path, jobs=1).motion, first.motion)


@pytest.mark.parametrize("name", ["ranked_image", "intensity_image", "dynamic_images"])
def test_every_second_pair_is_of_the_decay(tmp_path, name):
    apexes, counts = (4, 11, 3), (12, 12, 10)  # the second clip ends at its apex
    clips = [
        {"subject": i, "label": i, "num_frames": count, "apex": apex}
        for i, (apex, count) in enumerate(zip(apexes, counts))
    ]
    prepared = open_prepared(write_prepared(tmp_path / "p", clips, image_size=8, margin=0))
    bank = make(prepared, tmp_path / "cache", name, pairs=5, jobs=1)
    pairs = dataset.draw_pairs(prepared, 5, CONFIG, 0)
    assert bank.motion.shape == (15, 8, 8, flow.MOTIONS[name].channels)
    for i, (apex, count) in enumerate(zip(apexes, counts)):
        frames = frames_of(i, count, 8)
        for j, (first, second) in enumerate(pairs[i]):
            if j in (1, 3) and apex < count - 1:
                first, second = apex, count - 1
            expected = flow.MOTIONS[name].compute(frames[first : second + 1])
            np.testing.assert_allclose(bank.motion[5 * i + j], expected, atol=5e-4)
    (inputs, _), *_ = dataset.make_eval(bank, [0, 2], CONFIG)  # pairs of evaluation only
    np.testing.assert_array_equal(inputs["motion"], bank.motion[[0, 10]])


def test_other_motions_are_of_the_rise_alone(prepared, tmp_path):
    rises = {name for name, motion in flow.MOTIONS.items() if not motion.phases}
    assert rises == {"farneback", "dis", "tvl1", "difference", "dynamic_image"}
    bank = make(prepared, tmp_path, "dynamic_image", jobs=1)
    first, second = dataset.draw_pairs(prepared, 3, CONFIG, 0)[2, 1]
    expected = flow.dynamic_image(frames_of(2, 12, 40)[first : second + 1])
    np.testing.assert_allclose(bank.motion[7], expected, atol=5e-4)


IMAGES = ["dynamic_image", "ranked_image", "intensity_image", "dynamic_images"]


@pytest.mark.parametrize("name", IMAGES)
def test_a_dynamic_image_of_onset_and_apex_alone_is_refused(tmp_path, name):
    clips = [{"subject": i, "label": i, "num_frames": n} for i, n in enumerate((2, 2, 3))]
    clips[2] |= {"apex": 1}  # onset, apex, offset
    prepared = open_prepared(write_prepared(tmp_path / "p", clips))
    message = (
        f"{tmp_path / 'p'} holds only onset and apex: a dynamic image needs the frames between; "
        "take --motion difference or a flow"
    )
    with pytest.raises(DataError) as error:
        make(prepared, tmp_path / "cache", name, jobs=1)
    assert str(error.value) == message
    assert make(prepared, tmp_path / "cache", jobs=1).motion.shape[-1] == 1  # the difference


@pytest.mark.parametrize("name", IMAGES)
def test_single_clips_of_onset_and_apex_alone_are_fine(tmp_path, name):
    clips = [{"subject": 0, "label": 0, "num_frames": 2}]
    clips += [{"subject": 1, "label": 1, "num_frames": 4, "apex": 2}]
    prepared = open_prepared(write_prepared(tmp_path / "p", clips))
    bank = make(prepared, tmp_path / "cache", name, jobs=1)
    pair = frames_of(0, 2, 20)
    for channel in np.moveaxis(bank.motion[0], -1, 0):
        np.testing.assert_allclose(channel, flow.difference(pair)[..., 0], atol=5e-4)


def test_misuse_of_the_bank_is_named(prepared, tmp_path):
    with pytest.raises(ValueError, match="unknown motion 'raft'; known: farneback, dis, tvl1"):
        make(prepared, tmp_path, "raft")
    with pytest.raises(ValueError, match="pairs_per_clip must be at least 1, got 0"):
        make(prepared, tmp_path, pairs=0)
    bank = make(prepared, tmp_path, jobs=1)
    with pytest.raises(DataError, match="holds motion, not frames: dis cannot be computed"):
        make(bank, tmp_path, "dis")


def test_frames_of_equal_motion_keep_their_order(rng):
    frames = np.zeros((40, 8, 8), np.uint8)
    frames[np.arange(1, 40), rng.integers(0, 8, 39), rng.integers(0, 8, 39)] = 90  # one pixel each
    np.testing.assert_array_equal(flow.intensity_image(frames), flow.dynamic_image(frames))
