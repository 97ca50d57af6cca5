"""Options of the synthetic database: what is refused, and by which words."""

import pytest

from pipelines.synthetic import layouts, options
from pipelines.synthetic.options import SynthesisConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "samn"}, "layout must be one of smic, casme2, samm"),
        ({"num_subjects": 0}, "num_subjects must be at least 1"),
        ({"num_frames": 2}, "num_frames must be at least 4"),
        ({"noise": -1.0}, "noise must be at least 0"),
        ({"frame_size": (32, 32)}, "frame_size must be at least 160 120"),
    ],
)
def test_wrong_option_is_named(changes, message):
    with pytest.raises(ValueError, match=message):
        SynthesisConfig(**changes)


def test_every_layout_offered_can_be_written():
    assert options.LAYOUTS == tuple(layouts.LAYOUTS)
