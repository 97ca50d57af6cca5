import pytest

from pipelines.options import AugmentConfig, DatasetConfig


@pytest.mark.parametrize(
    "name, value, span",
    [
        ("mirror", 1.5, r"\[0, 1\]"),
        ("shift", 0.6, r"\[0, 0.5\]"),
        ("gain", 1.0, r"\[0, 1\)"),
        ("noise", -0.1, r"\[0, 1\)"),
        ("motion_turn", 200, r"\[0, 180\]"),
    ],
)
def test_augmentation_names_the_range_it_wants(name, value, span):
    with pytest.raises(ValueError, match=f"{name} must lie in {span}, got {value}"):
        AugmentConfig(**{name: value})


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("balance", 2, "balance must lie in"),
        ("apex_jitter", -1, "apex_jitter must lie in"),
        ("batch_size", 0, "batch_size must be at least 1"),
        ("mirror", 2, "mirror must lie in"),
    ],
)
def test_sampling_checks_its_own_and_what_it_inherits(name, value, message):
    with pytest.raises(ValueError, match=message):
        DatasetConfig(**{name: value})
