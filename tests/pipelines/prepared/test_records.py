"""Which frames are kept, and what a record holds."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import exits, schema
from pipelines.prepared import records


def clip(count, apex=None, onset=0, offset=None):
    return schema.Clip(
        dataset="smic",
        subject="s01",
        clip="s01_ne_01",
        frames=tuple(f"/nowhere/{i}.bmp" for i in range(count)),
        numbers=tuple(range(100, 100 + count)),
        onset=onset,
        apex=apex,
        offset=count - 1 if offset is None else offset,
        label=0,
        emotion="negative",
    )


def test_a_short_clip_keeps_all_frames():
    assert records.keep_frames(clip(7), 32) == list(range(7))


def test_a_long_clip_keeps_the_frames_that_matter():
    kept = records.keep_frames(clip(100, apex=37), 10)
    assert len(kept) == 10 and {0, 37, 99} <= set(kept)
    assert max(np.diff(kept)) <= 18  # 11 apart if even


@given(st.integers(2, 150), st.integers(3, 40), st.data())
def test_kept_frames_are_in_order_spread_and_hold_the_key_frames(count, most, data):
    onset = data.draw(st.integers(0, count - 2))
    offset = data.draw(st.integers(onset + 1, count - 1))
    apex = data.draw(st.none() | st.integers(onset, offset))
    kept = records.keep_frames(clip(count, apex, onset, offset), most)
    assert kept == sorted(set(kept)) and len(kept) == min(count, most)
    middle = (onset + offset) // 2
    assert {onset, offset, middle if apex is None else apex} <= set(kept)
    assert 0 <= kept[0] and kept[-1] < count
    if most >= 6:
        assert max(np.diff(kept), default=1) <= 3 * max(1, count / (most - 3))


@pytest.mark.parametrize(
    "bad, message",
    [
        (clip(5, onset=4, offset=4), "onset and offset do not fit"),
        (clip(5, offset=5), "onset and offset do not fit"),
        (clip(9, apex=2, onset=3), "apex 2 lies outside"),
    ],
)
def test_indices_that_do_not_fit_are_refused(bad, message):
    with pytest.raises(schema.DataError, match=message):
        records.frames_record(bad, None)


def test_the_writer_shards_digests_and_repeats_itself(tmp_path):
    import tensorflow as tf

    entry = records._record(clip(3, apex=1), {}).entry
    features = {"frames": b"abc", "regions": np.arange(36, dtype=np.float32) / 36}
    digests = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        writer = records.Writer(folder)
        for index in range(records.CLIPS_PER_SHARD + 1):
            label = {"label": index % 3, "apex": None if index else 1}
            writer.write(records.Record({**entry, **label}, features))
        writer.close()
        digests.append(writer.digest)
    assert digests[0] == digests[1]
    assert [item["shard"] for item in writer.entries[-2:]] == [
        "shard-00000.tfrecord",
        "shard-00001.tfrecord",
    ]
    shard = tf.data.TFRecordDataset(str(tmp_path / "a" / "shard-00000.tfrecord"))
    first, second = list(shard.take(2).as_numpy_iterator())
    feature = tf.train.Example.FromString(first).features.feature
    assert feature["key"].bytes_list.value[0] == b"smic/s01/s01_ne_01"
    assert feature["frames"].bytes_list.value[0] == b"abc"
    values = {k: feature[k].int64_list.value[0] for k in ("onset", "apex", "offset", "num_frames")}
    assert values == {"onset": 0, "apex": 1, "offset": 2, "num_frames": 3}
    np.testing.assert_allclose(feature["regions"].float_list.value, features["regions"])
    assert tf.train.Example.FromString(second).features.feature["apex"].int64_list.value[0] == -1


def test_a_full_disk_is_an_error_of_files(tmp_path):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    (tmp_path / "shard-00000.tfrecord").symlink_to("/dev/full")
    writer = records.Writer(tmp_path)
    entry = records._record(clip(3, apex=1), {}).entry
    with pytest.raises(OSError, match="No space left on device") as error:
        writer.write(records.Record(entry, {"frames": bytes(2**22)}))
        writer.close()
    code, line = exits.explain(error.value)
    assert code == 1 and "shard-00000.tfrecord: the disk is full" in line
