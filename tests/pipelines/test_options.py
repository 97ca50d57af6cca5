"""Options of data: ranges, and where a copy's folder comes from."""

import pytest

from pipelines.options import AugmentationOptions, DataOptions, PreparationOptions
from pipelines.schema import OptionError


@pytest.mark.parametrize(
    "record, name, value, rule",
    [
        (AugmentationOptions, "mirror", 1.5, r"lie in \[0, 1\]"),
        (AugmentationOptions, "shift", 0.6, r"lie in \[0, 0.5\]"),
        (AugmentationOptions, "gain", 1.0, r"lie in \[0, 1\)"),
        (AugmentationOptions, "noise", -0.1, r"lie in \[0, 1\)"),
        (AugmentationOptions, "motion_turn", 200, r"lie in \[0, 180\]"),
        (DataOptions, "balance", 2, r"lie in \[0, 1\]"),
        (DataOptions, "apex_jitter", -1, r"lie in \[0, 1\]"),
        (DataOptions, "batch_size", 0, "be at least 1"),
        (DataOptions, "shift_onset", -1, "be at least 0"),
        (PreparationOptions, "image_size", 8, "be at least 32"),
        (PreparationOptions, "max_frames", 2, "be at least 3"),
        (PreparationOptions, "margin", -1, "be at least 0"),
        (PreparationOptions, "apex", "guessed", "be one of annotated, middle, spotted"),
        (PreparationOptions, "dataset", "imagenet", "be one of synthetic, smic"),
    ],
)
def test_values_out_of_range_are_named(record, name, value, rule):
    with pytest.raises(OptionError, match=f"{name} must {rule}.*, got {value!r}"):
        record(**{name: value})


@pytest.mark.parametrize("shift", [{"shift_onset": 1}, {"shift_apex": -2}])
def test_key_frames_of_flow_images_cannot_be_shifted(shift):
    images = PreparationOptions(dataset="smic-flow")
    with pytest.raises(OptionError) as error:
        DataOptions(preparation=images, **shift)
    assert str(error.value) == (
        "shift_onset and shift_apex need frames: smic-flow holds one flow image of each clip; "
        "leave them at 0"
    )
    assert not DataOptions(preparation=images).shifts and DataOptions(**shift).shifts
