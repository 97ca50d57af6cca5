import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from me_keras.config import ExecutorConfig, LosoConfig
from me_keras.evaluation import shards
from pipelines import cli


@given(st.integers(0, 30), st.integers(1, 9))
def test_shards_share_out_the_work(num_jobs, count):
    work = list(range(num_jobs))
    parts = [shards.take(work, f"{i + 1}/{count}") for i in range(count)]
    assert sorted(sum(parts, [])) == work
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_every_nth_from_the_ith():
    assert shards.take("abcdefg", "2/3") == ["b", "e"]
    assert shards.take("ab", "3/3") == [] and shards.take("ab", None) == ["a", "b"]


@pytest.mark.parametrize("text", ["3/2", "0/2", "1/0", "1", "a/b", "1/2/3", "-1/2", "", "1.5/2"])
def test_malformed(text):
    with pytest.raises(ValueError, match="shard"):
        shards.parse(text)


def test_many_are_counted_few_are_named():
    assert shards.naming(["a", "b"]) == "a; b"
    assert shards.naming(list(range(25))).endswith("; 9; and 15 more")


def test_the_merge_command_is_the_same_run_without_where_it_ran():
    config = LosoConfig(
        dataset="smic",
        data_root=("/data/my copy",),
        num_seeds=3,
        subjects=("s01", "s02"),
        face_fusion=False,
        jobs=4,
        shard="2/8",
    )
    leave_out = ExecutorConfig.__dataclass_fields__
    words = shlex.split(shards.merge_command(config, "runs/a b", leave_out))
    assert words[:3] == ["python", "-m", "me_keras.loso"]
    again = cli.parse(LosoConfig, words[3:], "loso", "text")
    assert again == LosoConfig(
        dataset="smic",
        data_root=("/data/my copy",),
        num_seeds=3,
        subjects=("s01", "s02"),
        face_fusion=False,
        out="runs/a b",
        merge=True,
    )
